package reports

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
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
	written, err := gather(runs)
	if err != nil {
		return err
	}
	for name, family := range written {
		mine := map[identity]bool{}
		for _, m := range family.Metric {
			mine[identityOf(m)] = true
		}
		family.Metric = append(family.Metric, slices.DeleteFunc(families[name].GetMetric(), func(old *dto.Metric) bool {
			return mine[identityOf(old)]
		})...)
		families[name] = family
	}
	sweepTemps(path)
	if err := replaceFile(path, families); err != nil {
		return disk.Wrap("write metrics to "+path, err)
	}
	return nil
}

// gather returns the metrics of all runs, by their names.
func gather(runs []metrics) (map[string]*dto.MetricFamily, error) {
	all := map[string]*dto.MetricFamily{}
	for _, m := range runs {
		registry := prometheus.NewRegistry() // one for all would want the same labels of each
		if err := m.register(prometheus.WrapRegistererWith(m.labels, registry)); err != nil {
			return nil, err
		}
		gathered, err := registry.Gather()
		if err != nil {
			return nil, err
		}
		for _, family := range gathered {
			if known := all[family.GetName()]; known != nil {
				family.Metric = append(known.Metric, family.Metric...)
			}
			all[family.GetName()] = family
		}
	}
	return all, nil
}

// An identity is whose a metric is: of a series, or of a run over many.
type identity struct{ database, url, config, host, shard string }

func identityOf(m *dto.Metric) (of identity) {
	for _, label := range m.GetLabel() {
		switch label.GetName() {
		case labelDatabase:
			of.database = label.GetValue()
		case labelURL:
			of.url = label.GetValue()
		case labelConfig:
			of.config = label.GetValue()
		case labelHost:
			of.host = label.GetValue()
		case labelShard:
			of.shard = label.GetValue()
		}
	}
	return of
}

// readFamilies reads a file of metrics, by their names. No file is no error. A file
// with anything but metrics of this program in it is an error: it must not be
// replaced.
func readFamilies(path string) (map[string]*dto.MetricFamily, error) {
	f, err := disk.OpenRegular(path, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]*dto.MetricFamily{}, nil
	}
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("it does not hold metrics: %w", err)
	}
	for name := range families {
		if !strings.HasPrefix(name, "lifeboat_") {
			return nil, fmt.Errorf("it holds metrics of another program: %s", name)
		}
	}
	return families, nil
}

// replaceFile writes the families to a file that all may read, in the order of
// their names.
func replaceFile(path string, families map[string]*dto.MetricFamily) error {
	// The collector reads *.prom alone.
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	write := func() error {
		for _, name := range slices.Sorted(maps.Keys(families)) {
			if _, err := expfmt.MetricFamilyToText(f, families[name]); err != nil {
				return err
			}
		}
		return f.Chmod(0o644)
	}
	if err := errors.Join(write(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// sweepTemps removes this user's temp files for a metrics file that killed runs
// left more than a day ago. One that stays does no harm, and the next run tries
// again.
func sweepTemps(path string) {
	dir, prefix := filepath.Dir(path), "."+filepath.Base(path)+"."
	entries, _ := os.ReadDir(dir) // what was read counts
	for _, e := range entries {
		middle, isTemp := strings.CutSuffix(e.Name(), ".tmp")
		middle, isOurs := strings.CutPrefix(middle, prefix)
		if !isTemp || !isOurs || middle == "" || strings.Trim(middle, "0123456789") != "" {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < 24*time.Hour {
			continue
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) == os.Geteuid() {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
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
