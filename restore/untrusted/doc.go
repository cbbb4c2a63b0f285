// Package untrusted has SQLite read a database that nobody vouches for: it checks it and
// asks it queries, with nothing that a schema or a query could use against the machine.
// What such a database can still do, such as take memory or never end, it does to the
// process that runs SQLite: see Examiner.
//
// It belongs to Lifeboat's own packages; applications meet it in
// restore.VerifyOptions and restore.VerifyReport.
package untrusted
