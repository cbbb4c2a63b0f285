package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// seriesFlags say where a command finds the snapshots.
type seriesFlags struct {
	URL      bucketURL `arg:"" name:"bucket-url" help:"Where the snapshots are: s3://bucket/prefix or file:///dir."`
	RetryFor duration  `default:"2m" placeholder:"2m" group:"Store" help:"How long to retry a store that fails."`
}

// envPrefix begins the variable of every flag.
const envPrefix = "LIFEBOAT"

// customerKey is the only setting that has no flag: flags show in ps.
const customerKey = "LIFEBOAT_SSE_CUSTOMER_KEY"

// open returns the bucket. The options may hold more than the series knows.
func (s seriesFlags) open(ctx context.Context, c *console, o upload.Options) (bucket.Bucket, error) {
	o.Log, o.RetryFor = c.log, time.Duration(s.RetryFor)
	if text := os.Getenv(customerKey); text != "" {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != 32 {
			return nil, usage("%s is not 32 bytes in base64", customerKey) // the value is a secret
		}
		o.SSE.CustomerKey = key
	}
	b, err := upload.OpenURL(ctx, s.URL.URL, o)
	if err != nil && ctx.Err() == nil && exitCode(err) == exitFailed {
		return nil, usage("%w", err) // only the settings were looked at
	}
	return b, err
}

// A bucketURL is a bucket URL as a flag.
type bucketURL struct{ bucket.URL }

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *bucketURL) UnmarshalText(text []byte) (err error) {
	u.URL, err = bucket.ParseURL(string(text))
	return err
}

// A duration is one of Go's, such as 90s or 1h30m, that may begin with weeks
// and days, such as 2w, 4d or 1d12h. It is never negative.
type duration time.Duration

// forLocks returns the time to wait for locks as the packages' options have it,
// in which 0 is the default.
func (d duration) forLocks() time.Duration {
	if d == 0 {
		return snapshot.NoWait
	}
	return time.Duration(d)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(text []byte) error {
	wrong := fmt.Errorf("%q is not a duration such as 90s, 12h, 4d or 2w", text)
	rest := string(text)
	var sum time.Duration
	for _, unit := range []struct {
		letter string
		length time.Duration
	}{{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}} {
		number, after, found := strings.Cut(rest, unit.letter)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || n > uint64(math.MaxInt64/unit.length) {
			return wrong
		}
		part := time.Duration(n) * unit.length
		if sum > math.MaxInt64-part {
			return wrong
		}
		sum, rest = sum+part, after
	}
	if rest != "" || len(text) == 0 {
		fine, err := time.ParseDuration(rest)
		if err != nil || fine < 0 || sum > math.MaxInt64-fine {
			return wrong
		}
		sum += fine
	}
	*d = duration(sum)
	return nil
}

// A byteSize is a number of bytes such as 20MiB or 5GB, at least one.
type byteSize int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *byteSize) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || n == 0 || n > math.MaxInt64 {
		return fmt.Errorf("%q is not a size such as 20MiB or 5GB", text)
	}
	*s = byteSize(n)
	return nil
}

// A moment is a point in time. Without a zone it is in UTC, as snapshot IDs
// are and as list prints them.
type moment struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *moment) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			m.Time = t
			return nil
		}
	}
	return errors.New(strconv.Quote(string(text)) + ` is not a time such as "2026-11-20 17:00" (UTC) or 2026-11-20T17:00:00+01:00`)
}

// A choice names a snapshot. Given, it is never empty: a script whose variable
// is unset must not get the newest one instead.
type choice string

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *choice) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("it is empty: latest, an ID, or the beginning of one")
	}
	*c = choice(text)
	return nil
}

// configFlags say which configuration counts, and what is left open in it.
type configFlags struct {
	Config   string `placeholder:"lifeboat.yaml" group:"Many databases" help:"File of databases, where no <db> is given."`
	Host     string `placeholder:"NAME" group:"Many databases" help:"Value of {host} in that file."`
	Parallel int    `placeholder:"N" group:"Many databases" help:"How many of its databases to run at once."`
}

// defaultConfig is looked for in the working directory.
const defaultConfig = "lifeboat.yaml"

// Validate implements kong's check.
func (f *configFlags) Validate() error {
	if f.Parallel < 0 || f.Parallel > databases.MaxParallel {
		return fmt.Errorf("--parallel must be from 1 to %d", databases.MaxParallel)
	}
	return nil
}

func (f *configFlags) file() string { return cmp.Or(f.Config, defaultConfig) }
