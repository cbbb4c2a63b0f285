package databases

import (
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

func setting(text string) Setting { return Setting{Line: 1, Values: []string{text}} }

// Which database a series was of, by the entry's pattern and template alone.
func TestOrigin(t *testing.T) {
	for name, c := range map[string]struct {
		path, url, name string // of the entry; a path that ends in a slash is a directory to look through
		root            string // "" for a bucket's own
		flat            bool
		of              map[string]string // path by bucket URL; "no" for none of the entry's, "" for an open one
	}{
		"by name": {"/srv/tenants/*.db", "s3://buck/{host}/tenants/{name}", "", "s3://buck/web1/tenants", true, map[string]string{
			"s3://buck/web1/tenants/acme.db": "/srv/tenants/acme.db", "s3://buck/web1/tenants/a%20b.db": "/srv/tenants/a%20b.db",
			"s3://buck/web1/tenants/acme": "no", "s3://buck/web1/tenants/x/acme.db": "no", "s3://cash/web1/tenants/acme.db": "no", "s3://buck/web2/tenants/acme.db": "no",
			"s3://buck/web1/tenants/acme.db-wal": "no",
		}},
		"by directory": {"/srv/*/data.db", "s3://buck/tenants/{dir}", "", "s3://buck/tenants", true, map[string]string{
			"s3://buck/tenants/acme": "/srv/acme/data.db", "s3://buck/tenants/acme/x": "no", "s3://buck/tenants/a*b": "/srv/a*b/data.db",
		}},
		"by both": {"/srv/*/*.db", "s3://buck/{dir}/{name}", "", "", false, map[string]string{
			"s3://buck/acme/a.db": "/srv/acme/a.db", "s3://buck/acme": "no",
		}},
		"with more around": {"/srv/t-*.db", "s3://buck/x/db-{name}-old", "", "s3://buck/x", true, map[string]string{
			"s3://buck/x/db-t-1.db-old": "/srv/t-1.db", "s3://buck/x/db-1.db-old": "no", "s3://buck/x/t-1.db": "no",
		}},
		"twice": {"/srv/*.db", "s3://buck/{name}/{name}", "", "", false, map[string]string{
			"s3://buck/a.db/a.db": "/srv/a.db", "s3://buck/a.db/b.db": "no",
		}},
		"a directory": {"/srv/*.db", "file:///nas/a%20b/{name}", "", "file:///nas/a b", true, map[string]string{
			"file:///nas/a%20b/c%25d.db": "/srv/c%d.db", "file:///nas/a.db": "no",
		}},
		"deeper": {"/srv/**/*.db", "s3://buck/t/{name}", "", "s3://buck/t", true, map[string]string{
			"s3://buck/t/a.db": "", "s3://buck/t/a.txt": "no",
		}},
		"a name of its own": {"/srv/*/data.db", "s3://buck/{dir}/{name}", "shop", "", false, map[string]string{
			"s3://buck/acme/shop": "/srv/acme/data.db", "s3://buck/acme/data.db": "no",
		}},
		"discovered": {"/srv/", "s3://buck/t/{name}", "", "s3://buck/t", false, map[string]string{
			"s3://buck/t/acme.db": "/srv/acme.db", "s3://buck/t/a/b/c.db": "/srv/a/b/c.db", "s3://buck/x/c.db": "no", "s3://buck/t/c.db-wal": "no",
		}},
		"discovered, with their directory": {"/srv/", "s3://buck/t/{dir}", "", "s3://buck/t", false, map[string]string{"s3://buck/t/a": ""}},
		"literal stars":                    {`/srv/a\*/*.db`, "s3://buck/t/{name}", "", "s3://buck/t", true, map[string]string{"s3://buck/t/x.db": "/srv/a*/x.db"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := Entry{Path: setting(strings.TrimSuffix(c.path, "/")), Discover: strings.HasSuffix(c.path, "/"), URL: setting(c.url), Settings: map[string]Setting{}}
			if c.name != "" {
				e.Settings["name"] = setting(c.name)
			}
			o, ok, err := e.Origin("web1")
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			if c.root != "" && o.Root.String() != c.root || c.root == "" && o.Root.Prefix != "" || o.Flat != c.flat {
				t.Errorf("root %s, flat %v", o.Root, o.Flat)
			}
			for text, want := range c.of {
				u, err := bucket.ParseURL(text)
				if err != nil {
					t.Fatal(err)
				}
				d, ok := o.Database(u)
				switch {
				case !ok && want != "no":
					t.Errorf("%s is none of the entry's, want %q", text, want)
				case ok && d.Path != want:
					t.Errorf("%s was %q, want %q", text, d.Path, want)
				case ok && d.URL != u:
					t.Errorf("%s became %s", text, d.URL)
				}
			}
		})
	}
	for _, e := range []Entry{
		{Path: setting("/srv/app.db"), URL: setting("s3://buck/{name}")},
		{Path: setting("/srv/*.db"), URL: setting("s3://buck/all")},
	} {
		if _, ok, err := e.Origin(""); ok || err != nil {
			t.Errorf("%v has an origin: %v", e, err)
		}
	}
}

func TestOnly(t *testing.T) {
	url := func(text string) bucket.URL {
		u, err := bucket.ParseURL(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	all := []*Database{
		{Path: "/srv/acme/data.db", Name: "data.db", URL: url("s3://buck/tenants/acme")},
		{Path: "/srv/globex/data.db", Name: "data.db", URL: url("s3://buck/tenants/globex")},
		{Path: "/srv/app.db", Name: "app.db", URL: url("s3://buck/app.db")},
		{Path: "/srv/app.sqlite", Name: "app.sqlite", URL: url("s3://buck/app.sqlite")},
		{Path: "/srv/wrong", Name: "wrong"},
		{Name: "open.db", URL: url("s3://buck/x")},
	}
	for word, want := range map[string][]int{
		"acme": {0}, "data.db": {0, 1}, "data": {0, 1}, "/srv/globex/data.db": {1}, "/srv/../srv/app.db": {2},
		"app.db": {2}, "app": {2, 3}, "app*": {2, 3}, "*e*": {0, 1, 3, 5}, "/srv/*/data.db": {0, 1}, "/srv/**": {0, 1, 2, 3, 4},
		"x": {5}, "open": {5}, "wrong": {4}, "": {}, "db": {}, "acm": {}, "tenants": {}, "[": {},
	} {
		met, missed := Only(all, []string{word})
		var found []int
		for _, d := range met {
			found = append(found, slices.Index(all, d))
		}
		if !slices.Equal(found, want) || (len(want) == 0) != slices.Equal(missed, []string{word}) {
			t.Errorf("%q meets %v, missed %q, want %v", word, found, missed, want)
		}
	}
	met, missed := Only(all, []string{"app.db", "none", "acme", "app*"})
	if len(met) != 3 || met[0] != all[0] || !slices.Equal(missed, []string{"none"}) {
		t.Errorf("several words meet %v, missed %q", met, missed)
	}
}
