// Package remote reads a database out of a snapshot that stays in its bucket: what is
// asked for is fetched frame by frame, verified, and kept in a temp file.
//
// It belongs to Lifeboat's own packages and promises nothing to applications, which
// use package restore.
package remote
