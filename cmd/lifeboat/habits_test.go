package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// What the table of habits leads to exists, and what it leads away from does not.
func TestHabits(t *testing.T) {
	parser, err := newParser(t.Context(), &console{}, &program{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	err = kong.Visit(parser.Model, func(node kong.Visitable, next kong.Next) error {
		switch n := node.(type) {
		case *kong.Node:
			if n.Parent != nil && n.Parent.Parent == nil {
				names = append(names, n.Name)
			}
		case *kong.Flag:
			names = append(names, "--"+n.Name)
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	for word, meant := range habits {
		if !strings.HasPrefix(word, "-") && slices.Contains(names, word) {
			t.Errorf("%s is a command", word)
		}
		for _, name := range meant {
			isName := strings.HasPrefix(name, "-") || !strings.HasPrefix(word, "-")
			if isName && !slices.Contains(names, name) {
				t.Errorf("%s: there is no %s", word, name)
			}
		}
	}
}

func TestUnknownVariables(t *testing.T) {
	parser, err := newParser(t.Context(), &console{}, &program{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"LIFEBOAT_MAX_RATE": "", "LIFEBOAT_SNAPSHOT": "", "LIFEBOAT_SSE_CUSTOMER_KEY": "", "LIFEBOAT_PUSHGATEWAY_PASSWORD": "", "LIFEBOAT_PING_URL_FILE": "", "LIFEBOAT_SSE_CUSTOMER_KEY_FILE": "",
		"LIFEBOAT_LOG_FORMAT": "", "LIFEBOAT": "", "MY_LIFEBOAT_X": "", "lifeboat_max_rate": "", "LIFEBOATS_X": "",
		// A pod beside a Service named lifeboat-web.
		"LIFEBOAT_WEB_SERVICE_HOST": "", "LIFEBOAT_WEB_SERVICE_PORT": "", "LIFEBOAT_WEB_SERVICE_PORT_HTTP": "", "LIFEBOAT_WEB_PORT": "",
		"LIFEBOAT_WEB_PORT_80_TCP": "", "LIFEBOAT_WEB_PORT_80_TCP_ADDR": "", "LIFEBOAT_WEB_PORT_80_TCP_PROTO": "",
		"LIFEBOAT_MAXRATE": "did you mean LIFEBOAT_MAX_RATE?", "LIFEBOAT_RETRYFOR": "did you mean LIFEBOAT_RETRY_FOR?", "LIFEBOAT_TEMPDIR": "did you mean LIFEBOAT_TEMP_DIR?",
		"LIFEBOAT_YES": "changes nothing", "LIFEBOAT_XYZZY": "changes nothing",
		"LIFEBOAT_MAX_RATE_FILE": "changes nothing",
	} {
		got := strings.Join(unknownVariables(parser.Model, []string{name + "=secret"}), "; ")
		if (got == "") != (want == "") || !strings.Contains(got, want) || strings.Contains(got, "secret") {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
