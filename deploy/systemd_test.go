package deploy_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/deploy/docs/docstest"
	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// exposure is what systemd-analyze security says of each service, as in its
// README.
var exposure = map[string]float64{"lifeboat-backup@": 1.3, "lifeboat-verify@": 1.2, "lifeboat-copy@": 1.2, "lifeboat-backup": 2.1}

// units puts all units in a directory, with the program as make static builds
// it in place of the one that is installed, and returns their paths.
func units(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob("systemd/*.*")
	if err != nil {
		t.Fatal(err)
	}
	var copies []string
	for _, path := range paths {
		if ext := filepath.Ext(path); ext == ".service" || ext == ".timer" {
			copies = append(copies, filepath.Join(dir, filepath.Base(path)))
			write(t, copies[len(copies)-1], strings.ReplaceAll(docstest.Read(t, path), "/usr/local/bin/lifeboat", program(t)), 0o644)
		}
	}
	return copies
}

// verifies checks units with systemd itself, which only warns of what it does
// not know.
func verifies(t *testing.T, units ...string) {
	t.Helper()
	output := runs(t, "", "systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, units...)...)
	if output != "" {
		t.Error(output)
	}
}

func TestUnits(t *testing.T) {
	all := units(t, t.TempDir())
	verifies(t, all...)
	for name, level := range exposure {
		t.Run(name, func(t *testing.T) {
			if !slices.Contains(all, filepath.Join(filepath.Dir(all[0]), name+".timer")) {
				t.Error("it has no timer")
			}
			service := "systemd/" + name + ".service"
			runs(t, "", "systemd-analyze", "security", "--no-pager", "--offline=true", fmt.Sprintf("--threshold=%.0f", level*10), service)
			if says := fmt.Sprintf("`%s` at %.1f", name, level); !strings.Contains(docstest.Read(t, "systemd/README.md"), says) {
				t.Errorf("the README does not say %s", says)
			}
			u := parseUnit(t, service)
			checkExits(t, u)
			if backup := strings.HasPrefix(name, "lifeboat-backup"); backup && u.only(t, "KillMode") != "mixed" {
				t.Error("a stop kills --run-after")
			}
			// Units of several users cannot share one directory.
			if backup := strings.HasPrefix(name, "lifeboat-backup"); backup && (u.only(t, "CacheDirectory") != "%N" || u.only(t, "CacheDirectoryMode") != "0700") || !backup && u["CacheDirectory"] != nil {
				t.Errorf("its cache is %q, mode %q", u["CacheDirectory"], u["CacheDirectoryMode"])
			}
		})
	}
	if len(all) != 2*len(exposure) {
		t.Errorf("units that no test knows: %v", all)
	}
}

// checkExits checks that a unit fails at each failure, so that OnFailure= tells
// of it. With Restart= it would do so only after StartLimitBurst= starts within
// StartLimitIntervalSec=, and runs that take their time never get there.
func checkExits(t *testing.T, u unit) {
	t.Helper()
	for setting := range u {
		if strings.HasPrefix(setting, "Restart") || strings.HasPrefix(setting, "StartLimit") {
			t.Errorf("%s=%q", setting, u[setting])
		}
	}
	if u.only(t, "SuccessExitStatus") != "143" {
		t.Errorf("success %s", u.only(t, "SuccessExitStatus"))
	}
}

// TestUnitCommands runs what the services run, with what they set, and looks
// whether the kernel would have let them. Notices to the URL in app.env, and
// metrics in the file there, are of the backup alone.
func TestUnitCommands(t *testing.T) {
	etc, data, bucket := t.TempDir(), filepath.Join(t.TempDir(), "app"), filepath.Join(t.TempDir(), "bucket")
	newDatabase(t, filepath.Join(data, "app.db"))
	notices := newNotices(t)
	settings := strings.NewReplacer("/var/lib/app", data, "s3://my-bucket/app", "file://"+bucket,
		"#LIFEBOAT_PING_URL", "LIFEBOAT_PING_URL", "https://hc-ping.com", notices.URL).Replace(docstest.Read(t, "systemd/app.env"))
	metrics := filepath.Join(data, "lifeboat.prom")
	write(t, filepath.Join(etc, "app.env"), settings+"LIFEBOAT_METRICS_FILE="+metrics+"\n", 0o600)
	write(t, filepath.Join(etc, "app.restore.env"), docstest.Read(t, "systemd/app.restore.env")+"LIFEBOAT_SQL='SELECT balance = 42 FROM account'\n", 0o600)
	second := filepath.Join(t.TempDir(), "second")
	write(t, filepath.Join(etc, "app.copy.env"), strings.ReplaceAll(docstest.Read(t, "systemd/app.copy.env"), "s3://second-bucket/app", "file://"+second), 0o600)
	write(t, filepath.Join(etc, "app.aws.config"), "[profile second]\n", 0o600)
	write(t, filepath.Join(etc, "lifeboat.env"), "LIFEBOAT_ALWAYS=true\n", 0o600)
	write(t, filepath.Join(etc, "lifeboat.yaml"), fmt.Sprintf("databases: [{path: %s/app.db, url: 'file://%s'}]\n", data, bucket), 0o600)
	for _, step := range []struct {
		service, says string
		snapshots     int
	}{
		{"lifeboat-backup@", "uploaded: ", 1},
		{"lifeboat-verify@", "SELECT balance = 42", 1},
		{"lifeboat-copy@", "copied: 1 snapshots", 1},
		{"lifeboat-backup", "uploaded: ", 2},
	} {
		u := parseUnit(t, "systemd/"+step.service+".service")
		output := u.start(t, program(t), etc)
		if got := snapshots(t, bucket); !strings.Contains(output, step.says) || got != step.snapshots {
			t.Errorf("%s: %d snapshots: %s", step.service, got, output)
		}
	}
	if got := snapshots(t, second); got != 1 {
		t.Errorf("%d snapshots were copied", got)
	}
	if got := notices.got(); !slices.Equal(got, []string{"/your-uuid/start", "/your-uuid"}) {
		t.Errorf("notices: %q", got)
	}
	if got := docstest.Read(t, metrics); !strings.Contains(got, "lifeboat_backup_last_exit_code") || strings.Contains(got, "lifeboat_verify") {
		t.Errorf("metrics: %s", got)
	}
}

// Secrets can be credentials of systemd's: the lines for them are there, in comments. The
// files of settings set none of their variables.
func TestUnitCredentials(t *testing.T) {
	etc, data := t.TempDir(), filepath.Join(t.TempDir(), "app")
	newDatabase(t, filepath.Join(data, "app.db"))
	notices := newNotices(t)
	bucket := "file://" + filepath.Join(t.TempDir(), "bucket")
	write(t, filepath.Join(etc, "app.env"), "DB="+data+"/app.db\nBUCKET_URL="+bucket+"\n", 0o600)
	for _, name := range []string{"app.restore.env", "app.copy.env"} {
		text := strings.ReplaceAll(docstest.Read(t, "systemd/"+name), "\nLIFEBOAT_PING_URL_FILE=\n", "\n") // as the README says
		write(t, filepath.Join(etc, name), strings.ReplaceAll(text, "s3://second-bucket/app", "file://"+filepath.Join(t.TempDir(), "second")), 0o600)
	}
	write(t, filepath.Join(etc, "lifeboat.env"), "LIFEBOAT_ALWAYS=true\n", 0o600)
	write(t, filepath.Join(etc, "lifeboat.yaml"), fmt.Sprintf("databases: [{path: %s/app.db, url: '%s'}]\n", data, bucket), 0o600)
	for _, name := range []string{"lifeboat-backup@", "lifeboat-backup", "lifeboat-verify@", "lifeboat-copy@"} {
		text := regexp.MustCompile(`(?m)^#(LoadCredential=|Environment=)`).ReplaceAllString(docstest.Read(t, "systemd/"+name+".service"), "$1")
		path := filepath.Join(t.TempDir(), name+".service")
		write(t, path, strings.ReplaceAll(text, "/usr/local/bin/lifeboat", program(t)), 0o644)
		verifies(t, path)
		write(t, path, text, 0o644)
		u := parseUnit(t, path)
		want, variables := []string{"/your-uuid/start", "/your-uuid"}, 0
		for _, credential := range u["LoadCredential"] {
			_, file, _ := strings.Cut(credential, ":")
			content := "[default]\naws_access_key_id = id\naws_secret_access_key = key\n"
			if strings.HasSuffix(file, ".ping-url") {
				content = notices.URL + "/your-uuid\n"
			} else if strings.HasSuffix(file, ".config") {
				content = "[profile second]\n"
			}
			write(t, filepath.Join(etc, filepath.Base(file)), content, 0o600)
		}
		for _, variable := range u["Environment"] {
			if strings.Contains(variable, "_FILE=%d/") {
				variables++
			}
		}
		if variables != 2 {
			t.Errorf("%s: credentials %q, variables %q", name, u["LoadCredential"], u["Environment"])
		}
		before := len(notices.got())
		u.start(t, program(t), etc)
		if got := notices.got()[before:]; !slices.Equal(got, want) {
			t.Errorf("%s: notices %q, want %q", name, got, want)
		}
	}
}

// TestUnitHooks has a program become another user and signal a process, with what the
// document's drop-in adds.
func TestUnitHooks(t *testing.T) {
	dropIn, system := docstest.Blocks(t, "docs/databases.md", "ini")[0], t.TempDir()
	units(t, system)
	service := filepath.Join(system, "lifeboat-backup.service")
	write(t, service+".d/hooks.conf", dropIn, 0o644)
	verifies(t, service)
	merged := filepath.Join(t.TempDir(), "merged")
	write(t, merged, docstest.Read(t, service)+dropIn, 0o644)
	u, calls := parseUnit(t, merged), filepath.Join(t.TempDir(), "calls")
	capabilities := "-all"
	for _, name := range strings.Fields(strings.Join(u["CapabilityBoundingSet"], " ")) {
		capabilities += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
	}
	runs(t, "", "setpriv", "--bounding-set", capabilities, "strace", "-f", "-o", calls,
		"sh", "-c", "setpriv --reuid 1 --regid 1 --clear-groups sh -c 'echo $$; exec sleep 20' | { read pid; kill $pid; }")
	u.checkCalls(t, docstest.Read(t, calls))
}

// TestUnitDocument runs the commands of the README, but for those of systemctl,
// and has systemd look at the drop-in.
func TestUnitDocument(t *testing.T) {
	needs.Time(t) // it makes the program
	dir := t.TempDir()
	write(t, filepath.Join(dir, "bin/systemctl"), "#!/bin/sh\necho \"systemctl $*\" >>"+dir+"/log\n", 0o755)
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	system := filepath.Join(dir, "units")
	if err := os.Mkdir(system, 0o755); err != nil {
		t.Fatal(err)
	}
	testCommands(t, "systemd/README.md", "/usr/local/bin", filepath.Join(dir, "bin"), "/etc/systemd/system", system, "/etc/lifeboat", filepath.Join(dir, "etc"))
	runs(t, "", filepath.Join(dir, "bin/lifeboat"), "version")
	units(t, system) // the same, but for the path of the program
	verifies(t, filepath.Join(system, "lifeboat-backup@shop.service"))
	for _, unit := range regexp.MustCompile(`lifeboat-[^ \n]+`).FindAllString(docstest.Read(t, filepath.Join(dir, "log")), -1) {
		name, kind, isTimer := strings.Cut(unit, ".")
		if !isTimer {
			kind = "service"
		}
		if _, err := os.Stat(filepath.Join(system, strings.TrimSuffix(name, "app")+"."+kind)); err != nil {
			t.Errorf("systemctl is asked for %s: %v", unit, err)
		}
	}
}

// A unit has the values of each setting, in their order.
type unit map[string][]string

// parseUnit reads as much of systemd's language as the units speak.
func parseUnit(t *testing.T, path string) unit {
	t.Helper()
	u := unit{}
	for _, line := range strings.Split(docstest.Read(t, path), "\n") {
		if key, value, found := strings.Cut(line, "="); found && !strings.HasPrefix(line, "#") {
			u[key] = append(u[key], strings.ReplaceAll(value, "%i", "app"))
		}
	}
	return u
}

func (u unit) only(t *testing.T, key string) string {
	t.Helper()
	if len(u[key]) != 1 {
		t.Fatalf("%s= is %q", key, u[key])
	}
	return u[key][0]
}

// start runs ExecStart= as systemd does, with etc in place of /etc/lifeboat,
// and returns what it prints.
func (u unit) start(t *testing.T, program, etc string) string {
	t.Helper()
	credentials := t.TempDir()
	environment := map[string]string{"CREDENTIALS_DIRECTORY": credentials}
	for _, credential := range u["LoadCredential"] {
		name, path, _ := strings.Cut(credential, ":")
		write(t, filepath.Join(credentials, name), docstest.Read(t, strings.Replace(path, "/etc/lifeboat", etc, 1)), 0o400)
	}
	var lines []string
	for _, line := range u["Environment"] {
		lines = append(lines, strings.ReplaceAll(line, "%d", credentials))
	}
	for _, path := range u["EnvironmentFile"] {
		path = strings.Replace(path, "/etc/lifeboat", etc, 1) // none may be missing
		lines = append(lines, strings.Split(docstest.Read(t, path), "\n")...)
	}
	for _, line := range lines {
		if name, value, found := strings.Cut(line, "="); found && !strings.HasPrefix(line, "#") {
			environment[name] = strings.Trim(value, "'")
		}
	}
	calls := filepath.Join(t.TempDir(), "calls")
	arguments := []string{"-f", "-o", calls}
	for _, word := range strings.Fields(u.only(t, "ExecStart")) {
		word = strings.NewReplacer("/usr/local/bin/lifeboat", program, "/usr/bin/lifeboat", program, "/etc/lifeboat", etc).Replace(word)
		arguments = append(arguments, os.Expand(word, func(name string) string { return environment[name] }))
	}
	if u["CacheDirectory"] != nil {
		cache := t.TempDir()
		environment["CACHE_DIRECTORY"] = cache
		defer checkCache(t, cache)
	}
	command := exec.Command("strace", arguments...)
	for name, value := range environment {
		command.Env = append(command.Env, name+"="+value)
	}
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", arguments, err, output)
	}
	u.checkCalls(t, docstest.Read(t, calls))
	return string(output)
}

// checkCalls checks that SystemCallFilter= lets all calls pass that a run made.
func (u unit) checkCalls(t *testing.T, trace string) {
	t.Helper()
	allowed := map[string]bool{}
	for _, filter := range u["SystemCallFilter"] {
		names, denies := strings.CutPrefix(filter, "~")
		for _, name := range strings.Fields(names) {
			for _, call := range calls(t, name) {
				allowed[call] = !denies
			}
		}
	}
	// SQLite hands files to the owner of the database as root alone, as the
	// tests may be but the other services are not.
	for _, call := range calls(t, "@chown") {
		allowed[call] = true
	}
	made := map[string]bool{}
	for _, call := range regexp.MustCompile(`(?m)^[0-9]+ +([a-z0-9_]+)\(`).FindAllStringSubmatch(trace, -1) {
		made[call[1]] = true
	}
	if len(made) < 20 {
		t.Fatalf("only these calls were seen: %v", made)
	}
	for _, call := range slices.Sorted(maps.Keys(made)) {
		if !allowed[call] {
			t.Errorf("the filter %q lets no %s pass", u["SystemCallFilter"], call)
		}
	}
}

// calls returns the system calls that a name of systemd's stands for.
func calls(t *testing.T, name string) []string {
	t.Helper()
	if !strings.HasPrefix(name, "@") {
		return []string{name}
	}
	var all []string
	for _, line := range strings.Split(runs(t, "", "systemd-analyze", "syscall-filter", "--no-pager", name), "\n") {
		if member, indented := strings.CutPrefix(line, "    "); indented && !strings.HasPrefix(member, "#") {
			all = append(all, calls(t, member)...)
		}
	}
	if len(all) == 0 {
		t.Fatalf("%s has no calls", strconv.Quote(name))
	}
	return all
}
