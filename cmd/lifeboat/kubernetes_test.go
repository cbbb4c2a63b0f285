package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

var manifests = filepath.Join("..", "..", "deploy", "kubernetes")

// A kubeTest is an overlay with a database, as far as the program minds.
type kubeTest struct {
	kubeNode
	jobs []kubetest.CronJob
	db   string
	as   uint32 // the user who runs the containers, if not this one
}

// newKubeTest renders an overlay with some lines changed.
func newKubeTest(t *testing.T, overlay string, secrets map[string]map[string]string, lines ...string) kubeTest {
	t.Helper()
	needs.OneHour(t)
	copied := kubetest.Copy(t, manifests)
	dir := filepath.Join(copied, "overlays", overlay)
	for i := 0; i < len(lines); i += 2 {
		kubetest.Edit(t, filepath.Join(dir, "kustomization.yaml"), lines[i], lines[i+1])
	}
	k := kubeTest{kubeNode: kubeNode{
		objects: kubetest.Build(t, dir),
		secret: func(name string) (map[string]string, error) {
			if secrets[name] == nil {
				return nil, fmt.Errorf("secret %q not found", name)
			}
			return secrets[name], nil
		},
		volume: t.TempDir(), temp: t.TempDir(),
	}}
	k.jobs, k.db = kubetest.CronJobs(t, k.objects), filepath.Join(k.volume, "app.db")
	sqlite(t, k.db, "PRAGMA journal_mode=WAL; CREATE TABLE account (id INTEGER PRIMARY KEY, balance); INSERT INTO account (balance) VALUES (70), (30);")
	return k
}

// container returns what a CronJob runs, to be changed by the test.
func (k kubeTest) container(t *testing.T, job string) kubetest.Container {
	t.Helper()
	return kubetest.Named(t, kubetest.CronJobs(t, k.objects), "lifeboat-"+job).Spec.JobTemplate.Spec.Template.Spec.Containers[0]
}

// run runs a container, and fails unless it exits with the code and prints each
// of the words.
func (k kubeTest) run(t *testing.T, c kubetest.Container, want int, words ...string) {
	t.Helper()
	command, err := k.command("app", c)
	if err != nil {
		t.Fatal(err)
	}
	if k.as != 0 {
		asUser(t, command, k.as, k.volume, k.temp)
		chmod(t, k.temp, 0o777)
	}
	code, out := ended(t, command)
	if code != want {
		t.Errorf("%v: exit %d, want %d: %s", c.Args, code, want, out)
	}
	for _, word := range words {
		if !strings.Contains(out, word) {
			t.Errorf("%v: no %q in %s", c.Args, word, out)
		}
	}
	checkEmpty(t, k.temp)
}

// kubeRole returns the keys of a new user who has a role's policy for both series.
func kubeRole(t *testing.T, server *testserver.Server, bucket, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "iam", name+"-minio.json"))
	if err != nil {
		t.Fatal(err)
	}
	type document struct {
		Version   string
		Statement []json.RawMessage
	}
	var both document
	for _, prefix := range []string{"app", "app-compact"} {
		var policy document
		if err := json.Unmarshal([]byte(strings.NewReplacer("BUCKET", bucket, "PREFIX", prefix).Replace(string(text))), &policy); err != nil {
			t.Fatal(err)
		}
		both.Version, both.Statement = policy.Version, append(both.Statement, policy.Statement...)
	}
	joined, err := json.Marshal(both)
	if err != nil {
		t.Fatal(err)
	}
	user := server.As(t, string(joined))
	return map[string]string{"AWS_ACCESS_KEY_ID": user.AccessKey, "AWS_SECRET_ACCESS_KEY": user.SecretKey}
}

// checkCacheOfVolume checks that a backup has left what the next one needs to know, and
// makes of the volume what the kubelet makes of it for the next one.
func checkCacheOfVolume(t *testing.T, volume string) {
	t.Helper()
	known, err := filepath.Glob(filepath.Join(volume, ".lifeboat", "*", "*.json"))
	if err != nil || len(known) == 0 {
		t.Errorf("the cache knows no snapshot: %v", err)
	}
	group := os.Getegid()
	err = filepath.WalkDir(volume, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		mode := os.FileMode(0o660)
		if d.IsDir() {
			mode = os.ModeSetgid | 0o770
		}
		return errors.Join(os.Chown(path, -1, group), os.Chmod(path, mode))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// testKubernetesMinIO runs every job of the overlay with the keys of its role
// and no others, and the worst day.
func testKubernetesMinIO(t *testing.T, server *testserver.Server) {
	server.Setenv(t)
	bucket := server.Bucket(t)
	secrets := map[string]map[string]string{}
	for _, name := range []string{"backup", "restore", "release"} {
		secrets["lifeboat-"+name] = kubeRole(t, server, bucket, name)
	}
	k := newKubeTest(t, "minio", secrets, "s3://my-bucket/app", "s3://"+bucket+"/app", "http://minio.minio.svc:9000", server.Endpoint)
	for _, name := range []string{"app", "app-compact"} {
		if code, out := ended(t, exec.Command("lifeboat", "lifecycle", "apply", "s3://"+bucket+"/"+name)); code != 0 {
			t.Fatalf("exit %d: %s", code, out)
		}
	}
	k.run(t, k.container(t, "status"), 9, "no snapshot")
	k.run(t, k.container(t, "backup"), 0, "uploaded: ", " of app/data/app.db")
	k.run(t, k.container(t, "backup"), 0, "unchanged: ")
	checkCacheOfVolume(t, k.volume)
	k.run(t, k.container(t, "compact"), 0, "uploaded: ")
	k.run(t, k.container(t, "release"), 0, "nothing to release")
	k.run(t, k.container(t, "release-compact"), 0, "nothing to release")
	k.run(t, k.container(t, "verify"), 0, "verified: ")
	k.run(t, k.container(t, "status"), 0, "fresh", "recent 4d, hourly 6d")
	k.run(t, k.container(t, "status-compact"), 0, "fresh", "recent 4d, hourly 6d")

	// With the keys of another role it is refused.
	wrong := k.container(t, "verify")
	wrong.EnvFrom[1].SecretRef.Name = "lifeboat-backup"
	k.run(t, wrong, 11, "s3:GetObject")
	wrong = k.container(t, "compact")
	wrong.EnvFrom[1].SecretRef.Name = "lifeboat-restore"
	wrong.Args = slices.Concat(wrong.Args, []string{"--always"})
	k.run(t, wrong, 11, "s3:PutObject")

	sqlite(t, k.db, "DELETE FROM account")
	k.run(t, k.container(t, "restore"), 0, "restored: ", "kept: ")
	check := func() {
		t.Helper()
		if got := sqlite(t, k.db, "SELECT sum(balance) FROM account; PRAGMA integrity_check;"); got != "100\nok" {
			t.Errorf("after the restore: %s", got)
		}
	}
	check()
	for _, file := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(k.db + file); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	k.run(t, k.container(t, "restore"), 0, "restored: ")
	check()
}

// testKubernetesReport runs the drill that leaves a record and the report behind it, with
// the keys of that role.
func testKubernetesReport(t *testing.T, server *testserver.Server) {
	server.Setenv(t)
	bucket := server.Bucket(t)
	secrets := map[string]map[string]string{"lifeboat-backup": kubeRole(t, server, bucket, "backup"), "lifeboat-drill": kubeRole(t, server, bucket, "drill")}
	k := newKubeTest(t, "minio", secrets, "s3://my-bucket/app", "s3://"+bucket+"/app", "http://minio.minio.svc:9000", server.Endpoint,
		"# - ../../components/report", "- ../../components/report")
	k.run(t, k.container(t, "backup"), 0, "uploaded: ")
	k.run(t, k.container(t, "verify"), 0, "verified: ", "recorded")
	report := k.container(t, "report")
	page := filepath.Join(t.TempDir(), "index.html")
	report.Args[len(report.Args)-1] = page
	k.run(t, report, 0, "wrote "+page)
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"app/data/app.db", `class="proved"`, "No gap."} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

// testKubernetesStart runs the container that brings a database to an empty
// volume, for the first time, and in each case after that.
func testKubernetesStart(t *testing.T, server *testserver.Server) {
	server.Setenv(t)
	bucket := server.Bucket(t)
	secrets := map[string]map[string]string{"lifeboat-backup": kubeRole(t, server, bucket, "backup"), "lifeboat-restore": kubeRole(t, server, bucket, "restore")}
	k := newKubeTest(t, "minio", secrets, "s3://my-bucket/app", "s3://"+bucket+"/app", "http://minio.minio.svc:9000", server.Endpoint)
	var start kubetest.Container
	for _, o := range kubetest.Build(t, filepath.Join(manifests, "example")) {
		if o.Kind == "Deployment" {
			var d struct {
				Spec struct{ Template kubetest.PodTemplate }
			}
			o.As(t, &d)
			start = d.Spec.Template.Spec.InitContainers[0]
		}
	}
	gone := func() {
		t.Helper()
		if err := errors.Join(os.RemoveAll(k.db), os.RemoveAll(k.db+"-wal"), os.RemoveAll(k.db+"-shm")); err != nil {
			t.Fatal(err)
		}
	}
	k.run(t, start, 0, "nothing to do: ")
	k.run(t, k.container(t, "backup"), 0, "uploaded: ")
	gone()
	k.run(t, start, 0, "restored: ")
	k.run(t, start, 0, "nothing to do: ")
	gone()

	// Another BUCKET_URL: never used, or with a snapshot that somebody deleted.
	settings, err := kubetest.Settings(k.objects)
	if err != nil {
		t.Fatal(err)
	}
	start.Env = append(start.Env, kubetest.Variable{Name: "BUCKET_URL", Value: settings["BUCKET_URL"] + "-compact"})
	k.run(t, start, 0, "nothing was ever in ")
	if _, err := os.Stat(k.db); !os.IsNotExist(err) {
		t.Errorf("a database: %v", err)
	}
	unlabelled := exec.Command("lifeboat", "backup", filepath.Join(k.volume, "other.db"), settings["BUCKET_URL"]+"-compact/below")
	sqlite(t, filepath.Join(k.volume, "other.db"), "CREATE TABLE t (x)")
	if code, out := ended(t, unlabelled); code != 0 {
		t.Fatalf("exit %d: %s", code, out)
	}
	k.run(t, start, 6, "--allow-empty is for a prefix that was never used")
	start.Args = slices.DeleteFunc(start.Args, func(arg string) bool { return arg == "--allow-empty" })
	k.run(t, start, 6, "no such snapshot")
}

// TestKubernetesPrune runs every job of an overlay for a store without tags,
// which here is a directory.
func TestKubernetesPrune(t *testing.T) {
	none := map[string]string{"AWS_ACCESS_KEY_ID": "x"}
	k := newKubeTest(t, "r2", map[string]map[string]string{"lifeboat-backup": none, "lifeboat-restore": none, "lifeboat-prune": none},
		"s3://my-bucket/app", "file://"+t.TempDir()+"/app")
	for _, job := range []string{"backup", "compact", "prune", "prune-compact", "verify", "status", "restore"} {
		k.run(t, k.container(t, job), 0)
	}
}

// TestKubernetesExitCodes: a Job ends at once after the codes that are not worth
// a second try. The program takes each command line: what it does not know is
// exit 64, before it asks for anything.
func TestKubernetesExitCodes(t *testing.T) {
	ends, lines := endsJob(), map[string]bool{}
	none := map[string]string{"NOTHING": ""}
	for _, dir := range kubetest.Overlays(t, manifests) {
		k := newKubeTest(t, filepath.Base(dir), map[string]map[string]string{
			"lifeboat-backup": none, "lifeboat-restore": none, "lifeboat-release": none, "lifeboat-prune": none,
		})
		for _, job := range k.jobs {
			at := filepath.Base(dir) + ", " + job.Metadata.Name
			rules := job.Spec.JobTemplate.Spec.PodFailurePolicy.Rules
			if len(rules) != 2 || rules[1].OnExitCodes == nil || len(rules[0].OnPodConditions) != 1 {
				t.Fatalf("%s: %+v", at, rules)
			}
			// The first that fits decides.
			if disruption := rules[0].OnPodConditions[0]; rules[0].Action != "Ignore" || disruption.Type != "DisruptionTarget" || disruption.Status != "True" {
				t.Errorf("%s: %+v", at, rules[0])
			}
			codes := rules[1].OnExitCodes
			if rules[1].Action != "FailJob" || codes.Operator != "In" || codes.ContainerName != "lifeboat" || !slices.Equal(codes.Values, ends) {
				t.Errorf("%s: %+v, want %v", at, codes, ends)
			}
			c := job.Spec.JobTemplate.Spec.Template.Spec.Containers[0]
			if line := strings.Join(c.Args, " "); !lines[line] {
				lines[line] = true
				k.run(t, c, 11, "no AWS credentials found")
			}
		}
	}
	if len(lines) < 9 {
		t.Errorf("only %q", slices.Sorted(maps.Keys(lines)))
	}
}

// endsJob returns the exit codes after which a job should not try again.
func endsJob() (ends []int) {
	for _, c := range codes {
		if c.advice != retry {
			ends = append(ends, c.exit)
		}
	}
	return ends
}

// TestKubernetesSidecar runs the loop of components/sidecar, whose pod is then
// ended in the middle of a backup.
func TestKubernetesSidecar(t *testing.T) {
	needs.Time(t)
	dir, temp := t.TempDir(), t.TempDir()
	db, bucket := filepath.Join(dir, "app.db"), filepath.Join(dir, "bucket")
	loop := exec.Command("sh", filepath.Join(manifests, "components", "sidecar", "backup-loop.sh"))
	loop.Env = append(os.Environ(), "EVERY=1", "AFTER=0", "TMPDIR="+temp, "DATABASE="+db, "BUCKET_URL=file://"+bucket, "LIFEBOAT_MAX_RATE=1MiB")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	loop.Stdout, loop.Stderr = log, log
	said := func() string {
		text, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if err := loop.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- loop.Wait() }()
	// It goes on after a run that fails, for want of a database here.
	await.That(t, func() bool { return strings.Contains(said(), "lifeboat exited with 4") })
	makeDB(t, db, 10, "")
	await.That(t, func() bool {
		found, _ := filepath.Glob(filepath.Join(bucket, "*.db.zst"))
		return len(found) == 1
	})
	makeDB(t, db+".large", 20000, "")
	if err := os.Rename(db+".large", db); err != nil {
		t.Fatal(err)
	}
	await.That(t, func() bool {
		copies, _ := filepath.Glob(filepath.Join(temp, "*", "copy.db"))
		return len(copies) == 1 && sizeOf(copies[0]) > 1<<20
	})
	if err := loop.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("%v: %s", err, said())
		}
	case <-time.After(2 * time.Minute):
		loop.Process.Kill()
		t.Fatal("it does not end")
	}
	checkEmpty(t, temp)
	if found, _ := filepath.Glob(filepath.Join(bucket, "*")); len(found) > 2 {
		t.Errorf("left in the bucket: %v", found)
	}
	if !strings.Contains(said(), "error: terminated") {
		t.Errorf("it said: %s", said())
	}
}
