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
// Prepare says what Restore would do. Stream writes the database to an
// io.Writer. Verify makes a drill: it restores to a temp file, and lets SQLite
// check the result and answer questions.
//
// To find out whether anybody has the target open, this package opens the
// target's file itself. A process that may have SQLite connections to the
// target must close them first, or restore with Options.Live.
package restore
