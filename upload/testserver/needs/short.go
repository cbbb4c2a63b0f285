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

// Few reports whether a test is to be content with few cases: go test -short.
func Few() bool { return testing.Short() }

// unlessShort has the only call of Skip in all tests.
func unlessShort(t testing.TB, what string) {
	t.Helper()
	if Few() {
		t.Skip("this test needs " + what)
	}
}
