// Package query runs the SELECT statements of a user on a database that nobody vouches
// for, and hands on their rows. Statements are split, and their parameters found, before
// SQLite sees any of them.
//
// It belongs to Lifeboat's own packages.
package query
