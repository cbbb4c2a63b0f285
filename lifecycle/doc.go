// Package lifecycle carries out retention by succession: a snapshot is
// uploaded as held, is released into a retention class once a newer snapshot
// has been in the bucket for long enough, and is then taken by the bucket's
// own lifecycle rules. Nothing that runs every day needs the right to delete.
//
// Backup backs up and releases the older snapshots that are due. Release alone
// belongs into a job of its own, where backups may not release. The rules are
// written once, with an administrator's credentials:
//
//	done, released, err := lifecycle.Backup(ctx, bucket, "/var/lib/app/app.db", upload.BackupOptions{}, lifecycle.Options{})
//
//	terms := lifecycle.Terms{Policy: lifecycle.DefaultPolicy()}
//	p, err := lifecycle.Propose(ctx, bucket, terms, lifecycle.DefaultNoncurrent)
//	notes, err := p.Apply(ctx, bucket)
//
// Where a store has no tags, and in a directory, Prune deletes by the same
// decisions:
//
//	decisions, deleted, err := lifecycle.Prune(ctx, bucket, terms, nil)
//
// One pure function, Decide, decides for Release, Prune, and what a listing
// shows. The rest of the package reads what Decide needs, and carries it out.
package lifecycle
