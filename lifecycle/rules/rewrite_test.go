package rules

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// settle is for tests in which no other command writes.
const settle = 100 * time.Millisecond

// busy is for tests in which several do, on a machine on which their writes come seconds
// after their reads.
const busy = 4 * time.Second

// Commands write the rules of different series at the same time: the rules of each
// that succeeds are there in the end.
func TestRewritesMeet(t *testing.T) {
	server := testserver.Start(t)
	server.Setenv(t)
	for round := range 4 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			meet(t, server.Bucket(t))
		})
	}
}

func meet(t *testing.T, bucketName string) {
	t.Helper()
	open := func(prefix string) bucket.Bucket {
		b, err := upload.OpenURL(t.Context(), bucket.URL{Bucket: bucketName, Prefix: prefix}, upload.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	terms := lifecycle.Options{Terms: lifecycle.Terms{Policy: lifecycle.DefaultPolicy(), Hold: lifecycle.DefaultHold}, Settle: busy}
	applied := func(b bucket.Bucket) error {
		p, err := OfSeries(b).Propose(t.Context(), terms, DefaultNoncurrent)
		if err == nil {
			_, err = p.Apply(t.Context())
		}
		return err
	}
	frozen := open("frozen")
	apply(t, frozen, lifecycle.DefaultPolicy())

	commands := map[bucket.Bucket]func(bucket.Bucket) error{
		frozen: func(b bucket.Bucket) error {
			_, err := OfSeries(b).Freeze(t.Context(), lifecycle.Options{Settle: busy})
			return err
		},
		open("a"): applied, open("b"): applied, open("c"): applied, open("d"): applied,
	}
	done := sync.Map{}
	var all sync.WaitGroup
	for b, command := range commands {
		all.Go(func() { done.Store(b, command(b)) })
	}
	all.Wait()
	for b := range commands {
		err, _ := done.Load(b)
		if err != nil {
			t.Errorf("%s: %v", b.URL(), err)
		}
		has, err := OfSeries(b).Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(has.Rules()) != 6 || has.Frozen() != (b == frozen) {
			t.Errorf("%s has %d rules, frozen %v", b.URL(), len(has.Rules()), has.Frozen())
		}
	}
}

// undo lets a forgetful store go back to what it had before a write, as by
// another command that had read before it, for the first so many writes.
func (f *forgetful) undo(times int) {
	f.forget = func(document, size string) (string, string) {
		if times--; times < 0 {
			return document, size
		}
		return f.had, size
	}
}

func TestRewriteRepeats(t *testing.T) {
	var f forgetful
	b := f.bucket(t)
	f.undo(2)
	if n, err := OfSeries(b).Freeze(t.Context(), lifecycle.Options{Settle: settle}); n != 6 || err != nil {
		t.Fatalf("froze %d: %v", n, err)
	}
	if has, err := OfSeries(b).Read(t.Context()); err != nil || !has.Frozen() {
		t.Errorf("it is not frozen: %v", err)
	}

	f.undo(1000)
	if _, err := OfSeries(b).Thaw(t.Context(), lifecycle.Options{Settle: settle}); !errors.Is(err, ErrChangedMeanwhile) || !strings.Contains(err.Error(), "each time undone") {
		t.Errorf("undone for ever: %v", err)
	}
}

// What another command writes for the same series on purpose is no loss to be
// made good.
func TestRewriteDoesNotFight(t *testing.T) {
	var f forgetful
	b := f.bucket(t)
	writes := 0
	f.forget = func(document, size string) (string, string) {
		writes++
		return strings.Replace(document, "<Days>14</Days>", "<Days>20</Days>", 1), size
	}
	if _, err := OfSeries(b).Freeze(t.Context(), lifecycle.Options{Settle: busy}); !errors.Is(err, ErrChangedMeanwhile) || !strings.Contains(err.Error(), "lifeboat/app/daily") {
		t.Errorf("another command's rules: %v", err)
	}
	others, err := Render(wrap(foreign()), "xml")
	if err != nil {
		t.Fatal(err)
	}
	f.forget = func(_, size string) (string, string) {
		writes++
		return others, size
	}
	if _, err := OfSeries(b).Thaw(t.Context(), lifecycle.Options{Settle: busy}); !errors.Is(err, ErrChangedMeanwhile) {
		t.Errorf("no rules any more: %v", err)
	}
	if writes != 2 {
		t.Errorf("%d writes instead of two", writes)
	}
}

// The error of an interrupted freeze warns that the freeze may not last.
func TestRewriteInterrupted(t *testing.T) {
	var f forgetful
	b := f.bucket(t)
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	f.forget = func(document, size string) (string, string) {
		f.asked = func() { cancel(reason) } // the write is over by then
		return document, size
	}
	if _, err := OfSeries(b).Freeze(ctx, lifecycle.Options{Settle: time.Hour}); !errors.Is(err, reason) || !strings.Contains(err.Error(), "the rules were written") {
		t.Errorf("interrupted: %v", err)
	}
}
