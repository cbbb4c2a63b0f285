package reports

import (
	"bytes"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// hostile are values that a text format must not stumble over.
var hostile = []string{"app.db", "a b", `back\slash`, `\n`, "new\nline", `a "quoted" name`, `{x="y"} 1`, `ends in \`, "über/ü,=}", "# HELP", ""}

// hostileFamilies have labels and a help of such values.
func hostileFamilies() map[string]*family {
	all := map[string]*family{}
	for i, value := range []float64{0, 1, -1, 0.1, 1767225600.123, 1e300, math.Inf(1), math.Inf(-1)} {
		f := &family{name: "lifeboat_test_" + string(rune('a'+i)), help: hostile[i%(len(hostile)-1)]}
		for _, text := range hostile {
			f.gauges = append(f.gauges, gauge{sorted(map[string]string{"database": text}, map[string]string{"class": hostile[i]}), value})
		}
		all[f.name] = f
	}
	all["lifeboat_plain"] = &family{name: "lifeboat_plain", help: "Without labels.", gauges: []gauge{{nil, 5}}}
	return all
}

// written returns families as text.
func written(t *testing.T, families map[string]*family) string {
	t.Helper()
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if err := families[name].write(&b); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// What is written is what Prometheus' own parser reads, and what Prometheus' own writer
// writes, as Lifeboat did itself, is read the same.
func TestText(t *testing.T) {
	families := hostileFamilies()
	text := written(t, families)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	theirs, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got := ofPrometheus(theirs); !reflect.DeepEqual(got, families) {
		t.Errorf("Prometheus reads\n%s\nas\n%s", text, written(t, got))
	}
	var again bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		if _, err := expfmt.MetricFamilyToText(&again, theirs[name]); err != nil {
			t.Fatal(err)
		}
	}
	if again.String() != text {
		t.Errorf("Prometheus writes\n%s\nwant\n%s", again.String(), text)
	}
	parsed, err := parseFamilies(again.String())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(parsed, families) {
		t.Errorf("read\n%s\nwant\n%s", written(t, parsed), text)
	}
}

// Other writers put spaces between labels, which are part of none.
func TestTextWithSpaces(t *testing.T) {
	want, err := parseFamilies("# TYPE lifeboat_x gauge\nlifeboat_x{a=\"x\",b=\" y \"} 1\nlifeboat_x 2\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, labels := range []string{`{a="x", b=" y "}`, `{ a="x" , b=" y ", }`} {
		got, err := parseFamilies("# TYPE lifeboat_x gauge\nlifeboat_x" + labels + " 1\nlifeboat_x{ } 2\n")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: read\n%s\nwant\n%s", err, written(t, got), written(t, want))
		}
	}
}

// ofPrometheus returns Prometheus' families as ours.
func ofPrometheus(theirs map[string]*dto.MetricFamily) map[string]*family {
	all := map[string]*family{}
	for name, f := range theirs {
		ours := &family{name: name, help: f.GetHelp()}
		for _, m := range f.GetMetric() {
			var labels []label
			for _, l := range m.GetLabel() {
				labels = append(labels, label{l.GetName(), l.GetValue()})
			}
			slices.SortFunc(labels, byName)
			ours.gauges = append(ours.gauges, gauge{labels, m.GetGauge().GetValue()})
		}
		all[name] = ours
	}
	return all
}

// A file that is not all metrics of Lifeboat's is not taken for one.
func TestTextOfOthers(t *testing.T) {
	for text, want := range map[string]string{
		"lifeboat_x 1\nnode_load1 0.5\n":            "line 2: metrics of another program: node_load1",
		"# HELP node_load1 Load.\n":                 "line 1: metrics of another program: node_load1",
		"# TYPE lifeboat_x counter\nlifeboat_x 1\n": "line 1: lifeboat_x is no gauge",
		"notes\n":                                                "line 1: not a metric",
		"\n# a comment\n\nlifeboat_x much\n":                     "line 4: not a metric",
		"lifeboat_x\n":                                           "line 1: not a metric",
		"lifeboat_x{database=\"a\n":                              "line 1: not a metric",
		"lifeboat_x{database=\"a\\\"} 1\n":                       "line 1: not a metric",
		"lifeboat_x{database} 1\n":                               "line 1: not a metric",
		"lifeboat_x{database=\"a\" 1\n":                          "line 1: not a metric",
		"lifeboat_x{database=\"a\",} 1\nlifeboat_x{} 2\n# x\n\n": "",
	} {
		_, err := parseFamilies(text)
		if want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A label's value goes into the path of a push as it is, or as base64.
func TestPushPath(t *testing.T) {
	got := pushPath(map[string]string{"database": "app.db", "bucket_url": "s3://b/app", "host": "..", "shard": "0/2", "config": "a b"})
	if want := "/metrics/job/lifeboat/bucket_url@base64/czM6Ly9iL2FwcA/config@base64/YSBi/database/app.db/host@base64/Li4/shard@base64/MC8y"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
