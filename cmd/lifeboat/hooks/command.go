package hooks

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// A Command is a program and its arguments. No shell sees them.
type Command []string

// UnmarshalText implements encoding.TextUnmarshaler. Spaces part the words, and quotes,
// single or double, keep one together. Nothing else has a meaning of its own.
func (c *Command) UnmarshalText(text []byte) error {
	words, err := split(string(text))
	if err != nil {
		return err
	}
	*c = words
	return c.Check()
}

// Check returns what is wrong with a command.
func (c Command) Check() error {
	switch {
	case len(c) == 0 || c[0] == "":
		return errors.New("it names no program")
	case strings.Contains(c[0], "/") && !filepath.IsAbs(c[0]):
		return fmt.Errorf("%s: name a program by its whole path, or one that PATH finds", c[0])
	}
	return nil
}

// Schema describes the values in a file of databases: a list of words, or a text.
func (Command) Schema() map[string]any {
	word := map[string]any{"type": []any{"string", "number", "boolean"}}
	return map[string]any{"anyOf": []any{
		map[string]any{"type": "string", "pattern": `\S`},
		map[string]any{"type": "array", "items": word, "minItems": 1},
	}}
}

// split returns the words of a text.
func split(text string) (words []string, err error) {
	var word strings.Builder
	begun, quote := false, rune(0)
	for _, r := range text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			begun, quote = true, r
		case strings.ContainsRune(" \t\r\n", r):
			if begun {
				words = append(words, word.String())
			}
			begun = false
			word.Reset()
		default:
			begun = true
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a %c is without its other half", quote)
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}
