// Package worker reads and checks databases, live and restored ones, in child
// processes of the program itself. A hostile database can crash SQLite, exhaust
// memory, or make a check endless: in a worker that fails this database alone. Where
// the program runs as root, a worker has only the rights of the database's owner.
//
// A worker serves one database at a time and many after each other. It gets
// requests and gives replies as lines of JSON over its stdin and stdout, and
// ends with its stdin, so that none outlives the program. Databases that are no files
// of its own, such as those of snapshots that stay in their bucket, it reads from the
// program, over a socket: see Inside.
package worker
