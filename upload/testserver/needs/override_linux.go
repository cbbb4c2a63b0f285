package needs

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// NoOverride calls f in a thread that must keep to the modes of files, as an
// ordinary user must, and to the sticky bit of directories. What f starts may not.
func NoOverride(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlock: the thread ends with its lost rights
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if unix.Capget(&header, &data[0]) == nil {
			data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_FOWNER
			_ = unix.Capset(&header, &data[0]) // fails for a user who never had it
		}
		f()
	}()
	<-done
}
