package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"

	"github.com/lifeboat-sqlite/lifeboat/deploy/sbom/licences"
)

// licencesHere returns the licences of this test's modules. One of them, which is in no
// program, leaves the choice between two licences.
func licencesHere(modules []*debug.Module) ([]licences.Licence, error) {
	const spdx = "github.com/spdx/tools-golang"
	var others []*debug.Module
	var all []licences.Licence
	for _, m := range modules {
		if m.Path == spdx {
			all = append(all, licences.Licence{Module: spdx, Version: m.Version, ID: "Apache-2.0 OR GPL-2.0-or-later"})
		} else {
			others = append(others, m)
		}
	}
	rest, err := licences.Of(others)
	return append(all, rest...), err
}

// The bill of this very test has its modules, can be read again, and refers to nothing
// that is not in it.
func TestBill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	static := filepath.Join(t.TempDir(), "static")
	content, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	content = append(content, isGlibc...)
	if err := os.WriteFile(static, content, 0o600); err != nil {
		t.Fatal(err)
	}
	text := func() string {
		doc, err := bill("1.2.3", time.Unix(1800000000, 0).UTC(), "20230311+deb12u1", "2.36", []string{self, static, "main.go"}, licencesHere)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := json.Write(doc, &b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	first := text()
	if first != text() {
		t.Error("a second bill of the same files differs")
	}
	doc, err := json.Read(strings.NewReader(first))
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(doc); err != nil {
		t.Error(err)
	}
	versions := map[string]string{}
	for _, p := range doc.Packages {
		versions[p.PackageName] = p.PackageVersion
		if p.PackageLicenseDeclared == unknown {
			t.Errorf("no licence of %s", p.PackageName)
		}
	}
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if versions[module.Path] != module.Version {
			t.Errorf("%s is %s, want %s", module.Path, versions[module.Path], module.Version)
		}
	}
	if len(info.Deps) < 3 || versions["lifeboat"] != "1.2.3" || !strings.HasPrefix(versions["sqlite"], "3.") || versions["glibc"] != "2.36" || "go"+versions["stdlib"] != info.GoVersion {
		t.Errorf("versions: %v", versions)
	}
	if len(doc.Files) != 3 || doc.Files[0].FileTypes[0] != "BINARY" || doc.Files[2].FileTypes[0] != "ARCHIVE" || doc.CreationInfo.Created != "2027-01-15T08:00:00Z" {
		t.Errorf("files %v, made %s", doc.Files, doc.CreationInfo.Created)
	}
	if _, err := bill("1.2.3", time.Now(), "", "2.36", []string{"main.go"}, licences.Of); err == nil {
		t.Error("a bill of no binary")
	}
	if _, err := bill("1.2.3", time.Now(), "", "", []string{static}, licencesHere); err == nil {
		t.Error("a bill with a C library of no version")
	}
}
