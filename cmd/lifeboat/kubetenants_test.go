package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
)

// TestKubernetesTenants runs the jobs for a volume of databases: in one pod, and in as
// many as the sharded one has, which take each database once.
func TestKubernetesTenants(t *testing.T) {
	store := t.TempDir()
	build := func(dir string) kubeTest {
		k := kubeTest{kubeNode: kubeNode{
			objects: kubetest.Build(t, filepath.Join(manifests, dir)),
			secret:  func(string) (map[string]string, error) { return map[string]string{"AWS_ACCESS_KEY_ID": "x"}, nil },
			volume:  t.TempDir(), temp: t.TempDir(),
		}}
		for _, tenant := range []string{"acme.db", "globex/data", "initech/deep/app.sqlite"} {
			path := filepath.Join(k.volume, tenant)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			sqlite(t, path, "PRAGMA journal_mode=WAL; CREATE TABLE t (x)")
		}
		return k
	}
	// The container, with the configuration where the test can write it.
	container := func(k kubeTest, job string, more ...kubetest.Variable) kubetest.Container {
		c := k.container(t, job)
		c.Env = append(c.Env, kubetest.Variable{Name: "BUCKET_URL", Value: "file://" + store})
		c.Env = append(c.Env, more...)
		for i, v := range c.Env {
			if v.Name == "LIFEBOAT_CONFIG" {
				c.Env[i].Value = k.write(t, filepath.Base(v.Value))
			}
		}
		return c
	}
	k := build("tenants")
	k.run(t, container(k, "backup"), 0, "globex/data: uploaded: ", " of globex/data, ", "3 databases: 3 uploaded, 0 unchanged")
	k.run(t, container(k, "status"), 0, "initech/deep/app.sqlite")
	checkCacheOfVolume(t, k.volume)
	k.run(t, container(k, "backup"), 0, "3 databases: 0 uploaded, 3 unchanged")

	k, store = build("shards"), t.TempDir()
	for pod := range 4 {
		k.run(t, container(k, "backup", kubetest.Variable{Name: "JOB_COMPLETION_INDEX", Value: strconv.Itoa(pod)}), 0)
	}
	for _, tenant := range []string{"acme.db", "globex/data", "initech/deep/app.sqlite"} {
		if found, err := filepath.Glob(filepath.Join(store, tenant, "*.db.zst")); err != nil || len(found) != 1 {
			t.Errorf("%s has %d snapshots: %v", tenant, len(found), err)
		}
	}
}

// write writes the configuration that the manifests have for the pods, and returns where.
func (k kubeTest) write(t *testing.T, name string) string {
	t.Helper()
	for _, o := range k.objects {
		if o.Kind == "ConfigMap" && o.Metadata.Name == "lifeboat-databases" {
			var m struct{ Data map[string]string }
			o.As(t, &m)
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, []byte(strings.ReplaceAll(m.Data[name], "/data", k.volume)), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
	}
	t.Fatal("no configuration")
	return ""
}
