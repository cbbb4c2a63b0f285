package remote

import "github.com/lifeboat-sqlite/lifeboat/snapshot"

const (
	// mostScans is how many scans are followed at a time: SQLite reads tables and
	// indexes by turns, and the frames of a full one and of differentials.
	mostScans = 8
	// surely is how many frames in a row are taken for a scan, which two or three
	// random ones are not.
	surely = 3
	// farthest is how many frames are read ahead at most.
	farthest = 8
)

// scans are runs of frames that were needed one after the other.
type scans struct {
	runs []run // the one that went on latest comes last
}

// A run is one of them.
type run struct {
	next   snapshot.Place
	length int
}

// note takes the next frame that is needed for the first time, and returns how many of
// those behind it to read ahead: never more than half of what was read in order, so
// that little is fetched in vain.
func (s *scans) note(p snapshot.Place) int {
	r := run{next: p}
	for i, known := range s.runs {
		if known.next == p {
			r = known
			s.runs = append(s.runs[:i], s.runs[i+1:]...)
			break
		}
	}
	r.next.Frame++
	r.length++
	if len(s.runs) == mostScans {
		s.runs = s.runs[1:]
	}
	s.runs = append(s.runs, r)
	if r.length < surely {
		return 0
	}
	return min(r.length/2, farthest)
}
