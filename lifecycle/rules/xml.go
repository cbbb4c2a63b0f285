package rules

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// lostIn returns what of a lifecycle configuration, as a store sent it, would be
// gone if the rules that were read from it were written back: elements that
// s3Rule does not have.
func lostIn(sent []byte, read []s3Rule) ([]string, error) {
	before, err := leaves(sent)
	if err != nil {
		return nil, fmt.Errorf("read the bucket's lifecycle configuration: %w", err)
	}
	written, err := toXML(read)
	if err != nil {
		return nil, err
	}
	after, err := leaves(written)
	if err != nil {
		return nil, err
	}
	kept := map[string]int{}
	for _, leaf := range after {
		kept[leaf]++
	}
	var lost []string
	for _, leaf := range before {
		if kept[leaf]--; kept[leaf] < 0 {
			lost = append(lost, leaf)
		}
	}
	return lost, nil
}

// canonical returns one text for rules that mean the same.
func canonical(rules ...s3Rule) string {
	var normalized []s3Rule
	for _, r := range rules {
		normalized = append(normalized, normal(r))
	}
	text, err := toXML(normalized)
	if err != nil {
		return "invalid: " + err.Error() // equal to no rule that a store has, but to one that is invalid in the same way
	}
	return string(text)
}

// maxDepth bounds the nesting of a lifecycle configuration: a tag of a rule is
// six deep.
const maxDepth = 20

// leaves returns the content of a document: its elements without elements in them,
// as LifecycleConfiguration/Rule[2]/Expiration[1]/Days[1]=30, and, which
// no store is known to send, text beside elements, and attributes. Names are
// without namespaces, and times are all written in one way.
func leaves(document []byte) ([]string, error) {
	type element struct {
		path  string
		count map[string]int
		text  strings.Builder
	}
	var found []string
	stack := []*element{{count: map[string]int{}}}
	decoder := xml.NewDecoder(bytes.NewReader(document))
	for {
		token, err := decoder.Token()
		if err == io.EOF && len(stack) == 1 {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch token := token.(type) {
		case xml.StartElement:
			name := token.Name.Local
			top.count[name]++
			path := strings.TrimPrefix(fmt.Sprintf("%s/%s[%d]", top.path, name, top.count[name]), "/")
			for _, a := range token.Attr {
				if a.Name.Local != "xmlns" && a.Name.Space != "xmlns" {
					found = append(found, path+"/@"+a.Name.Local+"="+a.Value)
				}
			}
			if len(stack) > maxDepth {
				return nil, fmt.Errorf("elements are nested deeper than %d", maxDepth)
			}
			stack = append(stack, &element{path: path, count: map[string]int{}})
		case xml.CharData:
			top.text.Write(token)
		case xml.EndElement:
			if text := top.text.String(); len(top.count) == 0 || strings.TrimSpace(text) != "" {
				found = append(found, top.path+"="+normalText(text))
			}
			stack = stack[:len(stack)-1]
		}
	}
}

// normalText returns a leaf's text, without what two writers may do differently.
func normalText(text string) string {
	if t, err := time.Parse(time.RFC3339, strings.TrimSpace(text)); err == nil {
		return t.UTC().Format(time.RFC3339)
	}
	return text
}
