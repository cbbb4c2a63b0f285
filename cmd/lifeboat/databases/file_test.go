package databases

import (
	"strings"
	"testing"
)

func TestExpandEnvironment(t *testing.T) {
	environment := map[string]string{"A": "1", "B_2": "${A}{name}"}
	for text, want := range map[string]string{
		"": "", "plain $A $ {A}": "plain $A $ {A}", "${A}": "1", "x${A}y${A}": "x1y1", "${B_2}": "${A}{name}", "$${A}": "${A}", "$$${A}": "$${A}",
		"${": "", "${}": "", "${A": "", "${A-x}": "", "${2}": "", "${C}": "", "${ A}": "",
	} {
		got, err := expandEnvironment(text, func(name string) string { return environment[name] })
		if wrong := want == "" && text != ""; wrong != (err != nil) || !wrong && got != want {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"max-rate", "method", "name", "path", "url"}
	for name, want := range map[string]string{
		"max-rte": "max-rate", "max_rate": "max-rate", "MaxRate": "max-rate", "Name": "name", "names": "name", "patj": "path", "uri": "url",
		"retention": "", "x": "", "": "",
	} {
		advice := didYouMean(name, known)
		if found := strings.HasPrefix(advice, "did you mean"); found != (want != "") || !strings.Contains(advice, want) {
			t.Errorf("%q: %s", name, advice)
		}
	}
}
