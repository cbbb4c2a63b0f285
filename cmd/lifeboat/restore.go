package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type restoreCmd struct {
	seriesFlags
	DB string `arg:"" name:"db" help:"The file to restore to, or - for stdout."`

	Snapshot choice `placeholder:"latest" xor:"which" help:"latest (the default), an ID, or its beginning."`
	At       moment `placeholder:"TIME" xor:"which" help:"Take the newest snapshot that is no later than this, such as \"2026-11-20 17:00\" (UTC)."`
	Before   choice `placeholder:"ID" xor:"which" group:"Which snapshot" help:"The newest that is older than this one."`
	identityFlag
	VersionID string `placeholder:"VERSION" group:"Which snapshot" help:"This version of --snapshot; see list --versions."`

	Replace      bool     `help:"Replace a database; keep it as DB.before-ID."`
	DiscardOld   bool     `group:"An existing file" help:"Do not keep the replaced database."`
	Live         bool     `help:"Write into a database that is open."`
	IfMissing    bool     `group:"First start" help:"Do nothing if the database exists."`
	AllowEmpty   bool     `group:"First start" help:"Exit 0 without a database if this prefix has never held an object."`
	DryRun       bool     `help:"Show what would happen, and do nothing."`
	AssumeClosed bool     `group:"An existing file" help:"Treat the database as closed where the kernel cannot tell."`
	Wait         duration `default:"30s" placeholder:"30s" group:"An existing file" help:"How long --live waits for locks of other connections."`

	JSON bool `name:"json" help:"Print one JSON document."`
}

// restoreDocument is what restore --json prints. Sizes are in bytes.
type restoreDocument struct {
	URL      string   `json:"url"`
	Restored bool     `json:"restored"` // false: the database was there, with --if-missing
	Snapshot string   `json:"snapshot,omitempty"`
	Target   string   `json:"target"` // the file, behind symlinks
	Size     int64    `json:"size,omitempty"`
	Kept     []string `json:"kept,omitempty"` // files that hold what was there before
	Live     bool     `json:"live"`           // written into the open database
	Seconds  float64  `json:"seconds"`
}

// planDocument is what restore --dry-run --json prints. Sizes are in bytes.
type planDocument struct {
	URL      string            `json:"url"`
	Snapshot snapshotDocument  `json:"snapshot"`
	Manifest snapshot.Manifest `json:"manifest"`
	Target   string            `json:"target"`            // the file, behind symlinks
	Old      string            `json:"old"`               // the state of what is there
	OldSize  int64             `json:"old_size"`          // of what is there
	Sidecars []string          `json:"sidecars"`          // files that belong to it
	Kept     string            `json:"kept,omitempty"`    // the name under which it would be kept
	Holders  []restore.Holder  `json:"holders"`           // processes that have it open
	Need     int64             `json:"need"`              // room on the target's disk
	Free     int64             `json:"free"`              // what is there of it
	Refused  string            `json:"refused,omitempty"` // why it would not be done
}

// stdoutTarget as the target means standard output.
const stdoutTarget = "-"

// Validate implements kong's check of flags that depend on each other.
func (r *restoreCmd) Validate() error {
	switch {
	case r.DB == "":
		return errors.New("<db> is empty")
	case r.DB == stdoutTarget && (r.Replace || r.Live || r.IfMissing || r.AllowEmpty || r.DryRun || r.JSON):
		return errors.New("stdout takes only the database: --replace, --live, --if-missing, --allow-empty, --dry-run and --json do not go with it")
	case r.Replace && r.Live:
		return errors.New("--replace puts a new file in place, --live writes into the old one: choose")
	case r.VersionID != "" && r.Snapshot == "":
		return errors.New("--version-id needs the --snapshot that it is a version of")
	case r.DiscardOld && !r.Replace && !r.Live:
		return errors.New("--discard-old needs --replace or --live")
	}
	if r.Before != "" {
		if _, err := snapshot.ParseID(string(r.Before)); err != nil {
			return fmt.Errorf("--before: %w", err)
		}
	}
	return nil
}

// Run implements the command.
func (r *restoreCmd) Run(ctx context.Context, c *console) error {
	if r.DB == stdoutTarget {
		if err := fitForDatabase(c.stdout); err != nil {
			return err
		}
	}
	if r.IfMissing {
		missing, err := restore.Missing(r.DB)
		if err != nil {
			return err
		}
		if !missing {
			return c.result(r.JSON, restoreDocument{URL: r.URL.String(), Target: terminal.ValidText(r.DB)}, c.unlessQuiet(terminal.Sprintf("nothing to do: %s is there\n", r.DB)))
		}
	}
	identities, err := r.identities()
	if err != nil {
		return err
	}
	bucket, err := r.open(ctx, c, upload.Options{})
	if err != nil {
		return err
	}
	found, err := r.choose(ctx, c, bucket)
	if err != nil && r.AllowEmpty && errors.Is(err, restore.ErrNoSnapshot) {
		return r.firstStart(ctx, c, bucket, err)
	}
	if err != nil {
		return r.lookedUp(err)
	}
	r.warnPlain(c, found)
	o := restore.Options{
		Replace: r.Replace, DiscardOld: r.DiscardOld, AssumeClosed: r.AssumeClosed, AsOwner: true, Live: r.Live,
		Wait: r.Wait.forLocks(), Identities: identities, Progress: c.progress("restore"), Log: c.log,
	}
	switch {
	case r.DB == stdoutTarget:
		err = restore.Stream(ctx, bucket, found, outlet{c.stdout}, o)
	case r.DryRun:
		err = r.dryRun(ctx, c, bucket, found, o)
	default:
		err = r.restore(ctx, c, bucket, found, o)
	}
	if r.DB != stdoutTarget && errors.Is(err, restore.ErrNoRoom) {
		err = &hinted{err, "make room on that disk: until the new database is complete the old one stays beside it"}
	}
	return withOlder(ctx, bucket, found.ID, r.command(), err)
}

// firstStart lets an application start without a database, unless the prefix was
// ever used: then a wrong URL or a deleted series would look like an empty
// database.
func (r *restoreCmd) firstStart(ctx context.Context, c *console, b bucket.Bucket, none error) error {
	never, err := b.NeverUsed(ctx)
	if err != nil {
		return fmt.Errorf("find out whether this is a first start: %w", err)
	}
	if !never {
		return &hinted{none, "--allow-empty is for a prefix that was never used, and there is or was something under this one"}
	}
	return c.result(r.JSON, restoreDocument{URL: r.URL.String(), Target: terminal.ValidText(r.DB)}, c.unlessQuiet(terminal.Sprintf("nothing to restore: nothing was ever in %s\n", r.URL)))
}

// choose returns the snapshot that the flags mean.
func (r *restoreCmd) choose(ctx context.Context, c *console, b bucket.Bucket) (series.Snapshot, error) {
	if r.VersionID == "" {
		return restore.Select(ctx, b, restore.Selector{Which: string(r.Snapshot), At: r.At.Time, Before: snapshot.ID(r.Before), Log: c.log})
	}
	all, err := versions(ctx, b)
	if err != nil {
		return series.Snapshot{}, err
	}
	for _, v := range all {
		if string(v.ID) == string(r.Snapshot) && v.Object.Version == r.VersionID && !v.Deleted {
			return v.Snapshot, nil
		}
	}
	return series.Snapshot{}, fmt.Errorf("%w: %s has no version %s with content in %s", restore.ErrNoSnapshot, r.Snapshot, r.VersionID, b.URL())
}

func (r *restoreCmd) restore(ctx context.Context, c *console, b bucket.Bucket, s series.Snapshot, o restore.Options) error {
	began := time.Now()
	result, err := restore.Restore(ctx, b, s, r.DB, o)
	c.endProgress()
	if err != nil && !errors.Is(err, restore.ErrLeft) {
		return err
	}
	took := time.Since(began)
	text := terminal.Sprintf("restored: snapshot %s to %s, %s in %s\n", result.ID, result.Target, terminal.Size(result.Size), took.Round(100*time.Millisecond))
	if len(result.Kept) > 0 {
		text += terminal.Sprintf("kept: the old database is now %s\n", strings.Join(result.Kept, ", "))
	}
	return errors.Join(err, c.result(r.JSON, restoreDocument{
		URL: r.URL.String(), Restored: true, Snapshot: string(result.ID), Target: terminal.ValidText(result.Target), Size: result.Size,
		Kept: terminal.ValidTexts(result.Kept), Live: result.Live, Seconds: took.Seconds(),
	}, c.unlessQuiet(text)))
}

// dryRun fails as the restore itself would.
func (r *restoreCmd) dryRun(ctx context.Context, c *console, b bucket.Bucket, s series.Snapshot, o restore.Options) error {
	plan, err := restore.Prepare(ctx, b, s, r.DB, o, time.Now())
	if err != nil {
		return err
	}
	d := planDocument{
		URL: r.URL.String(), Snapshot: describeSnapshot(s), Manifest: plan.Manifest, Target: terminal.ValidText(plan.Target),
		Old: plan.Old, OldSize: plan.OldSize, Sidecars: append([]string{}, terminal.ValidTexts(plan.Sidecars)...), Kept: terminal.ValidText(plan.Kept),
		Holders: append([]restore.Holder{}, plan.Holders...), Need: plan.Need, Free: plan.Free,
	}
	if plan.Refusal != nil {
		d.Refused = terminal.ValidText(plan.Refusal.Error())
	}
	return errors.Join(c.result(r.JSON, d, d.text(time.Now())), plan.Refusal)
}

func (d planDocument) text(now time.Time) string {
	var b strings.Builder
	terminal.Fprintf(&b, "would restore snapshot %s of %s, taken %s\n", d.Snapshot.ID, d.Manifest.Database, terminal.Ago(d.Snapshot.Taken, now))
	terminal.Fprintf(&b, "to %s: %s, needs %s of %s free\n", d.Target, terminal.Size(d.Manifest.Size), terminal.Size(d.Need), terminal.Size(d.Free))
	terminal.Fprintf(&b, "there now: %s", d.Old)
	if d.OldSize > 0 {
		terminal.Fprintf(&b, ", %s", terminal.Size(d.OldSize))
	}
	b.WriteString("\n")
	for _, h := range d.Holders {
		terminal.Fprintf(&b, "open in: %s\n", h)
	}
	if d.Kept != "" {
		terminal.Fprintf(&b, "would be kept as %s\n", d.Kept)
	}
	return b.String()
}

// command returns this command without the choice of the snapshot.
func (r *restoreCmd) command() string {
	words := []string{"lifeboat restore", terminal.Quote(r.URL.String()), terminal.Quote(r.DB)}
	for _, flag := range []struct {
		given bool
		name  string
	}{
		{r.Replace, "--replace"}, {r.DiscardOld, "--discard-old"}, {r.Live, "--live"}, {r.IfMissing, "--if-missing"},
		{r.DryRun, "--dry-run"}, {r.AssumeClosed, "--assume-closed"}, {r.JSON, "--json"},
	} {
		if flag.given {
			words = append(words, flag.name)
		}
	}
	for _, path := range r.AgeIdentity {
		words = append(words, "--age-identity", terminal.Quote(path))
	}
	return strings.Join(words, " ")
}
