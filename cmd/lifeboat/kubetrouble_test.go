package main

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// A trouble is what somebody got wrong, and what the table in deploy/README.md
// says that he sees of it.
type trouble struct {
	exit   int
	phrase string
	job    string // backup, unless it says restore
	make   func(t *testing.T, k *kubeTest, c *kubetest.Container)
}

var troubles = []trouble{
	{4, "no such file or directory", "", having("DATABASE", "/data/other.db")},
	{4, "permission denied", "", func(t *testing.T, k *kubeTest, _ *kubetest.Container) {
		k.as = 1234
		chmod(t, k.db, 0o600)
	}},
	{4, "its directory is not writable", "", func(t *testing.T, k *kubeTest, _ *kubetest.Container) {
		k.as = 1234
		chmod(t, k.volume, 0o755)
	}},
	{5, "connection refused", "", refusing},
	{8, "in the temp directory /tmp, which has", "", func(t *testing.T, k *kubeTest, _ *kubetest.Container) {
		mount(t, k.temp, "size=1m")
		sqlite(t, k.db, "CREATE TABLE large (x); INSERT INTO large VALUES (randomblob(2000000))")
	}},
	{8, "no space left on device", "", func(t *testing.T, k *kubeTest, _ *kubetest.Container) { fill(t, k.small(t)) }},
	{8, "the restore needs", "restore", func(t *testing.T, k *kubeTest, _ *kubetest.Container) { fill(t, k.small(t)) }},
	{8, "is open in", "restore", func(t *testing.T, k *kubeTest, _ *kubetest.Container) {
		db, err := sql.Open("sqlite3", k.db)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if err := db.Ping(); err != nil {
			t.Fatal(err)
		}
	}},
	{8, "belongs to user", "restore", func(_ *testing.T, k *kubeTest, _ *kubetest.Container) { k.as = 1234 }},
	{11, "no AWS credentials found", "", func(_ *testing.T, k *kubeTest, _ *kubetest.Container) {
		k.secret = func(string) (map[string]string, error) { return map[string]string{}, nil }
	}},
	{11, "access denied", "restore", func(_ *testing.T, _ *kubeTest, c *kubetest.Container) {
		c.EnvFrom[1].SecretRef.Name = "lifeboat-backup"
	}},
	{64, "belongs to another database", "", having("LIFEBOAT_NAME", "shop/data/app.db")},
}

func having(name, value string) func(*testing.T, *kubeTest, *kubetest.Container) {
	return func(_ *testing.T, _ *kubeTest, c *kubetest.Container) {
		c.Env = append(c.Env, kubetest.Variable{Name: name, Value: value})
	}
}

func refusing(t *testing.T, k *kubeTest, c *kubetest.Container) {
	having("LIFEBOAT_RETRY_FOR", "1s")(t, k, c)
	having("AWS_ENDPOINT_URL_S3", refusingEndpoint)(t, k, c)
}

// small puts the database on a small disk of its own, and returns the disk.
func (k *kubeTest) small(t *testing.T) string {
	t.Helper()
	disk := t.TempDir()
	mount(t, disk, "size=1m")
	text, err := os.ReadFile(k.db)
	if err != nil {
		t.Fatal(err)
	}
	k.volume, k.db = disk, filepath.Join(disk, "app.db")
	if err := os.WriteFile(k.db, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return disk
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// testKubernetesTrouble makes every trouble, and compares what is to be seen of
// it with the table.
func testKubernetesTrouble(t *testing.T, server *testserver.Server) {
	server.Setenv(t)
	bucket := server.Bucket(t)
	secrets := map[string]map[string]string{"lifeboat-backup": kubeRole(t, server, bucket, "backup"), "lifeboat-restore": kubeRole(t, server, bucket, "restore")}
	lines := []string{"s3://my-bucket/app", "s3://" + bucket + "/app", "http://minio.minio.svc:9000", server.Endpoint}
	first := newKubeTest(t, "minio", secrets, lines...)
	first.run(t, first.container(t, "backup"), 0, "uploaded: ")
	table := troublesInTable(t)
	for _, wrong := range troubles {
		row := fmt.Sprintf("exit %d, `%s`", wrong.exit, wrong.phrase)
		if !table[row] {
			t.Errorf("not in the table: %s", row)
		}
		delete(table, row)
		t.Run(wrong.phrase, func(t *testing.T) {
			k := first
			k.volume, k.temp = t.TempDir(), t.TempDir()
			k.db = filepath.Join(k.volume, "app.db")
			sqlite(t, k.db, "PRAGMA journal_mode=WAL; CREATE TABLE account (id INTEGER PRIMARY KEY, balance);")
			chmod(t, k.volume, 0o777)
			c := k.container(t, "backup")
			if wrong.job != "" {
				c = k.container(t, wrong.job)
			}
			wrong.make(t, &k, &c)
			phrase := strings.ReplaceAll(wrong.phrase, "/tmp", k.temp)
			k.run(t, c, wrong.exit, phrase)
		})
	}
	for row := range table {
		t.Errorf("in the table, but not tried: %s", row)
	}
}

// troublesInTable returns what the table says of jobs that run, each phrase
// with its exit code.
func troublesInTable(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "deploy", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (exit \d+), (.*?) \|`).FindAllStringSubmatch(string(text), -1) {
		for _, phrase := range regexp.MustCompile("`[^`]+`").FindAllString(row[2], -1) {
			found[row[1]+", "+phrase] = true
		}
	}
	return found
}

// asUser has a command run as somebody else, who then may look into the
// directories of this test and run its programs.
func asUser(t *testing.T, command *exec.Cmd, id uint32, dirs ...string) {
	t.Helper()
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	for _, dir := range append(dirs, filepath.Dir(command.Path)) {
		for dir = filepath.Dir(dir); len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
			chmod(t, dir, 0o755)
		}
	}
}

// testKubernetesTwice runs the same backup twice at the same time, as two
// CronJobs would, or a Job that Kubernetes started twice.
func testKubernetesTwice(t *testing.T, server *testserver.Server) {
	server.Setenv(t)
	bucket := server.Bucket(t)
	k := newKubeTest(t, "minio", map[string]map[string]string{"lifeboat-backup": kubeRole(t, server, bucket, "backup")},
		"s3://my-bucket/app", "s3://"+bucket+"/app", "http://minio.minio.svc:9000", server.Endpoint)
	var running []*exec.Cmd
	for range 2 {
		command, err := k.command("app", k.container(t, "backup"))
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		running = append(running, command)
	}
	for _, command := range running {
		if err := command.Wait(); err != nil {
			t.Error(err)
		}
	}
	checkEmpty(t, k.temp)
	k.run(t, k.container(t, "backup"), 0, "unchanged: ")
}
