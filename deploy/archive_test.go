package deploy_test

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// certificates are those of the Makefile.
const certificates = "/usr/share/ca-certificates/mozilla/*.crt"

// archives makes the archive of a release, in which both architectures have the
// program of this one.
func archives(t *testing.T) string {
	t.Helper()
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	file := filepath.Join(t.TempDir(), "image.tar")
	runs(t, "..", "deploy/image/archive", file, "1.2.3", "3b8b20c", noticesFile, certificates, "amd64="+program(t), "arm64="+program(t))
	return file
}

// TestArchive makes the OCI archive of a release twice, reads it, and publishes it on a
// registry.
func TestArchive(t *testing.T) {
	withBuildah(t)
	archive := archives(t)
	if again := archives(t); docstest.Read(t, archive) != docstest.Read(t, again) {
		t.Error("a second archive of the same differs")
	}
	top, images := imagesIn(t, archive)
	for platform, image := range images {
		c := image.configuration
		if l := c.Labels; l["org.opencontainers.image.version"] != "1.2.3" || l["org.opencontainers.image.revision"] != "3b8b20c" || c.User != "65532:65532" || len(l) != 6 {
			t.Errorf("%s: %+v", platform, c)
		}
		if string(image.files["lifeboat"].content) != docstest.Read(t, program(t)) {
			t.Errorf("%s has another program", platform)
		}
	}

	registry := startRegistry(t)
	image := registry + "/lifeboat"
	runs(t, "..", "deploy/image/publish", archive, image, "1.2.3", "1.2", "1")
	for _, tag := range []string{"1.2.3", "1.2", "1"} {
		if got := runs(t, "", "crane", "digest", image+":"+tag); got != top.Digest+"\n" {
			t.Errorf("%s is %s, want %s", tag, got, top.Digest)
		}
	}
	packages := t.TempDir()
	makes(t, "chart", "RELEASE="+packages, "VERSION=1.2.3")
	runs(t, "", "helm", "push", "--plain-http", filepath.Join(packages, "lifeboat-1.2.3.tgz"), "oci://"+registry+"/charts")
	text := runs(t, "", "helm", "template", "lifeboat", "oci://"+registry+"/charts/lifeboat", "--plain-http", "--version", "1.2.3", "--kube-version", "1.31",
		"--set", "claim=app-data,s3.bucket=s3://my-bucket/app,s3.existingSecret=keys")
	if !strings.Contains(text, `image: "ghcr.io/lifeboat-sqlite/lifeboat:1.2.3"`) {
		t.Errorf("the chart of 1.2.3 has another image: %s", text)
	}
}

// imagesIn returns the index of an OCI archive of a release, and its images by their
// platforms: there are two.
func imagesIn(t *testing.T, archive string) (index blob, images map[string]unpacked) {
	t.Helper()
	layout := t.TempDir()
	runs(t, layout, "tar", "-xf", archive)
	blobs := filepath.Join(layout, "blobs", "sha256")
	top := readIndex(t, filepath.Join(layout, "index.json"))
	if len(top) != 1 || top[0].MediaType != "application/vnd.oci.image.index.v1+json" {
		t.Fatalf("the archive has %+v, want one index", top)
	}
	var platforms []string
	images = map[string]unpacked{}
	for _, manifest := range readIndex(t, top[0].in(blobs)) {
		platform := manifest.Platform.OS + "/" + manifest.Platform.Architecture
		platforms = append(platforms, platform)
		images[platform] = readImage(t, manifest.in(blobs), blobs)
		if size := images[platform].size; size == 0 || size > 12e6 { // the README says 11 MB
			t.Errorf("%d bytes are pulled of %s", size, platform)
		}
	}
	if !slices.Equal(platforms, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("platforms: %v", platforms)
	}
	return top[0], images
}

// TestChart packages the chart: all of its files have the time of the commit, so that
// another one of the same is the same.
func TestChart(t *testing.T) {
	work := t.TempDir()
	makes(t, "chart", "RELEASE="+work, "VERSION=1.2.3", "EPOCH=1700000000")
	files := runs(t, work, "tar", "--utc", "-tvzf", "lifeboat-1.2.3.tgz")
	for file := range strings.Lines(files) {
		if !strings.Contains(file, " 2023-11-14 22:13") || strings.Contains(file, "_test.go") {
			t.Errorf("the chart has %s", file)
		}
	}
	if !strings.Contains(files, "/values.schema.json\n") {
		t.Errorf("the chart has %s", files)
	}
}

// readIndex returns what an index lists.
func readIndex(t *testing.T, path string) []blob {
	t.Helper()
	var index struct{ Manifests []blob }
	if err := json.Unmarshal([]byte(docstest.Read(t, path)), &index); err != nil {
		t.Fatal(err)
	}
	return index.Manifests
}

// startRegistry starts a registry and returns its address.
func startRegistry(t *testing.T) string {
	t.Helper()
	command := exec.Command("crane", "registry", "serve", "--address=127.0.0.1:0")
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	ended, err := testserver.StartBound(command)
	if err != nil {
		t.Fatalf("%v: make tools-test builds it", err)
	}
	t.Cleanup(func() {
		command.Process.Kill() // it keeps nothing
		<-ended
	})
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if found := regexp.MustCompile(`port (\d+)`).FindStringSubmatch(lines.Text()); found != nil {
			go func() {
				for lines.Scan() {
				}
			}()
			return "127.0.0.1:" + found[1]
		}
	}
	t.Fatal("the registry prints no port")
	return ""
}

// TestImageTags gives each release the tags that are its own.
func TestImageTags(t *testing.T) {
	script, err := filepath.Abs("image/tags")
	if err != nil {
		t.Fatal(err)
	}
	repository := t.TempDir()
	runs(t, repository, "sh", "-c", "git init --quiet && git -c user.name=x -c user.email=x@example.com commit --quiet --allow-empty --message=x")
	for _, tag := range []string{"v1.2.3", "v1.2.10", "v1.10.0", "v1.11.0-rc.1", "v2.0.0-rc.1", "v12.0.0"} {
		runs(t, repository, "git", "tag", tag)
	}
	for version, want := range map[string]string{
		"1.2.3":       "1.2.3",
		"1.2.10":      "1.2.10 1.2",
		"1.10.0":      "1.10.0 1.10 1",
		"1.11.0-rc.1": "1.11.0-rc.1",
		"2.0.0":       "2.0.0 2.0 2",
		"12.0.0":      "12.0.0 12.0 12",
		"1.2.11":      "1.2.11 1.2",
	} {
		if got := strings.Join(strings.Fields(runs(t, repository, "sh", script, version)), " "); got != want {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
	}
}
