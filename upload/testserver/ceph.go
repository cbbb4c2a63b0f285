package testserver

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// StartCeph starts a Ceph with its S3 gateway (RGW), as apt has it, in the way of
// Start: a monitor, a storage daemon with its data in memory, and the gateway. A
// day of lifecycle rules lasts two seconds there.
func StartCeph(t testing.TB) *Server {
	t.Helper()
	needs.Server(t)
	root := cephRoot(t)
	var trouble error
	for range 5 {
		c := &ceph{Root: root, Dir: t.TempDir(), FSID: uuid(), Monitor: freeAddress(t), Gateway: freeAddress(t)}
		s := &Server{AccessKey: "lifeboat-" + random(4), SecretKey: random(16), Endpoint: "http://" + c.Gateway}
		if trouble = c.start(s); trouble == nil {
			t.Cleanup(c.end)
			return s
		}
		c.end()
	}
	t.Fatalf("Ceph did not start: %v", trouble)
	return nil
}

//go:embed ceph-unpack
var cephUnpack string

// cephRoot returns the directory with the unpacked packages: make tools-test has
// put them there, or they are fetched now.
func cephRoot(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(cache, "lifeboat-test", "ceph")
	if output, err := exec.Command("sh", "-c", cephUnpack, "ceph-unpack", root).CombinedOutput(); err != nil {
		t.Fatalf("fetch the packages of Ceph: %v: %s", err, output)
	}
	return root
}

// A ceph is three servers on their way.
type ceph struct {
	Root, Dir        string // the unpacked packages, and everything else
	FSID             string
	Monitor, Gateway string // addresses

	daemons []daemon
}

type daemon struct {
	command *exec.Cmd
	ended   <-chan struct{}
}

// start starts the daemons and makes the user with the server's keys. The first
// map of storage daemons, which else is built by commands, has the one there is.
func (c *ceph) start(s *Server) error {
	if err := c.configure(); err != nil {
		return err
	}
	at := func(name string) string { return filepath.Join(c.Dir, name) }
	for _, step := range []func() error{
		func() error {
			return c.run("monmaptool", "--create", "--fsid", c.FSID, "--addv", "a", "[v2:"+c.Monitor+"]", at("monmap"))
		},
		func() error { return c.run("osdmaptool", "--createsimple", "1", at("osdmap")) },
		func() error {
			return c.run("ceph-mon", "--id", "a", "--mkfs", "--monmap", at("monmap"), "--osdmap", at("osdmap"), "--keyring", at("keyring"))
		},
		func() error { return c.background("ceph-mon", "--id", "a") },
		func() error { return c.run("ceph-osd", "--id", "0", "--mkfs", "--osd-uuid", uuid()) },
		func() error { return c.background("ceph-osd", "--id", "0") },
		func() error { return c.background("radosgw", "--name", "client.rgw") },
		func() error {
			return c.run("radosgw-admin", "--name", "client.rgw", "user", "create", "--uid=lifeboat", "--display-name=lifeboat",
				"--access-key="+s.AccessKey, "--secret-key="+s.SecretKey)
		},
		func() error { return s.waitUntil(c.daemons[len(c.daemons)-1].ended, s.answersAs) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// end ends what is running, the last one first. Its data are nowhere.
func (c *ceph) end() {
	for i := len(c.daemons) - 1; i >= 0; i-- {
		c.daemons[i].command.Process.Kill() // it may have ended already
		<-c.daemons[i].ended
	}
	c.daemons = nil
}

//go:embed ceph.conf
var cephConf string

// configure writes the settings, and the keyring that the monitor wants though
// nothing is signed.
func (c *ceph) configure() error {
	var conf bytes.Buffer
	if err := template.Must(template.New("ceph.conf").Parse(cephConf)).Execute(&conf, c); err != nil {
		return err
	}
	for _, dir := range []string{"mon", "osd", "rgw"} {
		if err := os.Mkdir(filepath.Join(c.Dir, dir), 0o700); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "ceph.conf"), conf.Bytes(), 0o600); err != nil {
		return err
	}
	return c.run("ceph-authtool", "--create-keyring", filepath.Join(c.Dir, "keyring"), "--gen-key", "--name", "mon.", "--cap", "mon", "allow *")
}

// Lib returns the directory of libraries, such as usr/lib/x86_64-linux-gnu.
func (c *ceph) Lib() string {
	found, _ := filepath.Glob(filepath.Join(c.Root, "usr", "lib", "*-linux-gnu*")) // the pattern is good
	if len(found) == 0 {
		return filepath.Join(c.Root, "usr", "lib")
	}
	return found[0]
}

// command returns a program of Ceph's that finds its libraries and settings.
func (c *ceph) command(program string, args ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(c.Root, "usr", "bin", program), append([]string{"--conf", filepath.Join(c.Dir, "ceph.conf")}, args...)...)
	libraries := []string{c.Lib(), filepath.Join(c.Lib(), "ceph"), filepath.Join(c.Root, "usr", "lib"), filepath.Join(c.Root, "lib", filepath.Base(c.Lib()))}
	command.Env = append(withoutMinio(os.Environ()), "LD_LIBRARY_PATH="+strings.Join(libraries, ":"))
	command.Dir = c.Dir
	return command
}

func (c *ceph) run(program string, args ...string) error {
	if output, err := c.command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s%s", program, err, output, c.told())
	}
	return nil
}

// background starts a daemon. What it says goes to a file.
func (c *ceph) background(program string, args ...string) error {
	output, err := os.Create(filepath.Join(c.Dir, program+".log"))
	if err != nil {
		return err
	}
	defer output.Close()
	command := c.command(program, append(args, "--foreground")...)
	command.Stdout, command.Stderr = output, output
	ended, err := StartBound(command)
	if err != nil {
		return err
	}
	c.daemons = append(c.daemons, daemon{command, ended})
	return nil
}

// told returns the end of what each daemon has said.
func (c *ceph) told() string {
	var all strings.Builder
	for _, d := range c.daemons {
		name := filepath.Base(d.command.Path)
		data, _ := os.ReadFile(filepath.Join(c.Dir, name+".log")) // it is there
		fmt.Fprintf(&all, "%s: %s\n", name, data[max(0, len(data)-1000):])
	}
	return all.String()
}

func uuid() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails, see crypto/rand
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
