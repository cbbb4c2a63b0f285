package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type restoreCmd struct {
	snapshotFlags
	configFlags
	DB string `arg:"" name:"db" help:"The file to restore to, or - for stdout. With --only its own path, if it is left out."`

	whichFlags
	identityFlag
	fallbackFlags
	VersionID string `placeholder:"VERSION" group:"Which snapshot" help:"This version of --snapshot; see list --versions."`

	Replace      bool     `help:"Replace a database; keep it as DB.before-ID."`
	DiscardOld   bool     `group:"An existing file" help:"Do not keep the replaced database."`
	Live         bool     `help:"Write into a database that is open."`
	IfMissing    bool     `group:"First start" help:"Do nothing if the database exists."`
	AllowEmpty   bool     `group:"First start" help:"Exit 0 without a database if this prefix has never held an object, nor that of --fallback."`
	DryRun       bool     `help:"Show what would happen, and do nothing."`
	AssumeClosed bool     `group:"An existing file" help:"Treat the database as closed where the kernel cannot tell."`
	NoInput      bool     `group:"Which snapshot" help:"Never ask which snapshot: take the newest."`
	Wait         duration `default:"30s" placeholder:"30s" group:"An existing file" help:"How long --live waits for locks of other connections."`
	fileFlags

	All bool   `env:"-" group:"Many databases" help:"Restore all databases of --config, or all that --only meets. What is restored already stays."`
	To  string `env:"-" placeholder:"DIR" group:"Many databases" help:"With --all, restore below this directory, and not to their own paths."`

	JSON bool `name:"json" help:"Print one JSON document."`

	ofAll                bool // one of several, of which some may be left as they are
	wasEqual, wasRetired bool // why it was left
	makes                bool // the directory of a target that the configuration names: on a new machine there is none
	ofRoot               bool // the file is new, and root's

	profile  string // AWS profile of the place, "" for the environment's settings
	isSecond bool   // the place is that of --fallback

	waited *waitedFor // shared by those of one run over many databases
}

// restoreDocument is what restore --json prints. Sizes are in bytes.
type restoreDocument struct {
	URL      string   `json:"url"`
	Second   bool     `json:"second_place,omitempty"` // it is that of --fallback
	Restored bool     `json:"restored"`               // false: the database was there, with --if-missing or --all
	Retired  bool     `json:"retired,omitempty"`      // so that --all left it out
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
	Second   bool              `json:"second_place,omitempty"` // it is that of --fallback
	Snapshot snapshotDocument  `json:"snapshot"`
	Manifest snapshot.Manifest `json:"manifest"`
	Objects  []objectDocument  `json:"objects"`           // that would be fetched, the full snapshot's first
	Fetch    int64             `json:"fetch"`             // their size
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

// objectDocument is one object of a snapshot's chain.
type objectDocument struct {
	Snapshot string `json:"snapshot"`
	Name     string `json:"name"`              // of the object, under the prefix
	Version  string `json:"version,omitempty"` // of it, where it is not the one that is listed
	Size     int64  `json:"size"`
}

// stdoutTarget as the target means standard output.
const stdoutTarget = "-"

// Validate implements kong's check of flags that depend on each other.
func (r *restoreCmd) Validate() error {
	switch {
	case r.DB == stdoutTarget && (r.Replace || r.Live || r.IfMissing || r.AllowEmpty || r.DryRun || r.JSON):
		return errors.New("stdout takes only the database: --replace, --live, --if-missing, --allow-empty, --dry-run and --json do not go with it")
	case r.Replace && r.Live:
		return errors.New("--replace puts a new file in place, --live writes into the old one: choose")
	case (r.Live || r.DB == stdoutTarget) && (r.Owner.Owner != nil || r.Mode != 0):
		return errors.New("--owner and --mode are for a new file, and --live and - make none")
	case r.VersionID != "" && r.Snapshot == "" && r.URL.Named == "":
		return errors.New("--version-id needs the --snapshot that it is a version of")
	case r.To != "" && !r.All:
		return errors.New("--to is for --all: without it the file to restore to is an argument")
	case r.All && r.URL != (snapshotURL{}) && r.URL.String() != noURL:
		return errors.New("--all is for the databases of --config, and a bucket URL names one: choose")
	case r.All && r.DB != "" && r.DB != ownPath:
		return errors.New("--all restores several databases, and a file is for one: choose, or name a directory with --to")
	case r.Fallback != treeURL{} && !r.All && r.URL.String() != noURL && r.Fallback.isSeries() != nil:
		return fmt.Errorf("--fallback: %w", r.Fallback.isSeries())
	case r.Fallback != treeURL{} && r.VersionID != "":
		return errors.New("--version-id names a version of an object, and the objects of --fallback have others")
	case r.DiscardOld && !r.Replace && !r.Live:
		return errors.New("--discard-old needs --replace or --live")
	}
	return nil
}

// Run implements the command.
func (r *restoreCmd) Run(ctx context.Context, c *console) error {
	if err := r.checkTarget(); err != nil {
		return err
	}
	if r.DB == stdoutTarget {
		if err := fitForDatabase(c.stdout); err != nil {
			return err
		}
	}
	if r.IfMissing {
		missing, err := restore.Missing(r.DB)
		if r.makes && errors.Is(err, fs.ErrNotExist) {
			missing, err = true, nil
		}
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
	return r.fromPlaces(ctx, c, identities)
}

// checkTarget refuses what is surely not the name of a database.
func (r *restoreCmd) checkTarget() error {
	switch id := idOf(filepath.Base(r.DB)); {
	case r.DB == "": // as when a script's variable is not set
		return usage("DB is missing: lifeboat restore BUCKET_URL DB")
	case isURL(r.DB):
		return usage("%s is a bucket URL, and not the file to restore to: lifeboat restore BUCKET_URL DB", r.DB)
	case id != "":
		return usage("%s names a snapshot, and not the file to restore to: lifeboat restore BUCKET_URL DB --snapshot %s", r.DB, id)
	}
	return nil
}

// firstStart lets an application start without a database, unless the prefix was
// ever used: then a wrong URL or a deleted series would look like an empty
// database.
func (r *restoreCmd) firstStart(ctx context.Context, c *console, b bucket.Bucket, none error) error {
	if err := r.neverUsed(ctx, b, none); err != nil {
		return err
	}
	return c.result(r.JSON, restoreDocument{URL: r.URL.String(), Target: terminal.ValidText(r.DB)}, c.unlessQuiet(terminal.Sprintf("nothing to restore: nothing was ever in %s\n", r.URL)))
}

// neverUsed returns an error unless nothing was ever in b, of which none says that it has
// no snapshot.
func (r *restoreCmd) neverUsed(ctx context.Context, b bucket.Bucket, none error) error {
	never, err := b.NeverUsed(ctx)
	if err != nil {
		return fmt.Errorf("find out whether this is a first start: %w", err)
	}
	var noneCounts *restore.NoneCountsError
	switch {
	case errors.As(none, &noneCounts):
		return r.lookedUp(none)
	case !never:
		return &hinted{none, "--allow-empty is for a prefix that was never used, and there is or was something under this one"}
	}
	return nil
}

// choose returns the snapshot that the flags mean.
func (r *restoreCmd) choose(ctx context.Context, c *console, b bucket.Bucket) (series.Snapshot, error) {
	which, err := r.with(r.URL.Named)
	if err != nil {
		return series.Snapshot{}, err
	}
	if r.asks(c, which) {
		if which.Snapshot, err = ask(ctx, c, b); err != nil {
			return series.Snapshot{}, err
		}
	}
	if r.VersionID == "" {
		return which.find(ctx, c, b)
	}
	all, err := versions(ctx, b)
	if err != nil {
		return series.Snapshot{}, err
	}
	for _, v := range all {
		if string(v.ID) == string(which.Snapshot) && v.Object.Version == r.VersionID && !v.Deleted {
			return v.Snapshot, nil
		}
	}
	return series.Snapshot{}, fmt.Errorf("%w: %s has no version %s with content in %s", restore.ErrNoSnapshot, which.Snapshot, r.VersionID, b.URL())
}

func (r *restoreCmd) restore(ctx context.Context, c *console, b bucket.Bucket, s series.Snapshot, o restore.Options) error {
	began := time.Now()
	isNew, _ := restore.Missing(r.DB) // the restore itself returns the error
	result, err := restore.Restore(ctx, b, s, r.DB, o)
	c.endProgress()
	if err != nil && !errors.Is(err, restore.ErrLeft) {
		return err
	}
	took := time.Since(began)
	text := terminal.Sprintf("restored: snapshot %s to %s, %s in %s\n", result.ID, result.Target, terminal.Size(result.Size), took.Round(100*time.Millisecond))
	if r.isSecond {
		text += terminal.Sprintf("from the second place: %s\n", r.URL)
	}
	if len(result.Kept) > 0 {
		text += terminal.Sprintf("kept: the old database is now %s\n", strings.Join(result.Kept, ", "))
	}
	if isNew && r.Owner.Owner == nil {
		note := ofRoot(result.Target)
		r.ofRoot = note != ""
		text += note
	}
	printing := c.result(r.JSON, restoreDocument{
		URL: r.URL.String(), Second: r.isSecond, Restored: true, Snapshot: string(result.ID), Target: terminal.ValidText(result.Target), Size: result.Size,
		Kept: terminal.ValidTexts(result.Kept), Live: result.Live, Seconds: took.Seconds(),
	}, c.fit(c.unlessQuiet(text)))
	if printing == nil {
		suggestAfter(c, result)
	}
	return errors.Join(err, printing)
}

// dryRun fails as the restore itself would.
func (r *restoreCmd) dryRun(ctx context.Context, c *console, b bucket.Bucket, s series.Snapshot, o restore.Options) error {
	plan, err := restore.Prepare(ctx, b, s, r.DB, o, time.Now())
	if err != nil {
		return err
	}
	d := planDocument{
		URL: r.URL.String(), Second: r.isSecond, Snapshot: describeSnapshot(s), Manifest: plan.Manifest, Fetch: plan.Fetch, Target: terminal.ValidText(plan.Target),
		Old: plan.Old, OldSize: plan.OldSize, Sidecars: append([]string{}, terminal.ValidTexts(plan.Sidecars)...), Kept: terminal.ValidText(plan.Kept),
		Holders: append([]restore.Holder{}, plan.Holders...), Need: plan.Need, Free: plan.Free,
	}
	d.Objects = objectsOf(plan.Chain)
	if plan.Refusal != nil {
		d.Refused = terminal.ValidText(plan.Refusal.Error())
	}
	return errors.Join(c.result(r.JSON, d, d.text(time.Now())), plan.Refusal)
}

func (d planDocument) text(now time.Time) string {
	var b strings.Builder
	terminal.Fprintf(&b, "would restore snapshot %s of %s, taken %s\n", d.Snapshot.ID, d.Manifest.Database, terminal.Ago(d.Snapshot.Taken, now))
	terminal.Fprintf(&b, "to %s: %s, needs %s of %s free\n", d.Target, terminal.Size(d.Manifest.Size), terminal.Size(d.Need), terminal.Size(d.Free))
	terminal.Fprintf(&b, "fetches %s", terminal.Size(d.Fetch))
	if len(d.Objects) > 1 {
		terminal.Fprintf(&b, " in %d objects:", len(d.Objects))
		for _, object := range d.Objects {
			terminal.Fprintf(&b, "\n  %s, %s", object.Name, terminal.Size(object.Size))
		}
	}
	terminal.Fprintf(&b, "\nthere now: %s", d.Old)
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
	if r.Owner.text != "" {
		words = append(words, "--owner", terminal.Quote(r.Owner.text))
	}
	if r.Mode != 0 {
		words = append(words, fmt.Sprintf("--mode=%04o", r.Mode))
	}
	for _, path := range r.AgeIdentity {
		words = append(words, "--age-identity", terminal.Quote(path))
	}
	return strings.Join(words, " ")
}
