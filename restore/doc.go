// Package restore brings a snapshot back: it selects one, fetches and
// verifies it, and puts it in the place of a database in such a way that a
// kill or a power cut at any instant leaves the whole old or the whole new
// content, never a mix.
//
// Select finds a snapshot in a bucket, by default the newest, and Restore brings
// it to a file:
//
//	s, err := restore.Select(ctx, bucket, restore.Selector{})
//	done, err := restore.Restore(ctx, bucket, s, "/var/lib/app/app.db", restore.Options{})
//
// Prepare returns what Restore would do. Stream writes the database to an io.Writer.
// Verify makes a drill: it restores to a temp file, and has SQLite check the result
// and answer queries. A Verifier makes those of several snapshots.
//
// A differential is restored with all that it stands on, from the full snapshot up. In a
// versioned bucket a base that was deleted or overwritten is read as the version on
// which the differential stands. An error about one object of the chain is a
// *snapshot.ArchiveError, with the snapshot that it is about.
//
// To find out whether a process has the target open, this package opens the target's
// file itself. An application must close its own SQLite connections to the target
// first, or restore with Options.Live: closing any descriptor of a file drops all
// locks that the process has on it.
package restore
