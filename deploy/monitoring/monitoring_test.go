// Package monitoring_test proves the alerts and the dashboard.
package monitoring_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// promtool runs Prometheus' own checks.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(testserver.Promtool(t), args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// Alerts fire when they should, and not when they should not. The rules are
// taken out of the PrometheusRule as users without the operator do it.
func TestAlerts(t *testing.T) {
	needs.Time(t)
	for _, dir := range []string{".", "cronjobs"} {
		t.Run(dir, func(t *testing.T) {
			t.Parallel()
			work := t.TempDir()
			manifest, err := os.ReadFile(filepath.Join(dir, "prometheusrule.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			_, spec, _ := strings.Cut(string(manifest), "\nspec:\n")
			tests, err := os.ReadFile(filepath.Join(dir, "rules_test.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string]string{"rules.yaml": strings.ReplaceAll("\n"+spec, "\n  ", "\n"), "rules_test.yaml": string(tests)} {
				if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			promtool(t, "check", "rules", filepath.Join(work, "rules.yaml"))
			promtool(t, "test", "rules", filepath.Join(work, "rules_test.yaml"))
			checkRules(t, dir, string(tests))
		})
	}
}

// checkRules looks at the PrometheusRule as kustomize gives it to a cluster:
// every alert is one that the tests see firing, and says how bad it is and
// what to do.
func checkRules(t *testing.T, dir, tests string) {
	var rules struct {
		Spec struct {
			Groups []struct {
				Rules []struct {
					Alert               string
					Labels, Annotations map[string]string
				}
			}
		}
	}
	alerts := 0
	for _, o := range kubetest.Build(t, dir) {
		if o.Kind != "PrometheusRule" {
			continue
		}
		text, err := json.Marshal(o.Raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &rules); err != nil {
			t.Fatal(err)
		}
		for _, group := range rules.Spec.Groups {
			for _, r := range group.Rules {
				alerts++
				if s := r.Labels["severity"]; s != "critical" && s != "warning" {
					t.Errorf("%s has the severity %q", r.Alert, s)
				}
				if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
					t.Errorf("%s does not say what to do: %v", r.Alert, r.Annotations)
				}
				if !strings.Contains(tests, `alertname="`+r.Alert+`"`) {
					t.Errorf("%s is not tested", r.Alert)
				}
			}
		}
	}
	if alerts == 0 {
		t.Error("no alerts")
	}
}

// A dashboard is what the test looks at of Grafana's.
type dashboard struct {
	Templating struct {
		List []struct {
			Name, Type, Definition string
		}
	}
	Panels []struct {
		ID         int
		Title      string
		Datasource struct{ UID string }
		GridPos    struct{ X, Y, W, H int }
		Targets    []struct{ Expr string }
	}
}

// TestDashboard checks that Prometheus understands every expression, and that
// no panel lies over another.
func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, v := range d.Templating.List {
		known = append(known, v.Name, v.Type)
	}
	if want := []string{"datasource", "datasource", "database", "query", "bucket_url", "query"}; !slices.Equal(known, want) {
		t.Errorf("variables %v, want %v", known, want)
	}
	variables := strings.NewReplacer("$database", ".*", "$bucket_url", ".*")
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %d, %q, of %s with %d targets", p.ID, p.Title, p.Datasource.UID, len(p.Targets))
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				cell := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if cells[cell] != "" || cell[0] >= 24 {
					t.Fatalf("%q lies over %q, or over the edge", p.Title, cells[cell])
				}
				cells[cell] = p.Title
			}
		}
		for _, target := range p.Targets {
			expr := variables.Replace(target.Expr)
			if strings.Contains(expr, "$") || !strings.Contains(target.Expr, "$bucket_url") {
				t.Errorf("%q: %s", p.Title, target.Expr)
			}
			rules = append(rules, rule{fmt.Sprintf("panel:%d:%d", p.ID, len(rules)), expr})
		}
	}
	group := map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}}
	file, err := json.Marshal(group) // which is YAML, too
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
}
