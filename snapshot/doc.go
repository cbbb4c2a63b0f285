// Package snapshot makes snapshots of live SQLite databases: a hot copy in a
// temp file, or what differs from an earlier snapshot, its check, and the archive, a
// .zst file that holds the database at one point in time or these differences. It
// knows no network: upload.Backup does all of
// this and puts the archive in a bucket, which is what most applications want.
//
// Take copies a database while applications use it, and OpenArchive reads what
// WriteArchive has written:
//
//	c, err := snapshot.Take(ctx, "app.db", snapshot.CopyOptions{})
//	defer c.Close()
//	err = c.Check(ctx, snapshot.CheckQuick)
//	digest, err := c.Digest(ctx, nil)
//	m, err := c.WriteArchive(ctx, w, digest, snapshot.ArchiveOptions{ID: snapshot.NewID(c.TakenAt)})
//
//	a, err := snapshot.OpenArchive(ctx, r, size, m.ID)
//	chain, err := snapshot.NewChain(a)
//	err = chain.Extract(ctx, file, snapshot.ExtractOptions{})
//
// Read keeps of the database only what differs from an earlier snapshot, its base,
// and WriteArchive then makes a differential of it. The chain has both:
//
//	base := snapshot.NewBase(m, digest.Pages())
//	changed, err := snapshot.Read(ctx, "app.db", base, snapshot.ReadOptions{Check: snapshot.CheckQuick})
//	m, err = changed.WriteArchive(ctx, w, snapshot.ArchiveOptions{ID: snapshot.NewID(changed.TakenAt)})
//
// # Archive, format 1
//
// An archive is a zstd stream that the stock tool decodes to the database:
//
//	zstd frame 0 .. n-1    each exactly 4 MiB of database (the last is shorter)
//	skippable frame(s)     "LBpd": page digests, 16 bytes a page, in page order
//	skippable frame        "LBft": frame table, 64 bytes a frame
//	skippable frame        "LBmf": manifest, JSON with its SHA-256 in front
//	skippable frame        seek table of the zstd seekable format
//
// Each data frame has its content size and checksum in its header. Lifeboat's
// own skippable frames have the magic number 0x184D2A5B (little-endian, as in
// RFC 8878), their length in four bytes, and a payload that begins with the
// four letters above. The seek table is the one of
// https://github.com/facebook/zstd/blob/dev/contrib/seekable_format/zstd_seekable_compression_format.md
// without checksums; it lists every frame before itself, skippable ones with a
// decompressed size of 0.
//
// Page digests follow the data directly, the frame table stands directly before
// the manifest. A reader skips other skippable frames between these two,
// and refuses frames there that other zstd decoders would not skip.
//
// An entry of the frame table is the SHA-256 of the frame's compressed bytes
// and the frame's content digest. The manifest has the SHA-256 of the frame
// table's frame.
//
// # Archive, format 2
//
// The archive of a differential has the same parts. Its zstd stream decodes to a
// WAL (https://www.sqlite.org/fileformat2.html#the_write_ahead_log) for the
// database that its base is restored to:
//
//	zstd frame 0 .. n-1    whole WAL frames with 4 MiB of pages (the last has fewer);
//	                       the first one begins with the WAL's header
//	skippable frame(s)     "LBpn": page number (big-endian) and page digest, 20 bytes a page
//
// and frame table, manifest and seek table. The WAL holds one transaction: the
// pages that differ from the base, each once and in page order, the first page in
// any case, and never the page at 1 GiB that SQLite does not use. Its last frame
// has the new page count. The manifest has the base's ID, digest and the SHA-256
// of its manifest, and the digest of the result: the base's page digests, with
// those of the differential laid over them, must give it.
//
// # Digests
//
// The digest identifies a database's content, however it was compressed:
//
//	page digest            first 16 bytes of SHA-256(page)
//	frame's content digest SHA-256(page digests of the frame, as the archive has them)
//	digest                 SHA-256(page size, page count, content digests)
//
// with page size and page count as four bytes each, big-endian, and the content
// digests of a full archive. It is written "lb1:" and 64 hex digits. In the first
// page, the bytes 24-27, 40-43 and 92-99 of the database header count as zeros:
// change counters, schema cookie and SQLite's version change without the content.
//
// So every byte of an archive is verified: the manifest by its own SHA-256, the
// frame table by the manifest, data frames and page digests by the frame table, and
// the seek table by the places of all of them.
package snapshot
