package main

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A shownPage is a page as a browser has it, read with nothing of the program's own.
type shownPage struct {
	blocks  []shownBlock // in the order of the page, but for what is in drawings
	figures []shownFigure
}

// A shownBlock is an element with text that has no such element in it.
type shownBlock struct {
	element string // td stands for the head of a row, too
	text    string
}

// A shownFigure is a drawing and what is below it.
type shownFigure struct {
	labels  []shownLabel
	boxes   []map[string]string // attributes of rect
	paths   map[string]string   // what is drawn, by its class
	label   string              // for those who do not see it
	caption string
}

type shownLabel struct {
	x, y   float64
	anchor string
	text   string
}

var blockElements = []string{"title", "h1", "h2", "h3", "p", "dt", "dd", "li", "caption", "figcaption", "th", "td"}

// parsePage reads a page.
func parsePage(t *testing.T, page string) shownPage {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var p shownPage
	var open *shownBlock // with text to come
	var figure *shownFigure
	var drawn *shownLabel
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatalf("the page is not well formed: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			name, has := token.Name.Local, map[string]string{}
			for _, a := range token.Attr {
				has[a.Name.Local] = a.Value
			}
			switch {
			case name == "figure":
				figure = &shownFigure{paths: map[string]string{}}
			case name == "text":
				drawn = &shownLabel{x: float(t, has["x"]), y: float(t, has["y"]), anchor: has["text-anchor"]}
			case name == "rect" && has["x"] != "":
				figure.boxes = append(figure.boxes, has)
			case name == "path":
				figure.paths[has["class"]] += has["d"]
			case name == "svg" && has["role"] == "img":
				figure.label = has["aria-label"]
			case slices.Contains(blockElements, name):
				if name == "th" && has["scope"] == "row" {
					name = "td"
				}
				open = &shownBlock{element: name}
			}
		case xml.CharData:
			switch {
			case drawn != nil:
				drawn.text += string(token)
			case open != nil:
				open.text += string(token)
			case regexp.MustCompile(`\d`).Match(token) && !strings.Contains(string(token), ":root"):
				t.Errorf("a number in no block: %s", token)
			}
		case xml.EndElement:
			switch name := token.Name.Local; {
			case name == "figure":
				p.figures, figure = append(p.figures, *figure), nil
			case name == "text":
				figure.labels, drawn = append(figure.labels, *drawn), nil
			case open != nil && (name == open.element || name == "th"):
				open.text = strings.Join(strings.Fields(open.text), " ")
				if name == "figcaption" {
					figure.caption = open.text
				}
				p.blocks, open = append(p.blocks, *open), nil
			}
		}
	}
}

// numberTokens returns the words of a text that have a digit in them, with their units.
func numberTokens(text string) string {
	var found []string
	words := strings.Fields(text)
	for i, word := range words {
		if word = strings.Trim(word, "(),;."); !strings.ContainsAny(word, "0123456789") {
			continue
		}
		if i+1 < len(words) {
			if unit := strings.Trim(words[i+1], "(),;."); slices.Contains([]string{"B", "KiB", "MiB", "GiB", "UTC", "CHF"}, unit) {
				word += " " + unit
			}
		}
		found = append(found, word)
	}
	return strings.Join(found, " | ")
}

// compare holds a page against what it should say: every cell of a table, and every
// sentence with a number in it.
func (p shownPage) compare(t *testing.T, w *reportTruth) {
	t.Helper()
	claims := w.claims
	for _, b := range p.blocks {
		if b.element != "td" && numberTokens(b.text) == "" {
			continue
		}
		if len(claims) == 0 {
			t.Fatalf("the page says more than was computed: %s: %s", b.element, b.text)
		}
		claim := claims[0]
		claims = claims[1:]
		matches := func(want string) bool {
			return want == b.text || b.element != "td" && numberTokens(want) == numberTokens(b.text)
		}
		if !slices.ContainsFunc(w.moments(), func(now reportTime) bool { return matches(claim(now)) }) {
			t.Fatalf("%s: %q, want %q or so", b.element, b.text, claim(w.moments()[0]))
		}
	}
	if len(claims) > 0 {
		t.Errorf("the page does not say %q, and %d more", claims[0](w.moments()[0]), len(claims)-1)
	}
}
