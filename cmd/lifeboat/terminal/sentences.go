package terminal

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// LevelNotice is of what is to be shown and is no warning: what programs of the user's
// print.
const LevelNotice = slog.LevelInfo + 2

// LevelName writes LevelNotice as a word. It is an option of slog's handlers.
func LevelName(_ []string, a slog.Attr) slog.Attr {
	if level, ok := a.Value.Any().(slog.Level); ok && a.Key == slog.LevelKey && level == LevelNotice {
		a.Value = slog.StringValue("NOTICE")
	}
	return a
}

// Sentences is a slog.Handler for people at a terminal: it prints each warning as a
// sentence that fits the terminal, and leaves out what is less than a warning.
//
// A warning with an attribute "attempt" is about a failure that may pass. It is a note
// below the bars until a record says that the work goes on, or until the bars end. A
// record with an attribute "outage" says that it has passed, and how long it lasted: it
// is printed if that was long enough to be remembered.
type Sentences struct {
	tty    *os.File
	bars   *Bars // nil on a terminal that cannot show any
	before *repetitions
	with   []slog.Attr
}

// NewSentences returns a handler that prints on a terminal. bars is nil where the
// terminal cannot show any.
func NewSentences(tty *os.File, bars *Bars) *Sentences {
	return &Sentences{tty: tty, bars: bars, before: &repetitions{last: map[string]time.Time{}}}
}

// Enabled implements slog.Handler. What is less than a warning shows that the work
// goes on.
func (s *Sentences) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (s *Sentences) Handle(_ context.Context, r slog.Record) error {
	if lasted := outageIn(r); lasted > 0 {
		s.bars.note("")
		if lasted < remembered {
			return nil
		}
		r.Level = slog.LevelWarn
	}
	text, passing := sentence(r, s.with)
	warning := "warning: " + Printable(text)
	switch {
	case r.Level == LevelNotice:
		s.bars.note("")
		return s.print(Fit(Printable(text), Width(s.tty)) + "\n")
	case r.Level < slog.LevelWarn:
		s.bars.note("")
	case passing && s.bars != nil:
		s.bars.note(warning)
	case passing && s.before.within(r.Message, r.Time, time.Minute):
	default:
		s.bars.note("")
		return s.print(Fit(warning, Width(s.tty)) + "\n")
	}
	return nil
}

// remembered is the shortest outage that a terminal keeps a trace of.
const remembered = 5 * time.Second

// outageIn returns how long the outage lasted that a record is about, 0 for none.
func outageIn(r slog.Record) (lasted time.Duration) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "outage" {
			lasted = a.Value.Duration()
		}
		return true
	})
	return lasted
}

func (s *Sentences) print(line string) (err error) {
	if s.bars != nil {
		_, err = s.bars.Write([]byte(line))
	} else {
		_, err = s.tty.WriteString(line)
	}
	return err
}

// WithAttrs implements slog.Handler.
func (s *Sentences) WithAttrs(more []slog.Attr) slog.Handler {
	own := *s
	own.with = slices.Concat(s.with, more)
	return &own
}

// WithGroup implements slog.Handler. Lifeboat uses none.
func (s *Sentences) WithGroup(string) slog.Handler { return s }

// sentence returns a record in a sentence, and whether it is about a failure that may
// pass.
func sentence(r slog.Record, with []slog.Attr) (text string, passing bool) {
	var of, span string
	var causes, details []string
	take := func(a slog.Attr) bool {
		value := inWords(a.Value.Resolve())
		switch a.Key {
		case "attempt":
			passing = true
		case "wait":
		case "for":
			span = " for " + value
		case "outage":
			span = " after " + value
		case "database":
			of = value + ": "
		case "cause", "reason", "err", "error":
			causes = append(causes, value)
		default:
			details = append(details, strings.ReplaceAll(a.Key, "_", " ")+" "+value)
		}
		return true
	}
	for _, a := range with {
		take(a)
	}
	r.Attrs(take)
	if passing {
		return r.Message + span, true
	}
	text = of + r.Message + span
	if len(details) > 0 {
		text += " (" + strings.Join(details, ", ") + ")"
	}
	return strings.Join(append([]string{text}, causes...), ": "), false
}

func inWords(v slog.Value) string {
	switch v.Kind() {
	case slog.KindDuration:
		return Clock(v.Duration())
	case slog.KindTime:
		return v.Time().UTC().Format(time.RFC3339)
	}
	if err, ok := v.Any().(error); ok {
		return OneLine(err)
	}
	return fmt.Sprint(v.Any())
}

// repetitions are when messages were printed that may come again soon.
type repetitions struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// within reports whether the same message was printed less than a time before.
func (r *repetitions) within(message string, now time.Time, than time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, printed := r.last[message]; printed && now.Sub(last) < than {
		return true
	}
	r.last[message] = now
	return false
}
