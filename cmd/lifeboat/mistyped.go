package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/terminal"
	"github.com/lifeboat-sqlite/lifeboat/upload/bucket"
)

// asCommand returns the arguments with the command in front that other programs have
// as a flag, or the other way round.
func asCommand(args []string) []string {
	switch {
	case len(args) == 1 && slices.Contains([]string{"--version", "-v", "-V"}, args[0]):
		return []string{"version"}
	case len(args) > 0 && args[0] == "help":
		return append(slices.Clone(args[1:]), "--help")
	}
	return args
}

// mistyped returns the error of a command line that kong cannot parse, in words for
// people and with a hint.
func mistyped(root *kong.Node, args []string, err error) error {
	command := commandIn(err)
	wrong := usage("%s", withoutSecret(reworded(err.Error())))
	if command == nil {
		command = root
	}
	if isSecret(strings.Join(args, " ")) {
		return withHelp(commandIn(err), wrong)
	}
	if missing := missingIn(command, err); missing != "" {
		return &hinted{usage("%s", missing), exampleOf(command, args)}
	}
	if len(command.Children) > 0 && strings.HasPrefix(err.Error(), "expected ") {
		return withHelp(command, usage("a command is missing: lifeboat %s", commandsOf(command)))
	}
	unexpected := unknown.FindStringSubmatch(err.Error())
	var url *urlError
	hint := ""
	switch {
	case errors.As(err, &url):
		hint = url.hint(command, args)
	case unexpected == nil:
	case unexpected[1] == "flag":
		wrong = usage("unknown flag %s", withoutSecret(unexpected[2])) // the nearest is the hint
		hint = meantFlag(command, spelledOut(unexpected[2], args))
	case len(command.Children) > 0:
		wrong = usage("there is no command %s", unexpected[2])
		hint = meantCommand(command, unexpected[2])
	default:
		wrong = usage("unexpected argument %s", unexpected[2])
		hint = meantArgument(command, unexpected[2], args)
	}
	if hint != "" {
		return &hinted{wrong, hint}
	}
	return withHelp(commandIn(err), wrong)
}

// unknown is kong's error for a word that it does not know.
var unknown = regexp.MustCompile(`(?s)^(?:unexpected|unknown) (argument|flag) (.*?)(?:, did you mean .*)?$`)

// helpFor names the help of a command.
func helpFor(command *kong.Node) string { return "see lifeboat " + commandOf(command) + " --help" }

// exampleOf returns the first example of a command, with the bucket URL that was typed.
func exampleOf(command *kong.Node, args []string) string {
	example, _, _ := strings.Cut(strings.TrimSpace(examples[commandOf(command)]), "\n")
	example, _, _ = strings.Cut(example, "   ")
	if example == "" || strings.HasSuffix(example, `\`) {
		return helpFor(command)
	}
	for _, arg := range args {
		if isURL(arg) && parses(arg) {
			example = strings.Replace(example, "s3://bucket/app", terminal.Quote(arg), 1)
		}
	}
	return "such as: " + example
}

// commandsOf returns a command with the choice of those below it.
func commandsOf(command *kong.Node) string {
	var names []string
	for _, child := range command.Children {
		if !child.Hidden {
			names = append(names, child.Name)
		}
	}
	return strings.TrimSpace(commandOf(command) + " " + strings.Join(names, "|"))
}

// missingIn returns which arguments a command line lacks, "" if that is not what err
// is about.
func missingIn(command *kong.Node, err error) string {
	var missing []string
	for _, argument := range command.Positional {
		if argument.Required && !argument.Set {
			missing = append(missing, argumentName(argument))
		}
	}
	if len(missing) == 0 || !strings.HasPrefix(err.Error(), `expected "<`) {
		return ""
	}
	return missingArguments(command, missing...)
}

// missingArguments returns which arguments are missing, and how the command is typed.
func missingArguments(command *kong.Node, names ...string) string {
	verb := "is"
	if len(names) > 1 {
		verb = "are"
	}
	return fmt.Sprintf("%s %s missing: %s", strings.Join(names, " and "), verb, synopsis(command))
}

// synopsis returns how a command is typed: with the arguments that it needs, or all
// where it can do without any.
func synopsis(command *kong.Node) string {
	words := []string{"lifeboat", commandOf(command)}
	needs := slices.ContainsFunc(command.Positional, func(argument *kong.Positional) bool { return argument.Required })
	for _, argument := range command.Positional {
		if argument.Required || !needs {
			words = append(words, argumentName(argument))
		}
	}
	return strings.Join(words, " ")
}

func argumentName(argument *kong.Positional) string {
	return strings.ToUpper(strings.ReplaceAll(argument.Name, "-", "_"))
}

// spelledOut returns the word of the command line that a flag unknown to kong comes
// from: of -timestamp it names only -t.
func spelledOut(flag string, args []string) string {
	for _, arg := range args {
		name, _, _ := strings.Cut(arg, "=")
		if strings.HasPrefix(name, flag) && !strings.HasPrefix(flag, "--") {
			return name
		}
	}
	return flag
}

var (
	looksLikeDate  = regexp.MustCompile(`^\d{4}-\d\d-\d\d$`)
	looksLikeClock = regexp.MustCompile(`^\d\d?:\d\d`)
)

// meantArgument returns a hint for an argument too many, "" for none.
func meantArgument(command *kong.Node, word string, args []string) string {
	at := slices.Index(args, word)
	takesFile := slices.ContainsFunc(command.Flags, func(flag *kong.Flag) bool { return flag.Name == "config" })
	switch id := idOf(filepath.Base(word)); {
	case takesFile && slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(word)):
		return "did you mean --config " + terminal.Quote(word) + "?"
	case id != "":
		return "a snapshot is chosen by --snapshot " + string(id)
	case at > 0 && looksLikeClock.MatchString(word) && looksLikeDate.MatchString(args[at-1]):
		return fmt.Sprintf("a time with a space in it needs quotes: %q", args[at-1]+" "+word)
	}
	return ""
}

// A urlError is about an argument that is no bucket URL.
type urlError struct {
	text  string
	cause error
}

func (e *urlError) Error() string { return e.cause.Error() }
func (e *urlError) Unwrap() error { return e.cause }

// hint returns what to type instead, "" if that is not known.
func (e *urlError) hint(command *kong.Node, args []string) string {
	above, bare := strings.CutPrefix(strings.ToLower(e.text), "s3://")
	meant := meantURL(e.text)
	switch {
	case !isURL(e.text) && hasOtherThanURL(command) && slices.ContainsFunc(args, isURL):
		return "are the arguments swapped? " + synopsis(command)
	case bare && strings.TrimRight(above, "/") != "" && parses(strings.TrimRight(e.text, "/")+"/prefix"):
		return "lifeboat series " + terminal.Quote(strings.TrimRight(e.text, "/")) + " lists the series in that bucket"
	case isDirectory(e.text):
		path, err := filepath.Abs(e.text)
		if err != nil {
			return ""
		}
		return "for a directory write " + terminal.Quote(bucket.URL{Dir: path}.String())
	case strings.HasPrefix(e.text, "https://"), strings.HasPrefix(e.text, "http://"):
		return "the bucket URL is s3://bucket/prefix; the store's own URL belongs into AWS_ENDPOINT_URL_S3"
	case meant != "":
		return "did you mean " + meant + "?"
	}
	return ""
}

var (
	scheme      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*:/*`)
	manySlashes = regexp.MustCompile(`([^:/])//+`)
)

// meantURL returns the bucket URL, or two, that a text was meant to be, "" if that is not
// clear: one with another scheme or none, with slashes too many or too few, or a query.
func meantURL(text string) string {
	typed := scheme.FindString(text)
	rest, _, _ := strings.Cut(strings.TrimPrefix(text, typed), "?")
	rest = manySlashes.ReplaceAllString(rest, "$1/")
	if strings.EqualFold(typed, "file:/") {
		rest = "/" + rest
	}
	directory := ""
	if path, err := filepath.Abs(rest); err == nil && rest != "" {
		directory = terminal.Quote(bucket.URL{Dir: path}.String())
	}
	object := terminal.Quote("s3://" + rest)
	switch {
	case strings.HasPrefix(strings.ToLower(typed), "file:"):
		return directory
	case strings.HasPrefix(rest, ".") || !strings.Contains(rest, "/") || !parses("s3://"+rest):
		return ""
	case typed == "":
		return object + " or " + directory
	}
	return object
}

// isURL reports whether text begins as a bucket URL does.
func isURL(text string) bool {
	text = strings.ToLower(text)
	return strings.HasPrefix(text, "s3://") || strings.HasPrefix(text, "file://")
}

func parses(url string) bool {
	_, err := bucket.ParseURL(url)
	return err == nil
}

// isDirectory reports whether text is surely the path of a directory.
func isDirectory(text string) bool {
	if text == "" || strings.Contains(text, "://") {
		return false
	}
	info, err := os.Stat(text)
	return err == nil && info.IsDir() || err != nil && filepath.IsAbs(text)
}

// hasOtherThanURL reports whether a command takes a bucket URL and something else.
func hasOtherThanURL(command *kong.Node) bool {
	is := func(argument *kong.Positional) bool { return takesURL(argument.Target.Type()) }
	not := func(argument *kong.Positional) bool { return !is(argument) }
	return slices.ContainsFunc(command.Positional, is) && slices.ContainsFunc(command.Positional, not)
}

// takesURL reports whether a value of the type is a bucket URL.
func takesURL(of reflect.Type) bool {
	return of == reflect.TypeFor[bucketURL]() || of == reflect.TypeFor[snapshotURL]() || of == reflect.TypeFor[treeURL]()
}
