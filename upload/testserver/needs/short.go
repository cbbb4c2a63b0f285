package needs

import "testing"

// Server says that a test needs a server: go test -short leaves it out.
func Server(t testing.TB) {
	t.Helper()
	unlessShort(t, "a server")
}

// Time says that a test takes seconds: go test -short leaves it out.
func Time(t testing.TB) {
	t.Helper()
	unlessShort(t, "time")
}

// unlessShort has the only call of Skip in all tests.
func unlessShort(t testing.TB, what string) {
	t.Helper()
	if testing.Short() {
		t.Skip("this test needs " + what)
	}
}
