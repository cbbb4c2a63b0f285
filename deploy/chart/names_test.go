package chart_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/kubernetes/kubetest"
)

// allJobs are the values that switch on every job.
const allJobs = "compact.enabled=true,release.enabled=true,prune.enabled=true,report.enabled=true,drill.existingSecret=drill,copy.enabled=true,copy.url=s3://second-bucket/app"

// aliased renders, in the namespace prod, a release of a chart that has this one once for
// each alias, and returns also its objects. The alias "" is the chart without one.
func aliased(t *testing.T, release string, aliases ...string) (string, []kubetest.Object) {
	t.Helper()
	text, err := renderAliased(t, release, aliases...)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := kubetest.Parse([]byte(text))
	if err != nil || len(objects) == 0 {
		t.Fatal(objects, err)
	}
	return text, objects
}

func renderAliased(t *testing.T, release string, aliases ...string) (string, error) {
	t.Helper()
	parent := t.TempDir()
	if err := os.CopyFS(filepath.Join(parent, "charts", "lifeboat"), os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	chart := "apiVersion: v2\nname: parent\nversion: 1.0.0\ndependencies:\n"
	options := []string{"template", release, parent, "--namespace=prod", "--kube-version=1.31"}
	for _, alias := range aliases {
		chart += "  - {name: lifeboat, version: 0.0.0"
		if alias != "" {
			chart += ", alias: " + alias
		} else {
			alias = "lifeboat"
		}
		chart += "}\n"
		for _, value := range strings.Split("claim=data,s3.bucket=my-bucket,s3.existingSecret=keys,"+allJobs, ",") {
			options = append(options, "--set="+alias+"."+value)
		}
	}
	if err := os.WriteFile(filepath.Join(parent, "Chart.yaml"), []byte(chart), 0o600); err != nil {
		t.Fatal(err)
	}
	return kubetest.HelmTried(t, options...)
}

// alertExpressions returns what the alerts on CronJobs match names with.
func alertExpressions(t *testing.T) []*regexp.Regexp {
	t.Helper()
	text, err := os.ReadFile("../monitoring/cronjobs/prometheusrule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var expressions []*regexp.Regexp
	for _, found := range regexp.MustCompile(`kube_cronjob_(?:created|spec_suspend|status_last_successful_time)\{cronjob=~"([^"]+)"\}`).FindAllStringSubmatch(string(text), -1) {
		expressions = append(expressions, regexp.MustCompile("^(?:"+found[1]+")$"))
	}
	if len(expressions) != 7 {
		t.Fatalf("%d expressions in the alerts", len(expressions))
	}
	return expressions
}

// checkNames checks that Kubernetes takes the names, and that each CronJob has the alerts
// that it has in the release lifeboat: restore none, all others at least one on its age.
func checkNames(t *testing.T, objects []kubetest.Object) {
	t.Helper()
	comparable(t, objects) // none is there twice
	label := regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	job := regexp.MustCompile(`-((backup|restore|verify|compact|report|copy)|(status|release|prune)(-compact)?)$`)
	expressions := alertExpressions(t)
	jobs := 0
	for _, o := range objects {
		name := o.Metadata.Name
		if !label.MatchString(name) || len(name) > 52 {
			t.Errorf("%s: Kubernetes refuses the name %s", o.Kind, name)
		}
		if o.Kind != "CronJob" {
			continue
		}
		jobs++
		usual, alerts := "lifeboat"+job.FindString(name), 0
		for _, e := range expressions {
			if e.MatchString(name) != e.MatchString(usual) {
				t.Errorf("%s: an alert has %s, and not both: %s", name, usual, e)
			}
			if e.MatchString(name) {
				alerts++
			}
		}
		if want := !strings.HasSuffix(name, "-restore"); (alerts >= 2) != want {
			t.Errorf("%s is in %d alerts", name, alerts)
		}
	}
	if jobs == 0 || jobs%12 != 0 {
		t.Errorf("%d CronJobs", jobs)
	}
}

// Several databases of one application are several of its charts, by an alias each. Nothing
// of the one is the other's, whatever the release is called.
func TestAliases(t *testing.T) {
	for _, c := range []struct {
		release string
		aliases []string
		names   []string
		series  []string
	}{
		{"shop", []string{"users", "orders"}, []string{"shop-users-lifeboat", "shop-orders-lifeboat"}, []string{"shop-users", "shop-orders"}},
		{"webapp", []string{"web", "app"}, []string{"webapp-web-lifeboat", "webapp-app-lifeboat"}, []string{"webapp-web", "webapp-app"}},
		{"users", []string{"users", ""}, []string{"users-users-lifeboat", "users-lifeboat"}, []string{"users-users", "users"}},
		{"shop", []string{"usersDb", "old_users"}, []string{"shop-usersdb-lifeboat", "shop-old-users-lifeboat"}, []string{"shop-usersDb", "shop-old_users"}},
		{"lifeboat", []string{"users", "users-lifeboat", ""}, []string{"lifeboat-users-lifeboat", "lifeboat-users-lifeboat-lifeboat", "lifeboat"}, []string{"lifeboat-users", "lifeboat-users-lifeboat", "lifeboat"}},
		{"lifeboat-prod", []string{""}, []string{"lifeboat-prod-lifeboat"}, []string{"lifeboat-prod"}},
		{"a.b", []string{""}, []string{"a-b-lifeboat"}, []string{"a.b"}},
	} {
		text, objects := aliased(t, c.release, c.aliases...)
		checkNames(t, objects)
		for i, name := range c.names {
			for _, want := range []string{"name: " + name + "-backup\n", `BUCKET_URL: "s3://my-bucket/prod/` + c.series[i] + "\"\n"} {
				if !strings.Contains(text, want) {
					t.Errorf("%s %q: no %s", c.release, c.aliases, want)
				}
			}
		}
	}
}

// A default prefix is not that of the compact series of another alias.
func TestAliasCompact(t *testing.T) {
	if _, err := renderAliased(t, "shop", "", "compact"); err == nil || !strings.Contains(err.Error(), "shop-compact can be the compact series of shop") {
		t.Errorf("%v", err)
	}
}

// Releases and aliases with long names that begin alike have names apart, and fit.
func TestLongNames(t *testing.T) {
	const long = "my-application-in-production-europe-west-"
	var all []kubetest.Object
	for _, release := range []string{long + "1", long + "2", long + "3-lifeboat", "my.application.in-production.europe-west"} {
		_, objects := aliased(t, release, "", "users-of-the-application", "users-of-the-applications", "usersOfTheApplication")
		all = append(all, objects...)
	}
	all = append(all, kubetest.Helm(t, ".", "--values=ci/three-values.yaml", "--set="+allJobs, "--set=fullnameOverride="+long+"other")...)
	checkNames(t, all)
}
