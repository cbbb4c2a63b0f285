package roff_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/roff"
)

// Every character comes out as it went in, and groff has no complaint.
func TestPage(t *testing.T) {
	hard := []string{".TH is no request", "'nor this", `a\b "c" 'd' ` + "`e` ^f ~g --h %i", `SELECT '\.' || "x"`}
	p := roff.New("a-page", "1", `lifeboat 1.2.3-rc.1`)
	p.Section("name")
	p.Line("a-page - a page")
	p.Section("options")
	p.Subsection("more")
	for _, text := range hard {
		p.Text(text)
		p.Item("--name="+text, text)
	}
	p.Verbatim("  first\n\n  .second\n")
	command := exec.Command("groff", "-ww", "-man", "-Tascii", "-P-cbou", "-rLL=200n")
	command.Stdin = strings.NewReader(p.String())
	var complaints strings.Builder
	command.Stderr = &complaints
	text, err := command.Output()
	if err != nil || complaints.Len() > 0 {
		t.Fatalf("%v: make tools-check installs groff: %s\n%s", err, complaints.String(), p)
	}
	for _, want := range append(hard, "A-PAGE(1)", "lifeboat 1.2.3-rc.1", "NAME", "OPTIONS", "  first\n\n", "  .second\n") {
		if got := strings.Count(string(text), want); got == 0 {
			t.Errorf("no %q in %s", want, text)
		}
	}
}
