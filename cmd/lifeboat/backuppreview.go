package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload"
)

// previewDocument is what backup --dry-run --json prints. Sizes are in bytes.
type previewDocument struct {
	URL       string  `json:"url"`
	Unchanged bool    `json:"unchanged"`          // nothing would be uploaded
	Snapshot  string  `json:"snapshot,omitempty"` // the newest, if unchanged
	Database  string  `json:"database"`           // its name in the series
	Digest    string  `json:"digest"`             // of the content
	Size      int64   `json:"size"`               // of the database
	PageCount int     `json:"page_count"`
	Pages     int     `json:"pages"`              // that would be uploaded
	Object    string  `json:"object,omitempty"`   // the name, with another ID
	Class     string  `json:"class,omitempty"`    // how long it would be kept
	Kind      string  `json:"kind,omitempty"`     // full or differential
	Base      string  `json:"base,omitempty"`     // what a differential would stand on
	WhyFull   string  `json:"why_full,omitempty"` // why it would be a full one
	Encrypted bool    `json:"encrypted"`
	Stored    int64   `json:"stored"`    // size of the object
	TagsRead  bool    `json:"tags_read"` // false: no snapshot has any
	Seconds   float64 `json:"seconds"`
}

// manyPreviewsDocument is what backup --dry-run --json prints when a configuration
// names the databases.
type manyPreviewsDocument struct {
	Config   string                 `json:"config"`
	Previews []entryPreviewDocument `json:"previews"` // in the order of the configuration
}

// entryPreviewDocument is the preview of one database. One that fails has no fields of
// previewDocument.
type entryPreviewDocument struct {
	Path string `json:"path"`
	URL  string `json:"url,omitempty"` // absent if the template makes none
	*previewDocument
	Error string `json:"error,omitempty"`
	Exit  int    `json:"exit"` // what the dry run of this one alone would exit with
}

// preview finds out what a backup would do.
func (b *backupCmd) preview(ctx context.Context, c *console) (d *previewDocument, err error) {
	defer recovered(&err)
	began := time.Now()
	bucket, options, err := b.prepare(ctx, c)
	if err != nil {
		return nil, err
	}
	p, err := upload.PreviewBackup(ctx, bucket, b.DB, options)
	c.endProgress()
	if err != nil && !errors.Is(err, upload.ErrIncomplete) {
		return nil, err
	}
	d = &previewDocument{
		URL: b.URL.String(), Unchanged: p.Unchanged, Database: terminal.ValidText(b.name()), Digest: p.Digest, Size: p.Size,
		PageCount: p.PageCount, Pages: p.ArchivePages, WhyFull: p.WhyFull, Encrypted: p.Snapshot.Encrypted, Stored: p.ArchiveSize,
		TagsRead: p.TagsRead, Seconds: time.Since(began).Seconds(),
	}
	if p.Unchanged {
		d.Snapshot = string(p.Snapshot.ID)
	} else {
		chain := describeChain(p.Snapshot)
		d.Object, d.Class, d.Kind, d.Base = p.Name, chain.Class, chain.Kind, chain.Base
	}
	return d, err
}

// text returns the preview in lines.
func (d *previewDocument) text() string {
	var b strings.Builder
	whole := terminal.Size(d.Size)
	if d.Unchanged {
		terminal.Fprintf(&b, "would upload nothing: %s of %s, the same as snapshot %s\n", whole, d.Database, d.Snapshot)
		b.WriteString("would set the tag lifeboat-confirmed of that snapshot\n")
	} else {
		stored := terminal.Size(d.Stored) + encryptedSuffix(d.Encrypted)
		if d.Base == "" {
			terminal.Fprintf(&b, "would upload: %s, full: %s as about %s\nfull because %s\n", d.Database, whole, stored, d.WhyFull)
		} else {
			terminal.Fprintf(&b, "would upload: %s, on %s: %s of %s pages as about %s\n", d.Database, d.Base,
				humanize.Comma(int64(d.Pages)), humanize.Comma(int64(d.PageCount)), stored)
		}
		terminal.Fprintf(&b, "to: %s/%s\n", d.URL, d.Object)
	}
	b.WriteString("listing works")
	if d.TagsRead {
		b.WriteString(", reading tags too")
	}
	terminal.Fprintf(&b, "; whether writing does, only a backup shows, or: lifeboat doctor %s\n", terminal.Quote(d.URL))
	return b.String()
}

// previewOne is backup --dry-run for the database of the command line.
func (b *backupCmd) previewOne(ctx context.Context, c *console) error {
	stop := c.startWorkers(1)
	d, err := b.preview(ctx, c)
	err = errors.Join(err, stop())
	if d == nil {
		return err
	}
	return errors.Join(err, c.result(b.JSON, d, c.fit(d.text())))
}

// previewMany is backup --dry-run for the databases of a configuration.
func (b *backupCmd) previewMany(ctx context.Context, c *console, s schedule) error {
	stop := c.startWorkers(s.parallel)
	many := manyPreviewsDocument{b.file(), make([]entryPreviewDocument, len(s.tasks))}
	printing := s.each(c, func(c *console, i int, t *task) error {
		d, err := t.preview(ctx, c)
		err = withSignal(ctx, err)
		e := entryPreviewDocument{Path: terminal.ValidText(t.Path), URL: t.BucketURL(), previewDocument: d, Exit: exitCode(err)}
		text := ""
		if d != nil {
			text = terminal.Printable(t.Path) + ": " + d.text()
		}
		if err != nil {
			e.Error = terminal.ValidText(terminal.OneLine(err))
			text = terminal.Sprintf("%s: would fail: %s\n", t.Path, e.Error)
		}
		many.Previews[i] = e
		if b.JSON {
			return nil
		}
		return c.result(false, nil, c.fit(text))
	})
	var all []outcome
	for _, e := range many.Previews {
		all = append(all, outcome{e.Path, e.previewDocument != nil, e.Exit})
	}
	if b.JSON && printing == nil {
		printing = c.result(true, many, "")
	}
	return errors.Join(verdictOf(ctx, all, "would fail", "not looked at", exitOfAll), printing, stop())
}

// preview finds out what the task's backup would do.
func (t *task) preview(ctx context.Context, c *console) (*previewDocument, error) {
	if t.Err != nil || ctx.Err() != nil {
		return nil, errors.Join(t.Err, ctx.Err())
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	return t.command.Backup.preview(ctx, c)
}
