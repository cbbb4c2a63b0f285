// Package lifecycle carries out retention by succession: a snapshot is
// uploaded as held, is released into a retention class once a newer snapshot
// has been in the bucket for long enough, and is then taken by the bucket's
// own lifecycle rules. Nothing that runs every day needs the right to delete.
//
// Backup backs up and releases the older snapshots that are due. Release alone
// belongs into a job of its own, where backups may not release:
//
//	done, released, err := lifecycle.Backup(ctx, bucket, "/var/lib/app/app.db", upload.BackupOptions{}, lifecycle.Options{})
//
// The rules are written once, with an administrator's credentials: see package rules.
// Where a store has no tags, and in a directory, Prune deletes by the same decisions:
//
//	terms := lifecycle.Terms{Policy: lifecycle.DefaultPolicy()}
//	decisions, deleted, err := lifecycle.Prune(ctx, bucket, lifecycle.Options{Terms: terms})
//
// One pure function, Decide, decides for Release, Prune, and what a listing shows. A
// base waits there for all that stands on it. Load and its like read what Decide needs;
// the rest of the package carries it out.
package lifecycle
