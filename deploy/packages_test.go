package deploy_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
)

// buildsPackages makes the packages of this machine's architecture in a directory,
// with a file as the program.
func buildsPackages(t *testing.T, dir, file string) {
	t.Helper()
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	runs(t, "..", "deploy/packages/build", "1.2.3", dir, program(t), noticesFile, runtime.GOARCH+"="+file)
}

// newRoot makes a directory that packages can be installed in: with a shell for
// their scripts, and a systemctl that lists in /log what it was asked for.
func newRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"bin", "etc", "usr/bin", "usr/lib/systemd/system", "usr/share/bash-completion/completions", "usr/share/doc", "usr/share/fish/vendor_completions.d",
		"usr/share/licenses", "usr/share/man/man1", "usr/share/zsh/site-functions", "etc/systemd/system/timers.target.wants", "var/log", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/rpm", "run/systemd/system"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	runs(t, root, "sh", "-c", `cp "$(command -v busybox)" bin/sh`)
	write(t, filepath.Join(root, "usr/bin/systemctl"), "#!/bin/sh\necho \"$*\" >>/log\n", 0o755)
	write(t, filepath.Join(root, "var/lib/dpkg/status"), "", 0o644)
	write(t, filepath.Join(root, "etc/systemd/system/lifeboat-own.timer"), "", 0o644)
	return root
}

// filesIn returns the files and directories in a root, but for what packaging
// tools note there.
func filesIn(t *testing.T, root string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, _ fs.DirEntry, err error) error {
		if path == "var" || path == "log" {
			return nil
		}
		if !strings.HasPrefix(path, "var/") {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestPackages makes packages and tries them.
func TestPackages(t *testing.T) {
	dir := t.TempDir()
	buildsPackages(t, dir, program(t))
	deb, rpm := packages()
	t.Run("deb", func(t *testing.T) { testDeb(t, filepath.Join(dir, deb)) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, filepath.Join(dir, rpm)) })
}

// TestPackagesAreTheSame makes packages twice, of a program that is small.
func TestPackagesAreTheSame(t *testing.T) {
	first, second, small := t.TempDir(), t.TempDir(), "deploy/packages/build"
	buildsPackages(t, first, small)
	buildsPackages(t, second, small)
	deb, rpm := packages()
	for _, name := range []string{deb, rpm} {
		if docstest.Read(t, filepath.Join(first, name)) != docstest.Read(t, filepath.Join(second, name)) {
			t.Errorf("a second %s differs", name)
		}
	}
}

// packages returns the names of the packages of version 1.2.3.
func packages() (deb, rpm string) {
	return "lifeboat_1.2.3_" + runtime.GOARCH + ".deb", "lifeboat-1.2.3-1." + map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH] + ".rpm"
}

// testDeb installs the package, does what its document says, and removes it again.
func testDeb(t *testing.T, deb string) {
	root := newRoot(t)
	before := filesIn(t, root)
	data, bucket, bin := filepath.Join(t.TempDir(), "app"), filepath.Join(t.TempDir(), "bucket"), t.TempDir()
	newDatabase(t, filepath.Join(data, "app.db"))
	write(t, filepath.Join(bin, "vi"), "#!/bin/sh\nsed -i 's|/var/lib/app|"+data+"|; s|s3://my-bucket/app|file://"+bucket+"|' \"$1\"\n", 0o755)
	write(t, filepath.Join(bin, "systemctl"), "#!/bin/sh\necho \"$*\" >>"+root+"/log\n", 0o755)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))

	blocks := docstest.Blocks(t, "packages/README.md", "sh")
	if lines := strings.Count(blocks[0], "\n"); lines != 4 {
		t.Errorf("%d commands to the first backup", lines)
	}
	testCommands(t, "packages/README.md", "dpkg -i lifeboat_1.2.3_amd64.deb", "dpkg --root="+root+" -i "+deb,
		"/usr/share/doc", root+"/usr/share/doc", "/etc/lifeboat", root+"/etc/lifeboat")
	want := "daemon-reload\nstart lifeboat-backup@app\nenable --now lifeboat-backup@app.timer lifeboat-verify@app.timer\n"
	if got := docstest.Read(t, filepath.Join(root, "log")); got != want {
		t.Errorf("systemctl was asked for %q, want %q", got, want)
	}
	installed := filepath.Join(root, "usr/bin/lifeboat")
	for _, service := range []string{"lifeboat-backup@", "lifeboat-verify@"} {
		parseUnit(t, filepath.Join(root, "usr/lib/systemd/system", service+".service")).start(t, installed, filepath.Join(root, "etc/lifeboat"))
	}
	if got := snapshots(t, bucket); got != 1 {
		t.Errorf("%d snapshots", got)
	}
	t.Run("contents", func(t *testing.T) { checkInstalled(t, root) })

	write(t, filepath.Join(root, "log"), "", 0o644)
	enables(t, root)
	runs(t, "", "dpkg", "--root="+root, "-i", deb) // an upgrade, as far as its scripts know
	runs(t, "", "dpkg", "--root="+root, "-r", "lifeboat")
	if got := docstest.Read(t, filepath.Join(root, "log")); got != "daemon-reload\ndaemon-reload\nstop lifeboat-*.timer\ndaemon-reload\n" {
		t.Errorf("systemctl was asked for %q", got)
	}
	kept := []string{"etc/lifeboat", "etc/lifeboat/app.env", "etc/lifeboat/app.restore.env", packagedLink, ownLink}
	left := func() []string {
		return slices.DeleteFunc(filesIn(t, root), func(name string) bool { return slices.Contains(before, name) })
	}
	if got := left(); !slices.Equal(got, kept) {
		t.Errorf("left after the removal: %v", got)
	}
	caches := []string{"var/cache/lifeboat-backup", "var/cache/lifeboat-backup@app", "var/cache/lifeboat-own"}
	for _, cache := range caches {
		write(t, filepath.Join(root, cache, "x"), "", 0o600)
	}
	runs(t, "", "dpkg", "--root="+root, "-P", "lifeboat")
	for _, cache := range caches {
		if _, err := os.Stat(filepath.Join(root, cache)); (err == nil) != strings.HasSuffix(cache, "-own") {
			t.Errorf("after the purge, %s: %v", cache, err)
		}
	}
	if got := left(); !slices.Equal(got, slices.DeleteFunc(kept, func(name string) bool { return name == packagedLink })) {
		t.Errorf("left after the purge: %v", got)
	}
}

// What enables makes: the link of a timer of the package's, and that of one of the administrator's.
const (
	packagedLink = "etc/systemd/system/timers.target.wants/lifeboat-backup@app.timer"
	ownLink      = "etc/systemd/system/timers.target.wants/lifeboat-own.timer"
)

// enables does in a root what systemctl enable does.
func enables(t *testing.T, root string) {
	t.Helper()
	for link, unit := range map[string]string{packagedLink: "/usr/lib/systemd/system/lifeboat-backup@.timer", ownLink: "/etc/systemd/system/lifeboat-own.timer"} {
		if err := os.Symlink(unit, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
}

// checkInstalled checks what a package has put in a root.
func checkInstalled(t *testing.T, root string) {
	read := func(path string) string { return docstest.Read(t, filepath.Join(root, path)) }
	if read("usr/bin/lifeboat") != docstest.Read(t, program(t)) {
		t.Error("another program")
	}
	for path, shell := range map[string]string{"usr/share/bash-completion/completions/lifeboat": "bash",
		"usr/share/zsh/*/_lifeboat": "zsh", "usr/share/fish/vendor_completions.d/lifeboat.fish": "fish"} {
		found, err := filepath.Glob(filepath.Join(root, path))
		if err != nil || len(found) != 1 || docstest.Read(t, found[0]) != runs(t, "", program(t), "completion", shell) {
			t.Errorf("completion for %s: %v, %v", shell, found, err)
		}
	}
	for _, path := range units(t, t.TempDir()) { // TestUnits has systemd verify them
		if strings.ReplaceAll(read("usr/lib/systemd/system/"+filepath.Base(path)), "/usr/bin/lifeboat", program(t)) != docstest.Read(t, path) {
			t.Errorf("%s is another unit", filepath.Base(path))
		}
	}
	pages, err := filepath.Glob(filepath.Join(root, "usr/share/man/man1/lifeboat*.1.gz"))
	if err != nil || len(pages) < 20 {
		t.Errorf("manual pages: %v, %v", pages, err)
	}
	page := runs(t, "", "sh", "-c", "gzip -dc "+filepath.Join(root, "usr/share/man/man1/lifeboat-backup.1.gz")+" | groff -ww -man -Tascii -P-cbou")
	if !strings.Contains(page, "lifeboat-backup - ") || !strings.Contains(page, "--max-rate") {
		t.Errorf("the page of backup: %s", page)
	}
	examples := filepath.Join(root, "usr/share/doc/lifeboat/examples")
	config := filepath.Join(t.TempDir(), "lifeboat.yaml")
	write(t, config, strings.ReplaceAll(docstest.Read(t, filepath.Join(examples, "lifeboat.yaml")), "{host}", "here"), 0o600)
	if output := runs(t, "", program(t), "config", "check", "--config", config); !strings.Contains(output, "s3://my-bucket/here/app.db") {
		t.Errorf("the example configuration: %s", output)
	}
	for _, name := range []string{"app.env", "app.restore.env", "lifeboat.env"} {
		if docstest.Read(t, filepath.Join(examples, name)) != docstest.Read(t, "systemd/"+name) {
			t.Errorf("another %s", name)
		}
	}
	licences, err := filepath.Glob(filepath.Join(root, "usr/share/*/lifeboat/[cL]*"))
	if err != nil || len(licences) != 1 || docstest.Read(t, licences[0]) != docstest.Read(t, "../LICENSE") {
		t.Errorf("licence: %v, %v", licences, err)
	}
	notices, err := filepath.Glob(filepath.Join(root, "usr/share/*/lifeboat/notices.txt"))
	if err != nil || len(notices) != 1 || docstest.Read(t, notices[0]) != docstest.Read(t, filepath.Join("..", noticesFile)) {
		t.Errorf("notices: %v, %v", notices, err)
	}
}

// testRPM installs the package and removes it again.
func testRPM(t *testing.T, rpm string) {
	root := newRoot(t)
	before := filesIn(t, root)
	if got := runs(t, "", "rpm", "-qp", "--queryformat", "%{NAME} %{VERSION} %{LICENSE} %{SUMMARY}\n", rpm); got != "lifeboat 1.2.3 Apache-2.0 backs up live SQLite databases to S3-compatible buckets\n" {
		t.Errorf("rpm says %s", got)
	}
	runs(t, "", "rpm", "--root="+root, "--dbpath=/var/lib/rpm", "--nodeps", "-i", rpm)
	checkInstalled(t, root)
	enables(t, root)
	runs(t, "", "rpm", "--root="+root, "--dbpath=/var/lib/rpm", "--nodeps", "-e", "lifeboat")
	if got := docstest.Read(t, filepath.Join(root, "log")); got != "daemon-reload\nstop lifeboat-*.timer\ndaemon-reload\n" {
		t.Errorf("systemctl was asked for %q", got)
	}
	if got := slices.DeleteFunc(filesIn(t, root), func(name string) bool { return slices.Contains(before, name) }); !slices.Equal(got, []string{ownLink}) {
		t.Errorf("left after the removal: %v", got)
	}
}

// TestNotices looks for what lawyers look for.
func TestNotices(t *testing.T) {
	program(t)
	text := docstest.Read(t, filepath.Join("..", noticesFile))
	for _, want := range []string{"github.com/mattn/go-sqlite3 v", "Copyright (c) 2014 Yasuhiro Matsumoto", "\nthe standard library of Go 1.", "Copyright 2009 The Go Authors",
		"SQLite is in the public domain", "AWS SDK for Go", "Copyright (c) 2016 Caleb Spare", "GNU LESSER GENERAL PUBLIC LICENSE", "Mozilla Public License Version 2.0"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	if n := strings.Count(text, "TERMS AND CONDITIONS FOR USE, REPRODUCTION"); n > 9 { // 20 modules are of Amazon's
		t.Errorf("the Apache License is there %d times", n)
	}
}

// TestVersion has make take the version from tags.
func TestVersion(t *testing.T) {
	repository := t.TempDir()
	for _, file := range []string{"Makefile", "go.mod", "upload/testserver/versions.txt"} {
		write(t, filepath.Join(repository, file), docstest.Read(t, filepath.Join("..", file)), 0o644)
	}
	git := func(arguments ...string) {
		t.Helper()
		runs(t, repository, "git", append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com"}, arguments...)...)
	}
	check := func(pattern string) {
		t.Helper()
		t.Setenv("MAKEFLAGS", "")
		if got := runs(t, repository, "make", "-s", "version"); !regexp.MustCompile("^" + pattern + "\n$").MatchString(got) {
			t.Errorf("version %s, want %s", got, pattern)
		}
	}
	git("init", "--quiet")
	git("add", ".")
	git("commit", "--quiet", "--message=x")
	check(`0\.0\.0\+0\.g[0-9a-f]+`)
	git("tag", "v1.2.3")
	check(`1\.2\.3`)
	write(t, filepath.Join(repository, "Makefile"), docstest.Read(t, "../Makefile")+"\n", 0o644)
	check(`1\.2\.3\+dirty`)
	git("commit", "--quiet", "--all", "--message=x")
	check(`1\.2\.3\+1\.g[0-9a-f]+`)
	git("tag", "v1.3.0-rc.1")
	check(`1\.3\.0-rc\.1`)
	// Of two on one commit the newer one counts, if both are annotated, as release.yml
	// has them.
	t.Setenv("GIT_COMMITTER_DATE", "2090-01-01T00:00:00Z")
	git("tag", "--force", "--annotate", "--message=x", "v1.3.0-rc.1")
	t.Setenv("GIT_COMMITTER_DATE", "2090-01-02T00:00:00Z")
	git("tag", "--annotate", "--message=x", "v1.3.0")
	check(`1\.3\.0`)
}

// TestReleaseWorkflow has a release tested first, and made of the tag that was pushed.
func TestReleaseWorkflow(t *testing.T) {
	workflow := docstest.Read(t, "../.github/workflows/release.yml")
	for _, step := range []string{"uses: ./.github/workflows/test.yml\n", "needs: test\n", "uses: actions/checkout", `git fetch --force origin "$GITHUB_REF:$GITHUB_REF"` + "\n",
		`[ "v$version" = "$GITHUB_REF_NAME" ] ||`, "run: make release", "deploy/image/publish", "gh release create"} {
		_, after, found := strings.Cut(workflow, step)
		if !found {
			t.Fatalf("no %s where it belongs", step)
		}
		workflow = after
	}
	if !strings.Contains(docstest.Read(t, "../.github/workflows/test.yml"), "\n  workflow_call:\n") {
		t.Error("test.yml is not to be called")
	}
}
