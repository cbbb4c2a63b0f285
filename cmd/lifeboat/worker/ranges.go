package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Source is a database that the program reads for a worker: at offsets below Size,
// in bytes.
type Source struct {
	io.ReaderAt
	Size int64
}

// available is implemented by sources some of which can be read at once. The worker
// gets that much more than it has asked for: a round trip for each page is slow.
type available interface {
	// Available returns how many bytes from off on, up to most, are at hand.
	Available(off int64, most int) int
}

// A rangeRequest asks for Need bytes of a source from Offset on, and takes up to Most.
// The answer is a length in four bytes, and so many bytes; 0 is an error, which the
// program keeps.
type rangeRequest struct {
	Source, Need, Most uint32
	Offset             int64
}

// maxRange bounds a range, in bytes. No page is larger.
const maxRange = 256 << 10

// rangesFile is the descriptor of the worker's end of its socket for ranges.
const rangesFile = 3

// socketPair returns two sockets that are connected with each other.
func socketPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(pair[0])
		unix.CloseOnExec(pair[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	if err := unix.SetNonblock(pair[0], true); err != nil { // so that it has deadlines
		return nil, nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(pair[0]), unix.Close(pair[1]))
	}
	return os.NewFile(uintptr(pair[0]), "ranges"), os.NewFile(uintptr(pair[1]), "ranges"), nil
}

// A rangeServer answers a worker's requests for ranges during one call.
type rangeServer struct {
	sources []Source
	socket  *os.File
	done    chan struct{}
	cause   error // why a source could not be read; valid when done
}

func serveRanges(socket *os.File, sources []Source) (*rangeServer, error) {
	if err := socket.SetDeadline(time.Time{}); err != nil {
		return nil, err
	}
	s := &rangeServer{sources: sources, socket: socket, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.serve()
	}()
	return s, nil
}

// stop ends the service, and returns the first error of a source. A source that is
// being read must end by itself.
func (s *rangeServer) stop() error {
	_ = s.socket.SetDeadline(time.Unix(1, 0)) // else the worker's end is closed later
	<-s.done
	return s.cause
}

// serve answers until the socket is closed, its deadline is over, or the worker breaks
// the rules.
func (s *rangeServer) serve() {
	buf := make([]byte, 4+maxRange)
	for {
		var r rangeRequest
		if err := binary.Read(s.socket, binary.BigEndian, &r); err != nil {
			return
		}
		n, err := s.read(buf[4:], r)
		if err != nil && s.cause == nil {
			s.cause = err
		}
		if err != nil {
			n = 0
		}
		binary.BigEndian.PutUint32(buf, uint32(n))
		if _, err := s.socket.Write(buf[:4+n]); err != nil {
			return
		}
	}
}

func (s *rangeServer) read(buf []byte, r rangeRequest) (int, error) {
	if int64(r.Source) >= int64(len(s.sources)) || r.Need == 0 || r.Need > r.Most || r.Most > maxRange {
		return 0, errors.New("the worker made an invalid request for a range")
	}
	source := s.sources[r.Source]
	if r.Offset < 0 || r.Offset > source.Size-int64(r.Need) {
		return 0, fmt.Errorf("the worker asked for %d bytes at %d of %d", r.Need, r.Offset, source.Size)
	}
	n := int(r.Need)
	if a, ok := source.ReaderAt.(available); ok {
		n = max(n, a.Available(r.Offset, int(min(int64(r.Most), source.Size-r.Offset))))
	}
	got, err := source.ReadAt(buf[:n], r.Offset)
	if got == n {
		return n, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return 0, err
}

// errRange is what a worker knows of a range that the program could not read.
var errRange = errors.New("the program could not read it")

// A rangeClient asks the program for ranges, in the worker.
type rangeClient struct {
	mu     sync.Mutex
	socket *os.File
}

// A rangeReader reads a source in the worker. It keeps what it got last, and asks for
// more where one read follows the other.
type rangeReader struct {
	client *rangeClient
	source int

	mu    sync.Mutex
	start int64
	kept  []byte
	most  int
}

// ReadAt implements io.ReaderAt, for reads of up to maxRange.
func (r *rangeReader) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from := off - r.start; from >= 0 && from+int64(len(p)) <= int64(len(r.kept)) {
		return copy(p, r.kept[from:]), nil
	}
	if len(p) > maxRange {
		return 0, fmt.Errorf("a read of %d bytes", len(p))
	}
	end := r.start + int64(len(r.kept))
	if off >= end && off < end+maxRange/4 {
		r.most = min(2*r.most, maxRange)
	} else {
		r.most = 0
	}
	r.most = max(r.most, len(p))
	if r.kept == nil {
		r.kept = make([]byte, 0, maxRange)
	}
	r.start = off
	var err error
	if r.kept, err = r.client.fetch(r.kept[:0], rangeRequest{uint32(r.source), uint32(len(p)), uint32(r.most), off}); err != nil {
		r.kept = r.kept[:0]
		return 0, err
	}
	return copy(p, r.kept), nil
}

func (c *rangeClient) fetch(buf []byte, r rangeRequest) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := binary.Write(c.socket, binary.BigEndian, r); err != nil {
		return buf, err
	}
	var n uint32
	if err := binary.Read(c.socket, binary.BigEndian, &n); err != nil {
		return buf, err
	}
	if n == 0 {
		return buf, errRange
	}
	if n < r.Need || n > r.Most {
		return buf, fmt.Errorf("%d bytes in the place of %d", n, r.Need)
	}
	buf = buf[:n]
	_, err := io.ReadFull(c.socket, buf)
	return buf, err
}
