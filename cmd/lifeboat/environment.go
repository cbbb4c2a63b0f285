package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/hooks"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/reports"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/secrets"
)

// unsetEmpty has empty variables count as unset: that is how optional settings
// look in many a deployment.
func unsetEmpty() error {
	for _, setting := range os.Environ() {
		if name, value, _ := strings.Cut(setting, "="); strings.HasPrefix(name, envPrefix+"_") && value == "" {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// serviceLink matches the variables that Kubernetes sets in every pod for a Service
// whose name begins with lifeboat.
var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// unknownVariables returns a warning for each variable that looks like a setting of
// Lifeboat's and is none.
func unknownVariables(model *kong.Application, environ []string) []string {
	var known []string
	for _, name := range []string{customerKey, reports.PushgatewayUser, reports.PushgatewayPassword} {
		known = append(known, name, name+secrets.FileSuffix)
	}
	err := kong.Visit(model, func(node kong.Visitable, next kong.Next) error {
		if flag, ok := node.(*kong.Flag); ok {
			known = append(known, flag.Envs...)
			if file := secretFile(flag); file != "" {
				known = append(known, file)
			}
		}
		return next(nil)
	})
	if err != nil {
		return nil // the visitor has no errors of its own
	}
	var warnings []string
	for _, setting := range environ {
		name, _, _ := strings.Cut(setting, "=")
		if !strings.HasPrefix(name, envPrefix+"_") || strings.HasPrefix(name, hooks.VariablePrefix) || serviceLink.MatchString(name) || slices.Contains(known, name) {
			continue
		}
		text := fmt.Sprintf("the variable %s is no setting and changes nothing", name)
		if near := nearest(name, known); near != "" {
			text += ": did you mean " + near + "?"
		}
		warnings = append(warnings, text)
	}
	slices.Sort(warnings)
	return warnings
}

// nearest returns the known name that a slip of the finger may have made word of, ""
// for none.
func nearest(word string, known []string) string {
	plain := func(name string) string {
		return strings.Trim(strings.ToLower(strings.ReplaceAll(name, "_", "-")), "-")
	}
	word = strings.TrimPrefix(plain(word), strings.ToLower(envPrefix)+"-")
	best, distance := "", len(word)/4+2
	for _, name := range known {
		if d := levenshtein.ComputeDistance(word, strings.TrimPrefix(plain(name), strings.ToLower(envPrefix)+"-")); d < distance {
			best, distance = name, d
		}
	}
	return best
}
