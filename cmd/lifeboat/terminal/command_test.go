package terminal

import (
	"os/exec"
	"strings"
	"testing"
)

func TestFitCommand(t *testing.T) {
	for _, c := range []struct {
		width      int
		text, want string
	}{
		{40, "take that: lifeboat list s3://bucket/app", "take that: lifeboat list s3://bucket/app"},
		{39, "take that: lifeboat list s3://bucket/app", "take that:\n  lifeboat list s3://bucket/app"},
		{24, "that: lifeboat restore s3://b/app 'a b c.db' --replace", "that:\n  lifeboat restore \\\n    s3://b/app \\\n    'a b c.db' \\\n    --replace"},
	} {
		if got := Fit(c.text, c.width); got != c.want {
			t.Errorf("%q in %d columns: %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

// A shell takes a command that was wrapped as it takes the whole one.
func TestFitCommandCanBePasted(t *testing.T) {
	arguments := []string{"lifeboat", "restore", "s3://bucket/app"}
	for _, n := range append(names, struct{ text, printed string }{text: "it's  two"}) {
		arguments = append(arguments, Quote(n.text))
	}
	command := strings.Join(arguments, " ")
	want, err := exec.Command("bash", "-c", `printf '%s|' `+command).Output()
	if err != nil {
		t.Fatal(err)
	}
	for width := 1; width < 80; width += 3 {
		wrapped := Fit("hint: try: "+command, width)
		if _, wrapped, _ = strings.Cut(wrapped, "try:"); !strings.Contains(wrapped, " \\\n") {
			t.Fatalf("not wrapped: %q", wrapped)
		}
		got, err := exec.Command("bash", "-c", `printf '%s|' `+strings.TrimSpace(wrapped)).Output()
		if err != nil || string(got) != string(want) {
			t.Errorf("%d columns: %q gives %q, not %q: %v", width, wrapped, got, want, err)
		}
	}
}

// A hint that begins with a command is a sentence.
func TestFitHint(t *testing.T) {
	const hint = "hint: lifeboat list URL shows what there is; all series: lifeboat series s3://bucket"
	if got, want := Fit(hint, 60), "hint: lifeboat list URL shows what there is; all series:\n  lifeboat series s3://bucket"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
