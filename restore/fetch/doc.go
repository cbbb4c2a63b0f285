// Package fetch opens what a restore reads: the archive of a snapshot, and those of
// all that it stands on.
//
// It belongs to Lifeboat's own packages and promises nothing to applications, which
// use package restore.
package fetch
