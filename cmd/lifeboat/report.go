package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/databases"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/evidence"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/lifecycle"
	"github.com/lifeboat-sqlite/lifeboat/restore/drill"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/copies"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

type reportCmd struct {
	seriesFlags
	configFlags
	holdFlag
	CacheDir string `type:"path" placeholder:"DIR" group:"Store" help:"The --cache-dir of the backups here: the report names snapshots that it does not know."`

	Output string    `short:"o" required:"" placeholder:"report.html" help:"The file to write, - for stdout."`
	Every  limit     `placeholder:"1h" help:"How often a backup is to run, for gaps. Without it the newest snapshots show it."`
	MaxAge limit     `placeholder:"26h" help:"The newest snapshot is too old beyond this age."`
	Copy   []treeURL `sep:"none" placeholder:"URL" help:"A second place of the same series, to compare; repeatable. With --config: the place of copy --to."`

	CopyProfile string `placeholder:"NAME" group:"Store" help:"AWS profile with keys and endpoint_url of --copy."`

	PriceStorage price  `placeholder:"0.023" group:"Prices" help:"Of storing a GiB for a month."`
	PriceUploads price  `placeholder:"0.005" group:"Prices" help:"Of 1,000 uploads."`
	PriceEgress  price  `placeholder:"0.09" group:"Prices" help:"Of fetching a GiB."`
	Currency     string `placeholder:"USD" group:"Prices" help:"What prices are in."`

	database *databases.Database // of a configuration, nil for a bucket URL
}

// A price is an amount of money. Where its flag is not given it is 0.
type price float64

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *price) UnmarshalText(text []byte) error {
	amount, err := strconv.ParseFloat(string(text), 64)
	if err != nil || amount < 0 || math.IsInf(amount, 0) || math.IsNaN(amount) {
		return fmt.Errorf("%q is not a price such as 0.023", text)
	}
	*p = price(amount)
	return nil
}

const (
	// drillsRead is how many of the newest records a report reads of each series.
	drillsRead = 100
	// doubtsRead is how many tags a report reads beside those that status reads, to see
	// whether a gap is one.
	doubtsRead = 64
	// dueRead is of how many due snapshots a report reads the tags, or of up to twice as many
	// if those are all. Status reads those of all that are due and not released: without
	// releases that is the whole series.
	dueRead = 96
	// foreseen is how often a report reads the tags of what goes next, which may be
	// pinned, so that something else goes next.
	foreseen = 10
)

// Run implements the command.
func (r *reportCmd) Run(ctx context.Context, c *console) error {
	for _, place := range r.Copy {
		if err := place.isSeries(); err != nil {
			return usage("--copy: %w", err)
		}
	}
	in, err := r.gather(ctx, c, "")
	if err != nil {
		return err
	}
	terms := r.terms()
	return errors.Join(r.write(c, evidence.New([]evidence.Section{evidence.NewSection(in, terms)}, false, terms)), lacks(in))
}

// runAll makes one page about all databases. One that cannot be examined is on it, too.
func (r *reportCmd) runAll(ctx context.Context, c *console, s *schedule) error {
	terms := r.terms()
	sections := make([]evidence.Section, len(s.tasks))
	all := make([]outcome, len(s.tasks))
	var collecting sync.Mutex
	err := s.each(c, func(c *console, i int, t *task) error {
		in, err := t.report(ctx, c)
		section := evidence.NewSection(in, terms)
		err = errors.Join(err, lacks(in))
		collecting.Lock()
		defer collecting.Unlock()
		sections[i], all[i] = section, outcome{t.label(), ctx.Err() == nil, exitCode(withSignal(ctx, err))}
		if err != nil && ctx.Err() == nil { // the verdict names those that a signal stopped
			c.fail(fmt.Errorf("%s: %w", t.label(), err))
		}
		return nil
	})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	return errors.Join(r.write(c, evidence.New(sections, true, terms)), verdictOf(ctx, all, "have no snapshot or are not on the page in full", "not examined", exitOfStatus))
}

// report returns what the page says of the task's series, also with an error.
func (t *task) report(ctx context.Context, c *console) (in evidence.Input, err error) {
	defer recovered(&err)
	name := terminal.ValidText(cmp.Or(t.Path, t.Name))
	if err = errors.Join(t.Err, ctx.Err()); err == nil {
		err = t.other.take(t.Database)
	}
	if err == nil {
		own := t.other.(*reportCmd)
		own.database = t.Database
		if own.Copy, err = own.copiesOf(t.URL); err == nil {
			in, err = own.gather(ctx, c, name)
		}
	}
	if err != nil {
		in = evidence.Input{Name: name, URL: t.BucketURL(), Err: terminal.ValidText(terminal.OneLine(err))}
	}
	return in, err
}

// copiesOf returns where copy --to puts the copies of a series.
func (r *reportCmd) copiesOf(series bucket.URL) (places []treeURL, err error) {
	for _, place := range r.Copy {
		own, notOne := place.of(series)
		places, err = append(places, own), errors.Join(err, notOne)
	}
	return places, err
}

func (r *reportCmd) terms() evidence.Terms {
	return evidence.Terms{
		Tool: "lifeboat " + programVersion(), Made: time.Now(), Every: time.Duration(r.Every),
		Prices: evidence.Prices{Currency: r.Currency, Storage: float64(r.PriceStorage), Uploads: float64(r.PriceUploads), Egress: float64(r.PriceEgress)},
	}
}

// gather examines a series as status does, and reads its drills and lists its copies.
func (r *reportCmd) gather(ctx context.Context, c *console, name string) (evidence.Input, error) {
	in := evidence.Input{Name: name, URL: r.URL.String()}
	b, err := r.open(ctx, c, upload.Options{})
	if err != nil {
		return in, err
	}
	status := statusCmd{URL: r.URL, RetryFor: r.RetryFor, MaxAge: r.MaxAge, holdFlag: r.holdFlag, CacheDir: r.CacheDir, most: dueRead}
	if r.database != nil {
		status.name, status.db = r.database.Name, r.database.Path
	}
	d, err := status.examine(ctx, c, b)
	if err != nil {
		return in, err
	}
	in.Now, in.State, in.Well, in.Warnings, in.Retention = d.now, d.State, d.isWell(), d.Warnings, d.retention()
	in.Decisions, in.Policy, in.Elsewhere = d.decisions, d.policy, d.Retention != "rules"
	in.MaxAge = time.Duration(r.MaxAge)
	if verdict := d.verdict(); verdict != nil {
		in.Verdict = terminal.ValidText(terminal.OneLine(verdict))
	}
	if err := errors.Join(r.resolve(ctx, b, &in), r.foresee(ctx, b, &in)); err != nil {
		return in, err
	}
	if unread := dueUnread(in); unread > 0 && d.Held != nil {
		in.Warnings = append(in.Warnings, fmt.Sprintf("the tags of %d snapshots that are due were not read, so the page takes them for held, and for neither pinned nor damaged: "+
			"see lifeboat lifecycle release; lifeboat status reads them all", unread))
	}
	for _, d := range in.Decisions {
		if database := series.DatabaseName(d.Tags); database != "" && name == "" {
			in.Name = terminal.ValidText(database)
		}
	}
	r.readDrills(ctx, c, &in)
	for _, place := range r.Copy {
		in.Copies = append(in.Copies, r.listCopy(ctx, c, b, place))
	}
	return in, ctx.Err()
}

// resolve reads the tags that say whether gaps are such.
func (r *reportCmd) resolve(ctx context.Context, b bucket.Bucket, in *evidence.Input) error {
	return r.readTags(ctx, b, in, evidence.Doubtful(*in, time.Duration(r.Every), doubtsRead))
}

// foresee reads the tags of what goes next: status reads those of the newest and of what is
// due, and another one may be pinned.
func (r *reportCmd) foresee(ctx context.Context, b bucket.Bucket, in *evidence.Input) error {
	known := map[snapshot.ID]bool{}
	for range foreseen {
		var unread []lifecycle.Item
		for _, d := range evidence.Next(in.Decisions) {
			if !known[d.ID] {
				unread, known[d.ID] = append(unread, d.Item), true
			}
		}
		if len(unread) == 0 {
			break
		}
		if err := r.readTags(ctx, b, in, unread); err != nil {
			return err
		}
	}
	return nil
}

// dueUnread returns how many snapshots are due and may be released or pinned already.
func dueUnread(in evidence.Input) (unread int) {
	for _, d := range in.Decisions {
		if !d.TagsKnown && !d.Due.IsZero() && !in.Now.Before(d.Due) {
			unread++
		}
	}
	return unread
}

// readTags reads the tags of some snapshots and decides again. Those that these keys may
// not read stay as they are.
func (r *reportCmd) readTags(ctx context.Context, b bucket.Bucket, in *evidence.Input, which []lifecycle.Item) error {
	if len(which) == 0 {
		return nil
	}
	read, err := lifecycle.ReadTags(ctx, b, which)
	if errors.Is(err, bucket.ErrRefused) {
		return nil
	}
	if err != nil {
		return err
	}
	known := map[snapshot.ID]lifecycle.Item{}
	for _, item := range read {
		known[item.ID] = item
	}
	items := make([]lifecycle.Item, len(in.Decisions))
	for i, d := range in.Decisions {
		items[i] = d.Item
		if item, is := known[d.ID]; is {
			items[i].Tags, items[i].TagsKnown, items[i].Damaged = item.Tags, item.TagsKnown, item.Damaged
		}
	}
	in.Decisions = lifecycle.Decide(items, lifecycle.Terms{Policy: in.Policy, Hold: r.holdOf()}, in.Now)
	return nil
}

// readDrills reads the newest records, and the newest proof, however old that is. That
// they cannot be read is on the page.
func (r *reportCmd) readDrills(ctx context.Context, c *console, in *evidence.Input) {
	place, err := r.place().open(ctx, c, upload.Options{})
	var entries []drill.Entry
	if err == nil {
		entries, err = drill.List(ctx, place, time.Time{})
	}
	if err == nil {
		in.Drills, err = readProof(ctx, place, entries)
		in.Older = len(entries) - len(in.Drills)
	}
	if err != nil {
		in.Drills, in.Older, in.NoDrills = nil, 0, terminal.ValidText(terminal.OneLine(err))
	}
}

// readProof reads the newest drillsRead records. If none of them proves a restore, the
// newest older one that does stands before them.
func readProof(ctx context.Context, place bucket.Bucket, entries []drill.Entry) ([]drill.Recorded, error) {
	proves := func(r drill.Recorded) bool { return r.Proves(series.Present(place)) }
	from := max(0, len(entries)-drillsRead)
	newest, err := drill.Read(ctx, place, entries[from:])
	if err != nil || slices.ContainsFunc(newest, proves) {
		return newest, err
	}
	for from > 0 {
		before := from
		from = max(0, before-drillsRead)
		older, err := drill.Read(ctx, place, entries[from:before])
		if err != nil {
			return nil, err
		}
		for _, r := range slices.Backward(older) {
			if proves(r) {
				return append([]drill.Recorded{r}, newest...), nil
			}
		}
	}
	return newest, nil
}

// errPageLacks: the page is written, and a part of it is not known.
var errPageLacks = errors.New("the page lacks something")

// lacks returns what the page cannot say of a series, nil for nothing. Without a snapshot
// that is all: a job with a mistyped URL must not be green for ever.
func lacks(in evidence.Input) error {
	if in.State == stateNone {
		return fmt.Errorf("%w in %s", errNone, in.URL)
	}
	var all []error
	if in.NoDrills != "" {
		all = append(all, &hinted{fmt.Errorf("%w: the drills: %s", errPageLacks, in.NoDrills), "the page is written, and says so; keys with deploy/iam's drill policy may read the records"})
	}
	for _, place := range in.Copies {
		if place.Err != "" {
			all = append(all, fmt.Errorf("%w: the copies in %s: %s", errPageLacks, place.URL, place.Err))
		}
	}
	return errors.Join(all...)
}

// listCopy lists a second place. That it cannot be listed is on the page.
func (r *reportCmd) listCopy(ctx context.Context, c *console, of bucket.Bucket, place treeURL) evidence.Copy {
	found := evidence.Copy{URL: place.String()}
	b, err := seriesFlags{place.bucketURL, r.RetryFor}.open(ctx, c, upload.Options{Profile: r.CopyProfile})
	if err == nil && isSamePlace(of, b) {
		err = copies.ErrSame
	}
	if err == nil {
		found.Snapshots, err = series.Snapshots(ctx, b, time.Time{})
		found.Now = series.Present(b)
	}
	if err != nil {
		found.Err = terminal.ValidText(terminal.OneLine(err))
	}
	return found
}

// write writes the page to the file at once, or to stdout.
func (r *reportCmd) write(c *console, page evidence.Page) error {
	if r.Output == stdoutTarget {
		if err := page.Write(c.stdout); err != nil {
			return fmt.Errorf("%w: %w", errNotPrinted, err)
		}
		return nil
	}
	err := reports.ReplaceFile(r.Output, func(f *os.File) error { return errors.Join(page.Write(f), f.Sync()) })
	if err != nil {
		return fmt.Errorf("write %s: %w", r.Output, err)
	}
	return c.print(c.unlessQuiet(terminal.Sprintf("wrote %s\n", r.Output)))
}
