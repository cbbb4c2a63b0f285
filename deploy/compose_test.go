package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
	"github.com/lifeboat-sqlite/lifeboat/snapshot/sqlite/sqlitetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/await"
)

// A composition has those keys of compose's schema that ours uses: any other
// is an error.
type composition struct {
	Services map[string]service
	Volumes  map[string]struct{}
	Secrets  map[string]struct{ File string }
}

type service struct {
	Image           string
	Build           string
	User            string
	Environment     map[string]string
	EnvFile         string `yaml:"env_file"`
	Secrets         []string
	Volumes         []string
	Restart         string
	StopGracePeriod string   `yaml:"stop_grace_period"`
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	MemLimit        string   `yaml:"mem_limit"`
	Healthcheck     struct {
		Test        []string
		Interval    string
		Timeout     string
		StartPeriod string `yaml:"start_period"`
	}
}

// sidecar returns the container of the composition that backs up.
func sidecar(t *testing.T) service {
	t.Helper()
	var c composition
	if err := yaml.Load([]byte(docstest.Read(t, "compose/compose.yaml")), &c, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	if got := c.Services["app"]; got.User != c.Services["backup"].User || !slices.Equal(got.Volumes, c.Services["backup"].Volumes[:1]) {
		t.Errorf("application and backup differ: user %s, volumes %q", got.User, got.Volumes)
	}
	for _, s := range c.Services {
		for _, volume := range s.Volumes {
			if name, _, _ := strings.Cut(volume, ":"); !slices.Contains([]string{"data", "temp"}, name) {
				t.Errorf("the volume %s is not declared", name)
			}
		}
	}
	return c.Services["backup"]
}

func TestComposition(t *testing.T) {
	s := sidecar(t)
	for what, got := range map[string][2]any{
		"root":         {s.ReadOnly, true},
		"capabilities": {s.CapDrop, []string{"ALL"}},
		"privileges":   {s.SecurityOpt, []string{"no-new-privileges:true"}},
		"memory":       {s.MemLimit, "512m"},
		"restart":      {s.Restart, "unless-stopped"},
		"end":          {s.StopGracePeriod, "30s"},
		"volumes":      {s.Volumes, []string{"data:/data", "temp:/tmp"}},
	} {
		if !reflect.DeepEqual(got[0], got[1]) {
			t.Errorf("%s: %v, want %v", what, got[0], got[1])
		}
	}
}

// TestComposedSecrets runs a backup with the secrets where docker compose puts them, but
// for their directory.
func TestComposedSecrets(t *testing.T) {
	var c composition
	if err := yaml.Load([]byte(docstest.Read(t, "compose/secrets.yaml")), &c, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	s, dir, notices := c.Services["backup"], t.TempDir(), newNotices(t)
	var environment []string
	for name, path := range s.Environment {
		secret, mounted := strings.CutPrefix(path, "/run/secrets/")
		if !mounted || !slices.Contains(s.Secrets, secret) || c.Secrets[secret].File == "" {
			t.Errorf("%s=%s: secrets %q, %v", name, path, s.Secrets, c.Secrets)
		}
		environment = append(environment, name+"="+filepath.Join(dir, secret))
	}
	if len(s.Secrets) != len(c.Secrets) || len(environment) != len(c.Secrets) {
		t.Errorf("secrets %q, %v, variables %q", s.Secrets, c.Secrets, environment)
	}
	write(t, filepath.Join(dir, "aws"), "[default]\naws_access_key_id = id\naws_secret_access_key = key\n", 0o400)
	write(t, filepath.Join(dir, "ping-url"), notices.URL+"/your-uuid\n", 0o400)
	newDatabase(t, filepath.Join(dir, "app.db"))
	backup := exec.Command(program(t), "backup", filepath.Join(dir, "app.db"), "file://"+filepath.Join(dir, "bucket"))
	backup.Env = append(environment, "HOME="+dir)
	if output, err := backup.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if got := notices.got(); !slices.Equal(got, []string{"/your-uuid/start", "/your-uuid"}) {
		t.Errorf("notices: %q", got)
	}
}

// TestSidecar runs the loop by itself, with the shell that it has in its
// container: it goes on after a failure, is healthy, and ends when told to.
func TestSidecar(t *testing.T) {
	s, work := sidecar(t), t.TempDir()
	programAs(t, filepath.Join(work, "bin/lifeboat"))
	data, bucket, temp := filepath.Join(work, "data"), filepath.Join(work, "bucket"), filepath.Join(work, "tmp")
	for _, dir := range []string{data, bucket, temp} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	environment := []string{"PATH=" + filepath.Join(work, "bin") + ":" + os.Getenv("PATH"), "TMPDIR=" + temp, "LIFEBOAT_ALWAYS=true",
		"DB=" + strings.Replace(s.Environment["DB"], "/data", data, 1), "BUCKET_URL=file://" + bucket,
		"LIFEBOAT_CACHE_DIR=" + strings.Replace(s.Environment["LIFEBOAT_CACHE_DIR"], "/data", data, 1)}
	notices, ping := newNotices(t), filepath.Join(work, "ping-url")
	write(t, ping, notices.URL, 0o600)
	health := func() bool {
		check := exec.Command("sh", "-c", strings.ReplaceAll(s.Healthcheck.Test[1], "$$", "$"))
		check.Env = append(slices.Clone(environment), "LIFEBOAT_PING_URL_FILE="+ping)
		return check.Run() == nil
	}
	start := func(more ...string) (stop func() string) {
		output, err := os.Create(filepath.Join(work, "log")) // not a buffer: Wait would wait for whoever may still write to it
		if err != nil {
			t.Fatal(err)
		}
		defer output.Close()
		loop := exec.Command("busybox", "sh", "compose/sidecar.sh")
		loop.Env = slices.Concat(environment, more)
		loop.Stdout, loop.Stderr = output, output
		loop.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if err := loop.Start(); err != nil {
			t.Fatalf("%v: make tools-test installs it", err)
		}
		return func() string {
			loop.Process.Signal(syscall.SIGTERM)
			ended := make(chan error, 1)
			go func() { ended <- loop.Wait() }()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("it ended with %v", err)
				}
			case <-time.After(2 * time.Minute):
				syscall.Kill(-loop.Process.Pid, syscall.SIGKILL)
				<-ended
				t.Errorf("it did not end")
			}
			return docstest.Read(t, output.Name())
		}
	}

	stop := start("EVERY=0.1")
	if health() {
		t.Error("healthy without a snapshot")
	}
	newDatabase(t, filepath.Join(data, "app.db"))
	await.That(t, func() bool { return snapshots(t, bucket) >= 2 })
	if !health() {
		t.Error("not healthy")
	}
	if got := notices.got(); len(got) != 0 {
		t.Errorf("the health check sends notices, as if it were a backup: %q", got)
	}
	output := stop()
	if !strings.Contains(output, "uploaded: ") {
		t.Errorf("the log: %s", output)
	}

	checkCache(t, filepath.Join(data, ".lifeboat"))
	sqlitetest.Exec(t, filepath.Join(data, "app.db"), "CREATE TABLE large AS SELECT randomblob(10000000)")
	before := snapshots(t, bucket)
	stop = start("EVERY=1h", "LIFEBOAT_MAX_RATE=1MiB")
	await.That(t, func() bool {
		copies, _ := filepath.Glob(filepath.Join(temp, "*", "copy.db"))
		return len(copies) == 1
	})
	output = stop()
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 || snapshots(t, bucket) != before || !strings.Contains(output, "terminated") {
		t.Errorf("after its end: %v, %d snapshots, %d before; the log: %s", left, snapshots(t, bucket), before, output)
	}
}

// testSidecarImage builds the sidecar's image on a busybox of this machine, and
// backs up in it.
func testSidecarImage(t *testing.T) {
	base := t.TempDir()
	write(t, filepath.Join(base, "Dockerfile"), "FROM scratch\nCOPY busybox /bin/\nRUN [\"/bin/busybox\", \"--install\", \"/bin\"]\nENV PATH=/usr/local/bin:/bin\nCMD [\"sh\"]\n", 0o644)
	runs(t, base, "sh", "-c", `cp "$(command -v busybox)" .`)
	runs(t, base, "buildah", "build", "--tag", "docker.io/library/busybox:1.37", ".")
	s := sidecar(t)
	runs(t, "compose", "buildah", "build", "--pull-never", "--build-arg", "LIFEBOAT="+testImage+":latest", "--tag", s.Image, s.Build)
	name, data, temp := container(t, s.Image), t.TempDir(), t.TempDir()
	newDatabase(t, filepath.Join(data, "app.db"))
	runs(t, "", "chmod", "-R", "a+rwX", data, temp)
	command := unpack(t, s.Image).configuration.Cmd
	if len(command) != 1 {
		t.Fatalf("the command is %q", command)
	}
	all := []string{"run", "--user", s.User, "--volume", data + ":/data", "--volume", temp + ":/tmp", "--env", "BUCKET_URL=file:///data/bucket"}
	for name, value := range s.Environment {
		if name != "BUCKET_URL" {
			all = append(all, "--env", name+"="+value)
		}
	}
	script := command[0] + ` & until ls /data/bucket/*.db.zst; do sleep 0.1; done; kill "$!"; wait "$!"`
	runs(t, "", "buildah", append(all, name, "--", "timeout", "600", "sh", "-c", script)...)
	if got := snapshots(t, filepath.Join(data, "bucket")); got != 1 {
		t.Errorf("%d snapshots", got)
	}
}

// TestSidecarDocument runs the commands of the README with a docker that knows
// no more than which container a command would run in.
func TestSidecarDocument(t *testing.T) {
	work, s := t.TempDir(), sidecar(t)
	log, db, url := filepath.Join(work, "log"), filepath.Join(work, "app.db"), "file://"+filepath.Join(work, "bucket")
	programAs(t, filepath.Join(work, "bin/lifeboat"))
	write(t, filepath.Join(work, "bin/docker"), `#!/bin/sh
echo "$*" >>"`+log+`"
case "$1 $2" in "compose run") ;; *) exit ;; esac
while [ "$1" != backup ]; do shift; done
shift
exec "$@"
`, 0o755)
	for name, value := range map[string]string{"PATH": filepath.Join(work, "bin") + ":" + os.Getenv("PATH"), "DB": db, "BUCKET_URL": url} {
		t.Setenv(name, value)
	}
	newDatabase(t, db)
	runs(t, "", "lifeboat", "backup", db, url)
	sqlitetest.Exec(t, db, "DELETE FROM account")
	copied := filepath.Join(work, "compose")
	runs(t, "", "cp", "-r", "compose", copied)
	testCommands(t, "compose/README.md", "deploy/compose", copied, "chown 1000:1000", "chown "+strconv.Itoa(os.Geteuid()))
	checkDatabase(t, db)
	info, err := os.Stat(filepath.Join(copied, s.EnvFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the keys: %v, %v", info, err)
	}
	want := []string{"up", "logs", "ps", "-f compose.yaml -f secrets.yaml up", "stop app backup", "run", "start app backup"}
	for i, line := range strings.Split(strings.TrimSpace(docstest.Read(t, log)), "\n") {
		if i >= len(want) || !strings.HasPrefix(line, "compose "+want[i]) {
			t.Errorf("docker %s", line)
		}
	}
}
