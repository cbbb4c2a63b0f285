// Package cache is what this machine knows of the snapshots that it has uploaded or
// verified: the only thing that a differential's base is known from. What a bucket
// says of itself is no evidence, because whoever may write there can write that.
//
// # Directory
//
// Each series has a directory of its own, whose name is the SHA-256 of its endpoint,
// bucket URL and database name; without a run for a month it is removed. In it are,
// for each snapshot,
//
//	<object name>.json     its Entry, behind a line with the SHA-256 of what follows
//	<object name>.pages    the page digests of the whole content, 16 bytes a page, in
//	                       page order, as long as it can still be a base
//
// A file is written under the name new and renamed, while the directory is locked.
//
// A cache costs time where it fails, and never content: an entry is believed only if
// its checksum holds and it has the name, size and ETag that the listing has, page
// digests only if they give the digest of the entry. The directory is not used if
// somebody may write there who may not write the database (ErrUnsafe).
package cache
