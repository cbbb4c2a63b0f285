package databases

import (
	"errors"
	"testing"
)

func TestExpandTemplate(t *testing.T) {
	names := templateNames{host: "web1", name: "a%b?.db", dir: "acme"}
	for template, want := range map[string]string{
		"s3://b/{host}/{dir}":      "s3://b/web1/acme",
		"s3://b/{dir}-{dir}":       "s3://b/acme-acme",
		"s3://b/{name}":            "s3://b/a%b?.db",
		"file:///nas/{name}":       "file:///nas/a%25b%3F.db",
		"file:///nas/%20/{host}":   "file:///nas/%20/web1",
		"s3://b/{hots}":            "",
		"s3://b/{}":                "",
		"s3://b/{host":             "",
		"s3://b/host}":             "",
		"s3://b/{{host}}":          "",
		"s3://b/no name in it/app": "s3://b/no name in it/app",
	} {
		if got, err := expandTemplate(template, names); (want == "") != (err != nil) || err == nil && got != want {
			t.Errorf("%q: got %q, %v", template, got, err)
		}
	}
	if got, err := expandTemplate("s3://b/{name}", templateNames{name: "a/b"}); err == nil {
		t.Errorf("a name with a slash: %q", got)
	}
}

func TestHostName(t *testing.T) {
	for _, c := range []struct {
		chosen    string
		container bool
		machine   string
		want      string
	}{
		{"web1", false, "db7", "web1"},
		{"web1", true, "app-7d9f-x2x4k", "web1"},
		{"", false, "db7", "db7"},
		{"", true, "app-7d9f-x2x4k", ""},
		{"", false, "localhost.localdomain", ""},
		{"", false, "", ""},
		{"a/b", false, "db7", ""},
	} {
		got, err := hostName(c.chosen, c.container, func() (string, error) { return c.machine, nil })
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%+v: got %q, %v", c, got, err)
		}
	}
	if _, err := hostName("", false, func() (string, error) { return "x", errors.New("no") }); err == nil {
		t.Error("an error of the machine is passed over")
	}
}
