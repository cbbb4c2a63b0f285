// Package worker reads and checks databases, live and restored ones, in child
// processes of the program itself. What a hostile database does to SQLite (a crash, memory without end,
// a check that never ends) then costs that database and no other one, and where
// the program is root a worker has only the rights of the database's owner.
//
// A worker serves one database at a time and many after each other. It gets
// requests and gives replies as lines of JSON over its stdin and stdout, and
// ends with its stdin, so that none outlives the program.
package worker
