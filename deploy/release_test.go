package deploy_test

import (
	"debug/buildinfo"
	"debug/elf"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdxlib"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
)

// TestRelease makes all that a release has, for both architectures.
func TestRelease(t *testing.T) {
	program(t)
	withBuildah(t)
	release := t.TempDir()
	makes(t, "artefacts", "RELEASE="+release, "VERSION=1.2.3")
	entries, err := os.ReadDir(release)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{"SHA256SUMS", "lifeboat-1.2.3-1.aarch64.rpm", "lifeboat-1.2.3-1.x86_64.rpm", "lifeboat-1.2.3-image.tar", "lifeboat-1.2.3-notices.txt", "lifeboat-1.2.3.spdx.json",
		"lifeboat-1.2.3.tgz", "lifeboat-linux-amd64", "lifeboat-linux-arm64", "lifeboat_1.2.3_amd64.deb", "lifeboat_1.2.3_arm64.deb"}
	if !slices.Equal(names, want) {
		t.Fatalf("a release has %v, want %v", names, want)
	}
	if sums := runs(t, release, "sha256sum", "--check", "SHA256SUMS"); strings.Count(sums, ": OK\n") != len(names)-1 {
		t.Errorf("checksums: %s", sums)
	}
	if got := runs(t, release, "./lifeboat-linux-"+runtime.GOARCH, "version"); !strings.HasPrefix(got, "lifeboat 1.2.3 (") {
		t.Errorf("the version is %s", got)
	}
	t.Run("binaries", func(t *testing.T) {
		testBinary(t, filepath.Join(release, "lifeboat-linux-amd64"), elf.EM_X86_64)
		testBinary(t, filepath.Join(release, "lifeboat-linux-arm64"), elf.EM_AARCH64)
	})
	t.Run("packages", func(t *testing.T) {
		for architecture, rpm := range map[string]string{"amd64": "x86_64", "arm64": "aarch64"} {
			deb := "lifeboat_1.2.3_" + architecture + ".deb"
			if got := runs(t, release, "dpkg-deb", "--field", deb, "Architecture"); got != architecture+"\n" {
				t.Errorf("%s is for %s", deb, got)
			}
			runs(t, release, "sh", "-c", "dpkg-deb --fsys-tarfile "+deb+" | tar -xO ./usr/bin/lifeboat | cmp - lifeboat-linux-"+architecture)
			if got := runs(t, release, "rpm", "-qp", "--queryformat", "%{ARCH}", "lifeboat-1.2.3-1."+rpm+".rpm"); got != rpm {
				t.Errorf("the rpm of %s is for %s", rpm, got)
			}
		}
	})
	t.Run("images", func(t *testing.T) {
		_, images := imagesIn(t, filepath.Join(release, "lifeboat-1.2.3-image.tar"))
		for platform, image := range images {
			if string(image.files["lifeboat"].content) != docstest.Read(t, filepath.Join(release, "lifeboat-"+strings.ReplaceAll(platform, "/", "-"))) {
				t.Errorf("%s has another program", platform)
			}
			if size := image.unpackedSize(); size > maxImage {
				t.Errorf("%s has %d bytes", platform, size)
			}
		}
	})
	t.Run("bill", func(t *testing.T) { testReleaseBill(t, release, names) })
}

// testBinary checks that a binary is for a machine, and static.
func testBinary(t *testing.T, path string, machine elf.Machine) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); f.Machine != machine || len(libraries) > 0 || err != nil {
		t.Errorf("%s is for %v and needs %v, %v", path, f.Machine, libraries, err)
	}
}

// testReleaseBill checks that the bill of a release has its files and the modules of its
// binaries, and the licence of each.
func testReleaseBill(t *testing.T, release string, names []string) {
	f, err := os.Open(filepath.Join(release, "lifeboat-1.2.3.spdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := spdxjson.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(doc); err != nil {
		t.Error(err)
	}
	files := map[string]string{}
	for _, file := range doc.Files {
		for _, sum := range file.Checksums {
			if sum.Algorithm == common.SHA256 {
				files[strings.TrimPrefix(file.FileName, "./")] = sum.Value
			}
		}
	}
	for line := range strings.Lines(docstest.Read(t, filepath.Join(release, "SHA256SUMS"))) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if name != "lifeboat-1.2.3.spdx.json" && files[name] != sum {
			t.Errorf("%s has the checksum %s, in the bill %s", name, sum, files[name])
		}
	}
	if len(files) != len(names)-2 {
		t.Errorf("the bill has the files %v", files)
	}
	versions := map[string]string{}
	for _, p := range doc.Packages {
		versions[p.PackageName] = p.PackageVersion
		if p.PackageLicenseDeclared == "NOASSERTION" {
			t.Errorf("%s has no licence", p.PackageName)
		}
	}
	for _, name := range []string{"sqlite", "glibc", "stdlib"} {
		if versions[name] == "" {
			t.Errorf("the bill has no %s", name)
		}
	}
	for _, architecture := range []string{"amd64", "arm64"} {
		info, err := buildinfo.ReadFile(filepath.Join(release, "lifeboat-linux-"+architecture))
		if err != nil {
			t.Fatal(err)
		}
		for _, module := range info.Deps {
			if versions[module.Path] != module.Version {
				t.Errorf("%s is %s, in the bill %s", module.Path, module.Version, versions[module.Path])
			}
		}
	}
}
