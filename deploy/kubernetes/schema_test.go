package kubernetes_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
)

// TestSchemas validates everything that an overlay or an example renders to,
// and sees that the validation refuses what a real server would.
func TestSchemas(t *testing.T) {
	v := kubetest.NewValidator(t)
	for dir, objects := range all(t) {
		for _, o := range objects {
			if err := v.Validate(t, o); err != nil {
				t.Errorf("%s: %s %s: %v", dir, o.Kind, o.Metadata.Name, err)
			}
		}
	}
	good, err := os.ReadFile(filepath.Join("testdata", "cronjob.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct{ from, to string }{
		{"", ""},
		{"schedule:", "schedules:"},
		{"backoffLimit: 3", "backoffLimit: three"},
		{"restartPolicy: Never", "restartpolicy: Never"},
		{"{drop: [ALL]}", "{drop: ALL}"},
		{"    - action: FailJob", "    - aktion: FailJob"},
		{"cpu: 100m", "cpu: [100m]"},
		{"runAsUser: 1000", `runAsUser: "1000"`},
	} {
		text := strings.Replace(string(good), bad.from, bad.to, 1)
		objects, err := kubetest.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		err = v.Validate(t, objects[0])
		if refused, want := err != nil, bad.from != ""; refused != want || (want && text == string(good)) {
			t.Errorf("%q for %q: %v", bad.to, bad.from, err)
		}
	}
}
