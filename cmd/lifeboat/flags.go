package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/moments"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/secrets"
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

// customerKey is a setting without a flag: flags show in ps.
const customerKey = "LIFEBOAT_SSE_CUSTOMER_KEY"

// open returns the bucket. The options may hold more than the series knows.
func (s seriesFlags) open(ctx context.Context, c *console, o upload.Options) (bucket.Bucket, error) {
	o.Log, o.RetryFor = c.log, s.RetryFor.or(bucket.NoRetry)
	text, err := secrets.Get(customerKey)
	if err != nil {
		return nil, usage("%w", err)
	}
	if text != "" {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(key) != 32 {
			return nil, usage("%s is not 32 bytes in base64", customerKey) // the value is a secret
		}
		o.SSE.CustomerKey = key
	}
	open := upload.OpenURL
	if c.stores != nil {
		open = c.stores.OpenURL
	}
	b, err := open(ctx, s.URL.URL, o)
	if err != nil && ctx.Err() == nil && exitCode(err) == exitFailed {
		return nil, usage("%w", err) // only the settings were looked at
	}
	return b, err
}

// A duration is one of Go's, such as 90s or 1h30m, that may begin with weeks
// and days, such as 2w, 4d or 1d12h. It is never negative.
type duration time.Duration

// or returns the duration as the packages' options have it, in which 0 is the
// default and another value, none, means no time.
func (d duration) or(none time.Duration) time.Duration { return cmp.Or(time.Duration(d), none) }

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

// A limit is a duration that is more than none. Where its flag is not given it is 0.
type limit time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *limit) UnmarshalText(text []byte) error {
	if err := (*duration)(l).UnmarshalText(text); err != nil {
		return err
	}
	if *l == 0 {
		return errors.New("it must be more than 0")
	}
	return nil
}

// A oneOrMore is a whole number from 1 up. Where its flag is not given it is 0.
type oneOrMore uint32

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *oneOrMore) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is not a whole number from 1 up", text)
	}
	*c = oneOrMore(n)
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
func (m *moment) UnmarshalText(text []byte) (err error) {
	m.Time, err = moments.Parse(string(text), time.Now())
	return err
}

// onlyFlags say which configuration counts, and which of its databases.
type onlyFlags struct {
	Config string   `placeholder:"lifeboat.yaml" group:"Many databases" help:"File of databases, where none is named otherwise."`
	Host   string   `placeholder:"NAME" group:"Many databases" help:"Value of {host} in that file."`
	Only   []string `env:"-" sep:"none" placeholder:"NAME" group:"Many databases" help:"Only databases with this name, path or last element of the bucket URL; or a pattern; repeatable."`
}

// configFlags are for a command that works on several databases in one run.
type configFlags struct {
	onlyFlags
	Parallel parallel `placeholder:"N" group:"Many databases" help:"How many of its databases to run at once."`
	Shard    shard    `placeholder:"3/8" group:"Many databases" help:"Only this part of its databases: 0/8 to 7/8, or 1/8 to 8/8, where 8/8 is 0/8."`

	one string // the database of the file that an argument names, "" for all
}

// A parallel is a number of databases at once: 0 if it is left open.
type parallel int

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *parallel) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || n < 1 || n > databases.MaxParallel {
		return fmt.Errorf("%q is not a number from 1 to %d", text, databases.MaxParallel)
	}
	*p = parallel(n)
	return nil
}
