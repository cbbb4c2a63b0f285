// Package copies brings the snapshots of a series to a second place: the same objects,
// byte for byte, verified on the way, in another store or a directory.
//
// A Plan says what is copied in which order, and is a pure function of two listings.
// Run carries it out: it creates objects at the target and sets tags there, overwrites
// and deletes nothing, and changes nothing at the source.
package copies
