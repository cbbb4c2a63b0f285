package evidence

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/upload/testserver/needs"
)

// The page in a browser, in light, in dark and on paper: nothing is wider than the window,
// and axe-core (https://github.com/dequelabs/axe-core) finds nothing that keeps somebody
// from reading it. SCREENSHOTS names a directory to keep pictures in.
func TestBrowser(t *testing.T) {
	needs.Time(t)
	one := pageOf(t, New([]Section{NewSection(example(24*60), terms)}, false, terms))
	broken := NewSection(Input{Name: "other.db", URL: "s3://backups/other", Err: "the store is unreachable"}, terms)
	old := example(30)
	old.Name, old.State, old.Well, old.Drills = "/srv/tenants/acme/data.db", "too old", false, old.Drills[10:11]
	fleet := pageOf(t, New([]Section{NewSection(example(24*60), terms), NewSection(old, terms), broken}, true, terms))
	dark := strings.NewReplacer("(prefers-color-scheme:dark)", "all")
	paper := strings.NewReplacer("(prefers-color-scheme:dark)", "speech", "@media print", "@media all")
	pages := map[string]string{"light": one, "dark": dark.Replace(one), "paper": paper.Replace(one), "fleet": fleet, "fleet-dark": dark.Replace(fleet)}
	for name, wrong := range examine(t, pages) {
		for _, found := range wrong {
			t.Errorf("%s: %s", name, found)
		}
	}
	if dir := os.Getenv("SCREENSHOTS"); dir != "" {
		for name, page := range pages {
			if err := os.WriteFile(filepath.Join(dir, name+".html"), []byte(page), 0o600); err != nil {
				t.Fatal(err)
			}
			chromium(t, page, "--window-size=1100,5000", "--hide-scrollbars", "--screenshot="+filepath.Join(dir, name+".png"))
		}
	}
}

// examine has axe-core look at pages in narrow and wide frames of one window, and returns
// what is wrong in each.
func examine(t *testing.T, pages map[string]string) (wrong map[string][]string) {
	t.Helper()
	policy := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy"[^>]*>`)
	var frames strings.Builder
	want := 0
	for name, page := range pages {
		if !policy.MatchString(page) {
			t.Fatal("the page has no policy against scripts")
		}
		page = strings.Replace(policy.ReplaceAllString(page, ""), "</body>", "<script>"+axe(t)+"</script></body>", 1)
		for _, wide := range []int{360, 1100} {
			if narrow := wide < 1000; narrow && name != "light" && name != "fleet" || !narrow && name == "fleet" {
				continue // the light and the dark pages differ in colours alone
			}
			want++
			fmt.Fprintf(&frames, `<iframe id="%s-%d" width="%d" height="900" srcdoc="%s"></iframe>`, name, wide, wide, html.EscapeString(page))
		}
	}
	const look = `<script>onload = async () => {
		const found = {};
		for (const frame of document.querySelectorAll("iframe")) {
			const page = frame.contentWindow, wrong = found[frame.id] = [];
			try {
				const rules = await page.axe.run(page.document, {resultTypes: ["violations"]});
				for (const v of rules.violations) for (const n of v.nodes) wrong.push(v.id + ": " + v.help + ": " + n.html.slice(0, 300));
				if (rules.passes.length < 10) wrong.push("axe-core ran only " + rules.passes.length + " rules");
				if (page.document.documentElement.scrollWidth > page.innerWidth) wrong.push("it is " + page.document.documentElement.scrollWidth + " pixels wide");
			} catch (e) { wrong.push("" + e) }
		}
		document.body.textContent = JSON.stringify(found);
	}</script>`
	dom := chromium(t, "<!DOCTYPE html><title>pages</title><body>"+frames.String()+look, "--dump-dom", "--virtual-time-budget=60000")
	found := regexp.MustCompile(`(?s)<body>(.*?)</body>`).FindStringSubmatch(dom)
	if found == nil {
		t.Fatalf("the browser says nothing: %.2000s", dom)
	}
	if err := json.Unmarshal([]byte(html.UnescapeString(found[1])), &wrong); err != nil || len(wrong) != want {
		t.Fatalf("%d frames of %d: %v: %.2000s", len(wrong), want, err, found[1])
	}
	return wrong
}

// chromium opens a page and returns what the browser prints.
func chromium(t *testing.T, page string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run",
		"--user-data-dir=" + filepath.Join(dir, "profile")}, flags...)
	command := exec.Command("chromium", append(args, "file://"+file)...)
	var said strings.Builder
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v (make tools-test installs chromium): %s", err, said.String())
	}
	return string(out)
}

// axe returns axe-core, which make tools-test fetches.
func axe(t *testing.T) string {
	t.Helper()
	pinned, err := os.ReadFile(filepath.Join("..", "..", "..", "upload", "testserver", "versions.txt"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^axe-core +(\S+)$`).FindSubmatch(pinned)
	cache, err := os.UserCacheDir()
	if err != nil || version == nil {
		t.Fatalf("version %s, %v", version, err)
	}
	text, err := os.ReadFile(filepath.Join(cache, "lifeboat-test", "axe-core-"+string(version[1]), "axe.min.js"))
	if err != nil {
		t.Fatalf("%v (make tools-test fetches it)", err)
	}
	return string(text)
}
