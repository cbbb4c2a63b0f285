package main

import (
	"errors"
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

// leave takes the store away. The port is kept, so that no other program is given it.
func (f *faulty) leave() {
	f.t.Helper()
	f.proxy.Stop()
	_, number, err := net.SplitHostPort(f.proxy.Listen)
	if err != nil {
		f.t.Fatal(err)
	}
	port, err := strconv.Atoi(number)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.kept, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		f.t.Fatal(err)
	}
	err = errors.Join(unix.SetsockoptInt(f.kept, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(f.kept, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { unix.Close(f.kept) })
}

// comeBack brings the store back.
func (f *faulty) comeBack() {
	if err := f.proxy.Start(); err != nil {
		f.t.Error(err)
	}
}
