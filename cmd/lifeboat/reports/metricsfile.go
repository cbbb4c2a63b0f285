package reports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/snapshot/disk"
)

// writeMetrics adds the metrics of runs to a file. Metrics of other series stay in it,
// and so do those of the same series under other names. So any number of databases
// of one user may share a file. Runs that end at once take turns, by a lock on a
// file beside it, which they wait for until ctx is done. The file is replaced
// whole.
func writeMetrics(ctx context.Context, path string, runs ...metrics) (err error) {
	unlock, err := lockFile(ctx, path+".lock")
	if err != nil {
		return disk.Wrap("write metrics to "+path, err)
	}
	defer func() { err = errors.Join(err, unlock()) }()
	families, err := readFamilies(path)
	if err != nil {
		return fmt.Errorf("metrics file %s is left alone: %w", path, err)
	}
	for name, f := range gather(runs) {
		if old := families[name]; old != nil {
			f.gauges = append(f.gauges, without(old.gauges, f.gauges)...)
		}
		families[name] = f
	}
	err = ReplaceFile(path, func(f *os.File) error {
		for _, name := range slices.Sorted(maps.Keys(families)) {
			if err := families[name].write(f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return disk.Wrap("write metrics to "+path, err)
	}
	return nil
}

// gather returns the metrics of all runs, by their names.
func gather(runs []metrics) map[string]*family {
	all := map[string]*family{}
	for _, m := range runs {
		for _, f := range m.families(m.labels) {
			if known := all[f.name]; known != nil {
				f.gauges = append(known.gauges, f.gauges...)
			}
			all[f.name] = f
		}
	}
	return all
}

// without returns the old gauges but for those whose series has new ones.
func without(old, written []gauge) []gauge {
	mine := map[identity]bool{}
	for _, g := range written {
		mine[identityOf(g)] = true
	}
	return slices.DeleteFunc(old, func(g gauge) bool { return mine[identityOf(g)] })
}

// An identity is whose a metric is: of a series, or of a run over many.
type identity struct{ database, url, config, host, shard string }

func identityOf(g gauge) identity {
	return identity{g.get(labelDatabase), g.get(labelURL), g.get(labelConfig), g.get(labelHost), g.get(labelShard)}
}

// readFamilies reads a file of metrics, by their names. No file is no error. A file
// with anything but metrics of this program in it is an error: it must not be
// replaced.
func readFamilies(path string) (map[string]*family, error) {
	f, err := disk.OpenRegular(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]*family{}, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return parseFamilies(string(text))
}

// lockFile takes an exclusive lock on a file that serves only as a lock. It waits
// for it until ctx is done.
func lockFile(ctx context.Context, path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := disk.Lock(ctx, f); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("another run has it: %w", err)
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f.Close, nil
}
