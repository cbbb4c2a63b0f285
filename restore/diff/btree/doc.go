// Package btree reads the pages of a SQLite database without SQLite: b-trees, their
// records, and the overflow pages of long ones. It trusts nothing of what it reads:
// whatever the pages hold, each call ends, and takes memory for one page, or for what
// it returns.
//
// Source: https://www.sqlite.org/fileformat2.html
package btree
