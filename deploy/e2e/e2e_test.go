//go:build e2e

// Package e2e_test proves deploy/kubernetes on the cluster that kubectl leads
// to, with kubectl, as a user has it. See README.md.
package e2e_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"

	"github.com/lifeboat-sqlite/lifeboat/upload/series"
)

// label is on everything that a run makes outside of its namespaces, and on
// these.
const label = "lifeboat-e2e"

// runName begins their names.
var runName = fmt.Sprintf("%s-%s", label, strings.ToLower(rand.Text()[:5]))

func TestKubernetes(t *testing.T) {
	for _, name := range []string{"IMAGE", "E2E_IMAGE", "LIFEBOAT"} {
		if os.Getenv(name) == "" {
			t.Fatalf("%s is not set: make e2e does", name)
		}
	}
	s, v := newStore(t, "store"), newVolumes(t)
	for name, test := range map[string]func(t *testing.T, a *app){
		"worst-day": testWorstDay,
		"schedule":  testSchedule,
		"trouble":   testTrouble,
		"drain":     testDrain,
		"copy":      testCopy,
		"report":    testReport,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newApp(t, s, v, name))
		})
	}
	t.Run("chart", func(t *testing.T) {
		t.Parallel()
		testChart(t, newEmptyApp(t, s, v, "chart"))
	})
}

// goesOn waits until the application has written a row to a database that is
// right from the first to the last.
func (a *app) goesOn(t *testing.T) {
	t.Helper()
	first := a.state(t).rows
	eventually(t, 20*time.Second, "another row", func() (string, bool) {
		now := a.state(t).rows
		return fmt.Sprint(now), now > first
	})
}

// hasOneSnapshot looks for one snapshot in a series, and what its tags say, and
// returns its ID.
func (a *app) hasOneSnapshot(t *testing.T, prefix string) (id string) {
	t.Helper()
	found := a.snapshots(t, prefix)
	if len(found) != 1 {
		t.Fatalf("in the bucket: %v, want one snapshot", found)
	}
	database, err := series.EncodeTag(string(a.namespace) + "/data/app.db")
	if err != nil {
		t.Fatal(err)
	}
	for key, tags := range found {
		name, named := series.ParseName(strings.TrimPrefix(key, prefix+"/"))
		id = string(name.ID)
		if !named || !series.IsHeld(tags[series.TagRetention]) || tags[series.TagDatabase] != database {
			t.Errorf("in the bucket: %s with the tags %v", key, tags)
		}
	}
	return id
}

// runOtherJobs runs the job of each CronJob once, but for those of the backup
// and the restore. What releases or looks comes behind what uploads.
func (a *app) runOtherJobs(t *testing.T) {
	t.Helper()
	a.start(t, "lifeboat-compact", "compact")
	a.completes(t, "compact")
	a.hasOneSnapshot(t, prefix+"-compact")
	var names []string
	for name := range strings.FieldsSeq(a.kubectl(t, "get", "cronjobs", "--output=name")) {
		name = strings.TrimPrefix(name, "cronjob.batch/lifeboat-")
		if name != "backup" && name != "restore" && name != "compact" {
			a.start(t, "lifeboat-"+name, name)
			names = append(names, name)
		}
	}
	for _, name := range names {
		t.Logf("%s: %s", name, a.completes(t, name))
	}
}

// testDrain ends pods in the middle of their work.
func testDrain(t *testing.T, a *app) {
	a.exec(t, "fill", database, "24")
	slowly := with("AWS_ENDPOINT_URL_S3", a.store.endpoint(slowPort))
	rate := toxiproxy.Attributes{"rate": 500} // KB/s for each connection

	// The node is drained, as far as this pod is concerned.
	quick := a.store.toxic(t, "slow", "bandwidth", "upstream", rate)
	a.start(t, "lifeboat-backup", "backup", slowly)
	eventually(t, time.Minute, "an upload in parts", func() (string, bool) {
		files := a.store.unfinished(t)
		return files, files != ""
	})
	a.terminated(t, "backup", a.evict)
	if files := a.store.unfinished(t); files != "" {
		t.Errorf("left in the bucket:\n%s", files)
	}
	if found := a.snapshots(t, prefix); len(found) > 0 {
		t.Errorf("in the bucket: %v", found)
	}
	a.hasOnly(t, database, database+"-wal", database+"-shm")
	// The disruption is not counted, and another pod does the work.
	quick()
	a.completes(t, "backup")
	if failed := a.job(t, "backup").Status.Failed; failed != 0 {
		t.Errorf("%d failed pods are counted", failed)
	}
	a.hasOneSnapshot(t, prefix)

	// Somebody deletes the pod of a restore.
	quick = a.store.toxic(t, "slow", "bandwidth", "downstream", rate)
	a.start(t, "lifeboat-restore", "restore", slowly, with("DATABASE", "/data/new.db"))
	eventually(t, time.Minute, "a temp file of the restore", func() (string, bool) {
		files := a.exec(t, "files", filepath.Dir(database))
		return files, strings.Contains(files, "new.db")
	})
	a.terminated(t, "restore", func(t *testing.T, pod string) { a.kubectl(t, "delete", "pod", pod, "--wait=false") })
	quick()
	a.completes(t, "restore")
	a.hasOnly(t, database, database+"-wal", database+"-shm", filepath.Dir(database)+"/new.db")
}

// terminated ends the pod of a job, and looks that it ends as it should.
func (a *app) terminated(t *testing.T, job string, end func(t *testing.T, pod string)) {
	t.Helper()
	var pods []pod
	// A container works before the kubelet has reported that it runs.
	eventually(t, time.Minute, "one pod of "+job+" that runs", func() (string, bool) {
		pods = a.podsOf(t, job)
		return fmt.Sprint(pods), len(pods) == 1 && pods[0].Status.Phase == "Running"
	})
	last := a.watch(t, pods[0].Metadata.Name)
	end(t, pods[0].Metadata.Name)
	if gone := <-last; gone.exit() != 143 {
		t.Errorf("the pod of %s: %v, want 143", job, gone)
	}
}

// evict asks for the eviction of a pod, as kubectl drain does.
func (n namespace) evict(t *testing.T, pod string) {
	t.Helper()
	kubectl(t, `{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "`+pod+`", "namespace": "`+string(n)+`"}}`,
		"create", "--raw=/api/v1/namespaces/"+string(n)+"/pods/"+pod+"/eviction", "--filename=-")
}

// hasOnly fails if anything but these files and the cache is on the application's volume.
func (a *app) hasOnly(t *testing.T, files ...string) {
	t.Helper()
	dir := filepath.Dir(database)
	for file := range strings.FieldsSeq(a.exec(t, "files", dir)) {
		if !slices.Contains(files, file) && !strings.HasPrefix(file, filepath.Join(dir, ".lifeboat")+"/") {
			t.Errorf("left on the volume: %s", file)
		}
	}
}

// testSchedule has the CronJob start its jobs itself, every minute, and looks
// that a second one is not started while the first one runs.
func testSchedule(t *testing.T, a *app) {
	a.exec(t, "fill", database, "24")
	// A minute is the shortest schedule. The copy takes almost three.
	a.kubectl(t, "patch", "cronjob/lifeboat-backup", "--type=json", `--patch=[
		{"op": "replace", "path": "/spec/schedule", "value": "* * * * *"},
		{"op": "add", "path": "/spec/jobTemplate/spec/template/spec/containers/0/env/-", "value": {"name": "LIFEBOAT_MAX_RATE", "value": "150KiB"}}]`)
	eventually(t, 150*time.Second, "a job that was not started", func() (string, bool) {
		events := a.kubectl(t, "get", "events", "--field-selector=involvedObject.kind=CronJob")
		return events, strings.Contains(events, "JobAlreadyActive")
	})
	if pods := a.pods(t, "app.kubernetes.io/name=lifeboat"); len(pods) != 1 || pods[0].Status.Phase != "Running" {
		t.Errorf("pods: %v, want one that runs", pods)
	}
	a.kubectl(t, "patch", "cronjob/lifeboat-backup", `--patch={"spec": {"suspend": true}}`)
}
