package remote

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/lifeboat-sqlite/lifeboat/restore"
	"github.com/lifeboat-sqlite/lifeboat/snapshot"
	"github.com/lifeboat-sqlite/lifeboat/upload"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket/buckettest"
	"github.com/lifeboat-sqlite/lifeboat/upload/series"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

func TestMain(m *testing.M) {
	needs.Root()
	os.Exit(m.Run())
}

func openBucket(t testing.TB, url string) bucket.Bucket {
	t.Helper()
	b, err := upload.Open(t.Context(), url, upload.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func execSQL(t testing.TB, db, statements string) {
	t.Helper()
	if out, err := exec.Command("sqlite3", "-bail", db, statements).CombinedOutput(); err != nil {
		t.Fatalf("sqlite3: %v: %s", err, out)
	}
}

func identity(t testing.TB) *age.X25519Identity {
	t.Helper()
	i, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

var classesOfFour = []series.Class{series.Weekly, series.Daily, series.Hourly, series.Recent}

// A chain is a series with a full snapshot and three differentials, each on the one
// before.
type chain struct {
	*buckettest.Series
	t   testing.TB
	ids []snapshot.ID // the full one's first
}

// newChain returns one of a database that grows, shrinks and grows again, of some mib
// MiB.
func newChain(t testing.TB, b bucket.Bucket, mib int, pragmas string, recipients ...age.Recipient) *chain {
	t.Helper()
	db := filepath.Join(t.TempDir(), "app.db")
	c := &chain{Series: buckettest.NewSeries(t, b, db), t: t}
	c.Recipients = recipients
	rows := mib * 1000
	for i, change := range []string{
		fmt.Sprintf(`%s PRAGMA auto_vacuum=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT UNIQUE, x, n INT); CREATE INDEX tn ON t (n);
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) INSERT INTO t SELECT i, hex(randomblob(12)), randomblob(900), i %% 97 FROM n`, pragmas, rows),
		fmt.Sprintf("INSERT INTO t SELECT id+%[1]d, k||'+', randomblob(900), n FROM t WHERE id <= %[1]d/8; UPDATE t SET x = 'changed' WHERE id %% 1000 = 7", rows),
		fmt.Sprintf("DELETE FROM t WHERE id > %[1]d; DELETE FROM t WHERE id > %[1]d*5/6", rows),
		"UPDATE t SET x = randomblob(900) WHERE id % 500 = 3; INSERT INTO t (k, x) VALUES ('last', 'last')",
	} {
		execSQL(t, db, change)
		if i == 0 {
			c.ids = append(c.ids, c.Full(classesOfFour[i]))
		} else {
			c.ids = append(c.ids, c.On(c.ids[i-1], classesOfFour[i]))
		}
	}
	return c
}

// listed returns a snapshot of the chain as a listing shows it now.
func (c *chain) listed(i int) series.Snapshot {
	c.t.Helper()
	s, err := restore.Select(c.t.Context(), c.Bucket, restore.Selector{Which: string(c.ids[i])})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// restored returns the database as a restore writes it.
func (c *chain) restored(i int, o Options) []byte {
	c.t.Helper()
	var whole bytes.Buffer
	if err := restore.Stream(c.t.Context(), c.Bucket, c.listed(i), &whole, restore.Options{Identities: o.Identities}); err != nil {
		c.t.Fatal(err)
	}
	return whole.Bytes()
}

// open opens a snapshot, with a temp directory in which nothing may be left and no
// goroutine that may be.
func (c *chain) open(i int, o Options) *Database {
	c.t.Helper()
	noneLeft(c.t, &o)
	d, err := Open(c.t.Context(), c.Bucket, c.listed(i), o)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := d.Close(); err != nil {
			c.t.Error(err)
		}
	})
	return d
}

// noneLeft fails the test if a file or a goroutine of the package is left in the end.
func noneLeft(t testing.TB, o *Options) {
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	dir := o.TempDir
	t.Cleanup(func() {
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
		await.That(t, func() bool { return !strings.Contains(goroutines(), "remote.(*") })
	})
}

func goroutines() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

func sh(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
}
