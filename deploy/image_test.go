package deploy_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver"
)

// testImage is the image of these tests, in a storage of their own.
const testImage = "localhost/lifeboat"

// maxImage is what an image may have in bytes, unpacked. The README says 30 MB.
const maxImage = 30 << 20

// withBuildah gives buildah a storage of the test's own. It needs no daemon, and
// nothing outside of the test's directories sees what it does.
func withBuildah(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	settings := fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", filepath.Join(dir, "images"), filepath.Join(dir, "run"))
	write(t, filepath.Join(dir, "storage.conf"), settings, 0o600)
	t.Setenv("CONTAINERS_STORAGE_CONF", filepath.Join(dir, "storage.conf"))
	t.Setenv("BUILDAH_ISOLATION", "chroot")
}

// buildsImage runs make image.
func buildsImage(t *testing.T) {
	t.Helper()
	withBuildah(t)
	output := makes(t, "image", "ENGINE=buildah", "IMAGE="+testImage)
	if !strings.Contains(output, " MB") {
		t.Errorf("make image does not tell the size: %s", output)
	}
}

// container makes a container of an image and returns its name.
func container(t *testing.T, image string) string {
	t.Helper()
	name := strings.TrimSpace(runs(t, "", "buildah", "from", "--pull-never", "--cap-drop", "all", image))
	t.Cleanup(func() { runs(t, "", "buildah", "rm", name) })
	return name
}

func TestImage(t *testing.T) {
	buildsImage(t)
	image := unpack(t, testImage)
	t.Run("files", func(t *testing.T) {
		want := []string{"etc/", "etc/group", "etc/passwd", "etc/ssl/", "etc/ssl/certs/", "etc/ssl/certs/ca-certificates.crt", "licenses/", "licenses/LICENSE", "licenses/notices.txt", "lifeboat"}
		if got := slices.Sorted(maps.Keys(image.files)); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		for name, f := range image.files {
			if f.Uid != 0 || f.Gid != 0 || f.Mode&0o6022 != 0 {
				t.Errorf("%s is of %d:%d with mode %o", name, f.Uid, f.Gid, f.Mode)
			}
		}
		if size := image.unpackedSize(); size > maxImage {
			t.Errorf("%d bytes", size)
		}
		if string(image.files["licenses/LICENSE"].content) != docstest.Read(t, "../LICENSE") || string(image.files["licenses/notices.txt"].content) != docstest.Read(t, filepath.Join("..", noticesFile)) {
			t.Error("other licences")
		}
		if got := string(image.files["etc/group"].content); got != "lifeboat:x:65532:\n" {
			t.Errorf("/etc/group: %q", got)
		}
	})
	t.Run("configuration", func(t *testing.T) {
		c := image.configuration
		if c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/lifeboat"}) || c.WorkingDir != "/" || len(c.Cmd) != 0 {
			t.Errorf("user %q, entrypoint %q, directory %q, command %q", c.User, c.Entrypoint, c.WorkingDir, c.Cmd)
		}
		version := strings.Fields(runs(t, "", program(t), "version"))[1]
		for label, want := range map[string]string{
			"title": "Lifeboat", "description": "Backs up live SQLite databases to S3-compatible buckets, and restores them",
			"licenses": "Apache-2.0", "source": "https://github.com/lifeboat-sqlite/lifeboat", "version": version, "revision": strings.TrimSpace(runs(t, "", "git", "rev-parse", "HEAD")),
		} {
			if got := c.Labels["org.opencontainers.image."+label]; got != want {
				t.Errorf("%s is %q, want %q", label, got, want)
			}
		}
		runs(t, "", "buildah", "inspect", "--type", "image", testImage+":"+strings.ReplaceAll(version, "+", "-"))
	})
	t.Run("certificates", func(t *testing.T) {
		count := 0
		for rest := image.files["etc/ssl/certs/ca-certificates.crt"].content; len(bytes.TrimSpace(rest)) > 0; count++ {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				t.Fatalf("after %d certificates: %.100q", count, rest)
			}
			if _, err := x509.ParseCertificate(block.Bytes); err != nil {
				t.Error(err)
			}
		}
		if count < 100 {
			t.Errorf("only %d certificates", count)
		}
	})
	t.Run("runs", testInImage)
	t.Run("sidecar", testSidecarImage)
}

// TestEngine has make image choose between a docker without its daemon, a
// podman that works, and buildah.
func TestEngine(t *testing.T) {
	program(t)
	bin := t.TempDir()
	log := filepath.Join(bin, "log")
	write(t, filepath.Join(bin, "docker"), "#!/bin/sh\necho 'no daemon' >&2\nexit 1\n", 0o755)
	write(t, filepath.Join(bin, "podman"), "#!/bin/sh\necho \"$*\" >>"+log+"\n", 0o755)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	makes(t, "--old-file=static", "image", "IMAGE=registry.example.com/lifeboat")
	if got := docstest.Read(t, log); !strings.Contains(got, "\nbuild --file deploy/Dockerfile ") || !strings.Contains(got, " --tag registry.example.com/lifeboat:latest dist/image\n") {
		t.Errorf("podman was asked for %s", got)
	}
}

// testInImage backs up and restores in a container, over HTTPS with a
// certificate authority of one's own.
func testInImage(t *testing.T) {
	server := testserver.StartTLS(t)
	name := container(t, testImage)
	data, temp := t.TempDir(), t.TempDir()
	newDatabase(t, filepath.Join(data, "app.db"))
	write(t, filepath.Join(data, "ca.pem"), docstest.Read(t, server.CAFile), 0o644)
	for path, mode := range map[string]os.FileMode{data: 0o777, temp: 0o777, filepath.Join(data, "app.db"): 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	run := func(options []string, arguments ...string) (int, string) {
		all := []string{"run", "--volume", data + ":/data"}
		environment := server.Environment()
		delete(environment, "AWS_CA_BUNDLE")
		for name, value := range environment {
			all = append(all, "--env", name+"="+value)
		}
		return exits(t, "", "buildah", slices.Concat(all, options, []string{name, "--"}, arguments)...)
	}
	url := "s3://" + server.Bucket(t) + "/app"
	tmp := []string{"--volume", temp + ":/tmp"}
	trusting := []string{"--env", "AWS_CA_BUNDLE=/data/ca.pem"}
	own := slices.Concat(tmp, trusting)
	public := slices.Concat(tmp, []string{"--volume", filepath.Join(data, "ca.pem") + ":/etc/ssl/certs/ca-certificates.crt:ro"})
	// By exit codes alone, for buildah may lose what is printed at the very end.
	for _, step := range []struct {
		what      string
		code      int
		options   []string
		arguments []string
	}{
		{"no shell", 1, nil, []string{"/bin/sh", "-c", "exit 0"}},
		{"no temp directory", 8, trusting, []string{"/lifeboat", "backup", "/data/app.db", url}},
		{"unknown authority", 11, tmp, []string{"/lifeboat", "backup", "/data/app.db", url}},
		{"backup", 0, own, []string{"/lifeboat", "backup", "/data/app.db", url}},
		{"list, by an authority of the image's", 0, public, []string{"/lifeboat", "list", url}},
		{"restore", 0, own, []string{"/lifeboat", "restore", url, "/data/new.db"}},
		{"restore outside of a volume", 8, own, []string{"/lifeboat", "restore", url, "/new.db"}},
	} {
		if code, output := run(step.options, step.arguments...); code != step.code {
			t.Errorf("%s: exit %d, want %d: %s", step.what, code, step.code, output)
		}
	}
	// The user is the image's, for none was named.
	if status := runs(t, "", "stat", "--format", "%u:%g", filepath.Join(data, "new.db")); os.Geteuid() == 0 && status != "65532:65532\n" {
		t.Errorf("the restored database is of %s", status)
	}
	runs(t, "", "chmod", "666", filepath.Join(data, "new.db"))
	checkDatabase(t, filepath.Join(data, "new.db"))
	if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
		t.Errorf("left in the temp directory: %v, %v", left, err)
	}
}

// An unpacked image.
type unpacked struct {
	configuration struct {
		User            string
		Entrypoint, Cmd []string
		WorkingDir      string
		Labels          map[string]string
	}
	files map[string]file
	size  int64 // of what is pushed and pulled
}

type file struct {
	tar.Header
	content []byte
}

// unpackedSize returns the bytes of all its files.
func (u unpacked) unpackedSize() (size int64) {
	for _, f := range u.files {
		size += f.Size
	}
	return size
}

// unpack reads an image as it is pushed to a registry.
func unpack(t *testing.T, image string) unpacked {
	t.Helper()
	dir := t.TempDir()
	runs(t, "", "buildah", "push", image, "dir:"+dir)
	return readImage(t, filepath.Join(dir, "manifest.json"), dir)
}

// A blob is a part of an image, named by its digest.
type blob struct {
	MediaType, Digest string
	Size              int64
	Platform          struct{ Architecture, OS string }
}

// in returns the blob's file in a directory of blobs.
func (b blob) in(dir string) string {
	return filepath.Join(dir, strings.TrimPrefix(b.Digest, "sha256:"))
}

// readImage reads the image of a manifest, with its blobs in a directory.
func readImage(t *testing.T, manifestFile, dir string) unpacked {
	t.Helper()
	var manifest struct {
		Config blob
		Layers []blob
	}
	if err := json.Unmarshal([]byte(docstest.Read(t, manifestFile)), &manifest); err != nil {
		t.Fatal(err)
	}
	u := unpacked{files: map[string]file{}}
	if err := json.Unmarshal([]byte(docstest.Read(t, manifest.Config.in(dir))), &struct{ Config any }{&u.configuration}); err != nil {
		t.Fatal(err)
	}
	for _, layer := range manifest.Layers {
		u.add(t, layer.in(dir))
		u.size += layer.Size
	}
	return u
}

func (u unpacked) add(t *testing.T, layer string) {
	t.Helper()
	f, err := os.Open(layer)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var content io.Reader = f
	if unzipped, err := gzip.NewReader(f); err == nil {
		content = unzipped
	} else if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	entries := tar.NewReader(content)
	for {
		header, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(entries)
		if err != nil {
			t.Fatal(err)
		}
		u.files[header.Name] = file{*header, text}
	}
}
