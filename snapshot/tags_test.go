//go:build !sqlite_fts5 || !sqlite_math_functions

package snapshot

// Without these parts of SQLite some tests fail, with errors that name no reason.
func init() {
	panic("the tests need the build tags of the Makefile: see CONTRIBUTING, or run make test")
}
