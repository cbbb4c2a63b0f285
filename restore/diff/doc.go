// Package diff says what differs between two states of a database: which tables and
// other objects of the schema, and which rows. It is given the pages that differ, by
// their digests, and reads little else: the pages that lead to them in their b-trees,
// and the same pages on the other side.
//
// # How
//
// A leaf page that both sides have in the same table with the same content holds the
// same rows on both sides. So it is enough to find, for each table, the leaf pages for
// which that is not so, and to compare the rows of these by key: a row that has moved
// from one of them to another is found on both sides, and the same.
//
// Only one side's differing pages are looked at to find out which table they belong to
// (by the smallest key of each, going down from the roots of the tables where it could
// be). What else has come or gone shows in pages above them, which differ too.
//
// A long row has overflow pages, which nothing but the row's own page leads to, and
// SQLite can change them without a change of that page. If an overflow page differs
// that belongs to no row that is compared anyway, all tables are searched for it.
//
// The tables' schema comes from SQLite (ReadSchema). Everything else is done without
// SQLite, by package btree.
package diff
