package main

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/lifeboat-sqlite/lifeboat/deploy/sbom/licences"
)

const (
	home    = "https://github.com/lifeboat-sqlite/lifeboat"
	unknown = "NOASSERTION" // SPDX's word
	// go-sqlite3 has SQLite itself inside, as C.
	sqliteModule = "github.com/mattn/go-sqlite3"
)

// isGlibc is in each static binary with that C library: the name of a variable that it
// reads. Its version is not.
const isGlibc = "GLIBC_TUNABLES"

// A builder makes a bill.
type builder struct {
	doc     *v2_3.Document
	program common.ElementID
	digest  []byte // of all files
	libc    string // the version of the C library

	licences func([]*debug.Module) ([]licences.Licence, error)
}

// bill returns the bill of the files, of which those that Go has built have modules in
// them. Without one of these it is an error. libc is the version of the C library in
// static ones.
func bill(version string, created time.Time, certificates, libc string, files []string, of func([]*debug.Module) ([]licences.Licence, error)) (*v2_3.Document, error) {
	b := builder{program: "Package-lifeboat", libc: libc, licences: of, doc: &v2_3.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: "DOCUMENT", DocumentName: "lifeboat-" + version,
		CreationInfo: &v2_3.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Organization", Creator: "Lifeboat"}, {CreatorType: "Tool", Creator: "lifeboat-sbom"}},
			Created:  created.Format(time.RFC3339),
		},
	}}
	b.add(&v2_3.Package{
		PackageName: "lifeboat", PackageSPDXIdentifier: b.program, PackageVersion: version, PackageDownloadLocation: home + "/releases/tag/v" + version,
		PackageHomePage: home, PackageLicenseDeclared: "Apache-2.0", PackageLicenseConcluded: "Apache-2.0", PrimaryPackagePurpose: "APPLICATION",
		PackageExternalReferences: purl("golang", "github.com/lifeboat-sqlite/lifeboat", "v"+version),
	}, "DOCUMENT", "DESCRIBES")
	binaries := 0
	for _, file := range files {
		built, err := b.addFile(file)
		if err != nil {
			return nil, err
		}
		if built {
			binaries++
		}
	}
	if binaries == 0 {
		return nil, errors.New("no file is a binary of Go's")
	}
	if certificates != "" {
		b.add(&v2_3.Package{PackageName: "ca-certificates", PackageSPDXIdentifier: "Package-ca-certificates", PackageVersion: certificates, PackageDownloadLocation: unknown,
			PackageLicenseDeclared: "MPL-2.0", PackageExternalReferences: purl("deb/debian", "ca-certificates", certificates)}, b.program, "DEPENDS_ON")
	}
	b.doc.DocumentNamespace = fmt.Sprintf("%s/spdx/%s-%x", home, version, sha256.Sum256(b.digest))
	return b.doc, nil
}

// add adds a package, unless it is there, and its relationship with another element.
func (b *builder) add(p *v2_3.Package, to common.ElementID, relationship string) {
	same := func(other *v2_3.Package) bool { return other.PackageSPDXIdentifier == p.PackageSPDXIdentifier }
	if slices.ContainsFunc(b.doc.Packages, same) {
		return
	}
	if p.PackageLicenseDeclared == "" {
		p.PackageLicenseDeclared = unknown
	}
	if p.PackageLicenseConcluded == "" {
		p.PackageLicenseConcluded = unknown
	}
	p.PackageCopyrightText = unknown
	b.doc.Packages = append(b.doc.Packages, p)
	b.relate(to, relationship, p.PackageSPDXIdentifier)
}

func (b *builder) relate(from common.ElementID, relationship string, to common.ElementID) {
	b.doc.Relationships = append(b.doc.Relationships, &v2_3.Relationship{
		RefA: common.MakeDocElementID("", string(from)), RefB: common.MakeDocElementID("", string(to)), Relationship: relationship,
	})
}

// addFile adds a file, and what is in it if Go has built it.
func (b *builder) addFile(path string) (built bool, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	strong := sha256.Sum256(content)
	b.digest = append(b.digest, strong[:]...)
	name := filepath.Base(path)
	file := &v2_3.File{
		FileName: "./" + name, FileSPDXIdentifier: common.ElementID("File-" + plain(name)), FileTypes: []string{"ARCHIVE"},
		Checksums: []common.Checksum{ // SPDX asks for the weak one
			{Algorithm: common.SHA1, Value: fmt.Sprintf("%x", sha1.Sum(content))},
			{Algorithm: common.SHA256, Value: fmt.Sprintf("%x", strong)},
		},
		LicenseConcluded: unknown, LicenseInfoInFiles: []string{unknown}, FileCopyrightText: unknown,
	}
	if filepath.Ext(name) == ".txt" {
		file.FileTypes = []string{"TEXT"}
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err == nil {
		file.FileTypes = []string{"BINARY"}
		if err := b.addModules(info, content); err != nil {
			return false, err
		}
	}
	b.doc.Files = append(b.doc.Files, file)
	b.relate(file.FileSPDXIdentifier, "GENERATED_FROM", b.program)
	return err == nil, nil
}

// addModules adds the modules of a binary, and what is in it and is no module.
func (b *builder) addModules(info *debug.BuildInfo, binary []byte) error {
	version := strings.TrimPrefix(info.GoVersion, "go")
	b.add(&v2_3.Package{PackageName: "stdlib", PackageSPDXIdentifier: "Package-stdlib", PackageVersion: version, PackageDownloadLocation: unknown,
		PackageLicenseDeclared: "BSD-3-Clause", PackageExternalReferences: purl("golang", "stdlib", version)}, b.program, "DEPENDS_ON")
	modules, err := b.licences(info.Deps)
	if err != nil {
		return err
	}
	for _, l := range modules {
		id := common.ElementID("Package-" + plain(l.Module))
		b.add(&v2_3.Package{PackageName: l.Module, PackageSPDXIdentifier: id, PackageVersion: l.Version, PackageDownloadLocation: unknown,
			PackageLicenseDeclared: l.ID, PackageExternalReferences: purl("golang", l.Module, l.Version)}, b.program, "DEPENDS_ON")
		if l.Module == sqliteModule {
			sqlite, _, _ := sqlite3.Version() // of the same go.mod
			b.add(foreign("sqlite", sqlite, "blessing", "sqlite:sqlite"), id, "CONTAINS")
		}
	}
	if bytes.Contains(binary, []byte(isGlibc)) {
		if b.libc == "" {
			return errors.New("the version of the C library in it is missing")
		}
		b.add(foreign("glibc", b.libc, "LGPL-2.1-or-later", "gnu:glibc"), b.program, "STATIC_LINK")
	}
	return nil
}

// foreign returns a package that no module is, by which name those know it who list
// vulnerabilities.
func foreign(name, version, licence, cpe string) *v2_3.Package {
	return &v2_3.Package{PackageName: name, PackageSPDXIdentifier: common.ElementID("Package-" + name), PackageVersion: version, PackageDownloadLocation: unknown,
		PackageLicenseDeclared: licence, PackageExternalReferences: append(purl("generic", name, version),
			&v2_3.PackageExternalReference{Category: common.CategorySecurity, RefType: common.TypeSecurityCPE23Type, Locator: "cpe:2.3:a:" + cpe + ":" + version + ":*:*:*:*:*:*:*"})}
}

// purl returns the name of a package, as https://github.com/package-url/purl-spec has
// it.
func purl(kind, name, version string) []*v2_3.PackageExternalReference {
	version = strings.NewReplacer("+", "%2B", ":", "%3A").Replace(version)
	return []*v2_3.PackageExternalReference{{Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: "pkg:" + kind + "/" + name + "@" + version}}
}

// plain returns a name with the characters alone that SPDX allows in an identifier.
func plain(name string) string {
	return regexp.MustCompile(`[^A-Za-z0-9.-]`).ReplaceAllString(name, "-")
}
