package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/worker"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// TestMain puts the program itself, built with the tests, on the PATH, and
// beside it a stand-in for what the documents use of the AWS tool.
func TestMain(m *testing.M) {
	if worker.Asked() { // by a test that calls a command itself
		os.Exit(worker.Main())
	}
	// Under the race detector every program sleeps for a second before it ends,
	// unless it is told not to.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	impatient := func() {
		settle = 100 * time.Millisecond
		if dir := os.Getenv("TEST_ETC"); dir != "" {
			systemConfig = dir
		}
		main()
	}
	programs := map[string]func(){"lifeboat": impatient, "aws": aws, "kubectl": kubectl}
	if programs[filepath.Base(os.Args[0])] == nil {
		// Outside the scripts there is no cache, unless a test asks for one.
		os.Setenv("LIFEBOAT_CACHE_DIR", filepath.Join(os.DevNull, "none"))
		needs.Root()
		hangUps()
	}
	testscript.Main(m, programs)
}

// hangUps lets a hang-up end the programs that tests start, also where nohup has
// started the tests: a signal that is handled here is not ignored there.
func hangUps() {
	if signal.Ignored(unix.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
	}
}

// TestProgram runs the scripts in testdata and the documents' commands against
// a real MinIO.
func TestProgram(t *testing.T) {
	server, secure := testserver.Start(t), testserver.StartTLS(t)
	endpoints := map[string]string{
		"REFUSING": refusingEndpoint,
		"SILENT":   silentEndpoint(t),
		// The server still takes signatures that are 10 minutes off.
		"AHEAD10": proxy(t, server.Endpoint, clockAhead(10*time.Minute)),
		"AHEAD20": proxy(t, server.Endpoint, clockAhead(20*time.Minute)),
	}
	commands := map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits, "unprivileged": unprivileged, "objects": objects, "clean": clean,
		"overwrite": overwrite, "cut": cut, "lock": lock,
	}
	maps.Copy(commands, retentionCommands)
	maps.Copy(commands, doctorCommands)
	iam, err := filepath.Abs(filepath.Join("..", "..", "deploy", "iam"))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                 "testdata",
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
			Setup: func(env *testscript.Env) error {
				needs.OneHour(env.T().(testing.TB))
				for name, value := range server.Environment() {
					env.Setenv(name, value)
				}
				env.Setenv("GORACE", os.Getenv("GORACE"))
				for name, value := range endpoints {
					env.Setenv(name, value)
				}
				env.Setenv("S3", "s3://"+server.Bucket(env.T().(testing.TB))+"/app")
				for name, value := range secure.Environment() {
					env.Setenv("TLS_"+name, value)
				}
				env.Setenv("TLS_S3", "s3://"+secure.Bucket(env.T().(testing.TB))+"/app")
				env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, ".cache"))
				env.Setenv("DIR", "file://"+env.WorkDir+"/bucket")
				env.Setenv("IAM", iam)
				env.Values[serverKey{}], env.Values[testKey{}] = server, env.T()
				env.Values[clientKey{}] = server.Client(env.T().(testing.TB))
				return nil
			},
			Cmds: commands,
		})
	})
	t.Run("terminated", func(t *testing.T) { testTerminated(t, server) })
	t.Run("many", func(t *testing.T) { testMany(t, server) })
	t.Run("three commands", func(t *testing.T) { testThree(t, server) })
	t.Run("doctor terminated", func(t *testing.T) { testDoctorTerminated(t, server) })
	t.Run("readme", func(t *testing.T) {
		testDocument(t, server, filepath.Join("..", "..", "README.md"), tenants)
	})
	t.Run("pages", func(t *testing.T) { testPages(t, server) })
	t.Run("kubernetes", func(t *testing.T) { testKubernetesMinIO(t, server) })
	t.Run("deploy in kubernetes", func(t *testing.T) { testDeployKubernetes(t, server) })
	t.Run("kubernetes trouble", func(t *testing.T) { testKubernetesTrouble(t, server) })
	t.Run("kubernetes twice", func(t *testing.T) { testKubernetesTwice(t, server) })
	t.Run("kubernetes report", func(t *testing.T) { testKubernetesReport(t, server) })
	t.Run("kubernetes start", func(t *testing.T) { testKubernetesStart(t, server) })
	t.Run("runbook in kubernetes", func(t *testing.T) { testRunbookKubernetes(t, server) })
	t.Run("runbook", func(t *testing.T) { testRunbook(t, server) })
	t.Run("monitoring", func(t *testing.T) { testMonitoring(t, server) })
	t.Run("terminal", func(t *testing.T) { testFitsS3(t, server) })
	t.Run("demo", testDemo)
}

type clientKey struct{}

// exits CODE PROGRAM ARG... runs a program that must exit with this code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARG...")
	}
	checkExit(ts, args[0], ts.Exec(args[1], args[2:]...))
}

// unprivileged is exits without root's right to read every file.
func unprivileged(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: unprivileged CODE PROGRAM ARG...")
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its lost rights
		for _, right := range []uintptr{unix.CAP_DAC_OVERRIDE, unix.CAP_DAC_READ_SEARCH} {
			// Fails for a user who never had them.
			_ = unix.Prctl(unix.PR_CAPBSET_DROP, right, 0, 0, 0)
		}
		result <- ts.Exec(args[1], args[2:]...)
	}()
	checkExit(ts, args[0], <-result)
}

func checkExit(ts *testscript.TestScript, want string, err error) {
	got := 0
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		got = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != want {
		ts.Fatalf("exit %d, want %s", got, want)
	}
}

// objects N counts all objects of the script's bucket, and looks for uploads
// that were begun and never ended.
func objects(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: objects N")
	}
	client, u := scriptBucket(ts)
	found, err := client.Objects(context.Background(), u.Bucket, "")
	ts.Check(err)
	if got := strconv.Itoa(len(found)); got != args[0] {
		ts.Fatalf("%s objects, want %s", got, args[0])
	}
}

// clean fails if anything is left in the temp directory.
func clean(ts *testscript.TestScript, neg bool, args []string) {
	left, err := os.ReadDir(ts.Getenv("TMPDIR"))
	ts.Check(err)
	if neg || len(args) != 0 || len(left) != 0 {
		ts.Fatalf("left in the temp directory: %v", left)
	}
}

// overwrite FILE OFFSET LENGTH writes rubbish over a part of a file.
func overwrite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: overwrite FILE OFFSET LENGTH")
	}
	offset, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	length, err := strconv.Atoi(args[2])
	ts.Check(err)
	names, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(names) != 1 {
		ts.Fatalf("%s: %d files", args[0], len(names))
	}
	f, err := os.OpenFile(names[0], os.O_WRONLY, 0)
	ts.Check(err)
	_, err = f.WriteAt([]byte(strings.Repeat("\xa5", length)), offset)
	ts.Check(errors.Join(err, f.Close()))
}

// cut FILE SIZE truncates a file, or makes it longer with a hole.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut FILE SIZE")
	}
	size, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), size))
}

// lock DB holds an exclusive lock until the script ends.
func lock(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lock DB")
	}
	db, err := sql.Open("sqlite3", fmt.Sprintf("file:%s?_txlock=exclusive", ts.MkAbs(args[0])))
	ts.Check(err)
	tx, err := db.Begin()
	ts.Check(err)
	ts.Defer(func() {
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			ts.Logf("unlock: %v", err)
		}
	})
}
