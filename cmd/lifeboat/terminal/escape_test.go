package terminal

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/lifeboat-sqlite/lifeboat/snapshot"
)

// names are what an attacker may choose, each with how it is printed.
var names = []struct{ text, printed string }{
	{"", ""},
	{"größe 数 é\u0301 🙂 a\\b", "größe 数 é\u0301 🙂 a\\b"},
	{"a\nerror: b", `a\nerror: b`},                  // a line of its own
	{"a\tb", `a\tb`},                                // a cell of its own
	{"\x1b[2J", `\x1b[2J`},                          // erases the screen
	{"\x1b]0;t\x07", `\x1b]0;t\a`},                  // sets a title
	{"\u009b2J", `\u009b2J`},                        // erases it in the way of C1
	{"\x1b[8m\x1b[31m", `\x1b[8m\x1b[31m`},          // conceals and colours
	{"\u202egnp\u2066", `\u202egnp\u2066`},          // reads backwards
	{"\u200b\ufeff\x7f", `\u200b\ufeff\x7f`},        // shows nothing
	{"\u00a0\U000e0041z", `\u00a0\U000e0041z`},      // looks like a space, or like less
	{"\xff", `\xff`}, {"\uFFFD\xc3", "\uFFFD\\xc3"}, // not UTF-8
}

func TestPrintable(t *testing.T) {
	for _, n := range names {
		if got := Printable(n.text); got != n.printed {
			t.Errorf("%q: %q, want %q", n.text, got, n.printed)
		}
		if got := Sprintf("%s|%v|%s|%d", n.text, errors.New(n.text), snapshot.ID(n.text), 7); got != n.printed+"|"+n.printed+"|"+n.printed+"|7" {
			t.Errorf("%q as arguments: %q", n.text, got)
		}
	}
	lines := "\x1b[31mred\x1b[0m\n"
	if got := PrintableLines(lines + "\x1b[8m\r\x1b[31"); got != lines+`\x1b[8m\r\x1b[31` {
		t.Errorf("lines: %q", got)
	}
}

func TestPrintableJSON(t *testing.T) {
	for _, n := range names {
		var document, log strings.Builder
		for _, w := range []io.Writer{&document, JSONLog{&log}} {
			if err := json.NewEncoder(w).Encode(map[string]string{"a": ValidText(n.text)}); err != nil {
				t.Fatal(err)
			}
		}
		if printed := PrintableJSON(document.String()); printed != log.String() || PrintableLines(printed) != printed {
			t.Errorf("%q", printed)
		}
		var got map[string]string
		want := strings.NewReplacer("\xff", `\xff`, "\xc3", `\xc3`)
		if n.printed == n.text {
			want = strings.NewReplacer()
		}
		if err := json.Unmarshal([]byte(log.String()), &got); err != nil || got["a"] != want.Replace(n.text) {
			t.Errorf("%q: %q, %v", n.text, got["a"], err)
		}
	}
}

// A shell takes back what quote returns, whatever it is.
func TestQuoteForShell(t *testing.T) {
	for _, text := range []string{"plain", "it's", `back\slash`, "caf\xe9's\\"} {
		takesBack(t, text)
	}
	for _, n := range names {
		takesBack(t, n.text)
	}
}

func takesBack(t *testing.T, text string) {
	t.Helper()
	out, err := exec.Command("bash", "-c", "printf %s "+Quote(text)).Output()
	if err != nil || string(out) != text || Printable(Quote(text)) != Quote(text) {
		t.Errorf("%q: %s gives %q, %v", text, Quote(text), out, err)
	}
}
