package evidence

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
)

var (
	//go:embed page.html
	pageText string
	//go:embed style.css
	styleText string
)

// Write writes the page as HTML. What comes from a bucket or a file is escaped.
func (p Page) Write(w io.Writer) error {
	page, err := template.New("evidence").Funcs(template.FuncMap{
		"bytes": bytes, "counted": counted, "minute": minute, "iso": iso, "day": day, "clock": clock, "number": number,
		"seconds": func(d time.Duration) string { return number(d.Seconds()) },
		"since":   func(now, then time.Time) time.Duration { return max(now.Sub(then), 0) },
		"money":   func(amount float64) string { return money(amount, p.Prices.Currency) },
		"style":   func() template.CSS { return template.CSS(styleText) },
		"comma":   func(n int) string { return humanize.Comma(int64(n)) },
		"result":  result,
		"recovery": func(r drill.Record) *time.Duration {
			took, is := r.Recovery()
			if !is {
				return nil
			}
			return &took
		},
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("the template of the page: %w", err)
	}
	return page.ExecuteTemplate(w, "page", p)
}

// result returns the result of a drill in a word, and why it failed.
func result(r drill.Recorded, now time.Time) string {
	switch {
	case r.Err != nil:
		return "unreadable"
	case r.Implausible(now):
		return "implausible"
	case r.Record.Passed:
		return "passed"
	}
	return "failed: " + r.Record.Reason
}
