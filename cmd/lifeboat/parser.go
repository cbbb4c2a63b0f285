package main

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/hooks"
	"github.com/lifeboat-sqlite/lifeboat/cmd/lifeboat/secrets"
)

// newParser returns a parser of command lines for a grammar, which is a struct of
// commands.
func newParser(ctx context.Context, c *console, grammar any, more ...kong.Option) (*kong.Kong, error) {
	return kong.New(grammar, append(append([]kong.Option{
		kong.Name("lifeboat"),
		kong.DefaultEnvars(envPrefix),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ValueFormatter(func(v *kong.Value) string { return v.Help }), // the environment is named once, at the end
		kong.Help(printHelp),
		kong.Writers(c.stdout, c.stderr),
		kong.Resolvers(secretFiles),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(c),
	}, exactText()...), more...)...)
}

// secretFiles gives kong the values of flags that are secrets from the files that
// variables name: see package secrets.
var secretFiles kong.ResolverFunc = func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	name := secretFile(flag)
	if os.Getenv(name) == "" {
		return nil, nil
	}
	return secrets.Get(strings.TrimSuffix(name, secrets.FileSuffix))
}

// secretFile returns the variable that names the file of a flag that is a secret, "" for
// other flags.
func secretFile(flag *kong.Flag) string {
	if !flag.Tag.Has("secret") || len(flag.Envs) == 0 {
		return ""
	}
	return flag.Envs[0] + secrets.FileSuffix
}

// exactText are mappers in place of kong's, which pass every value through JSON,
// so that a file name that is not UTF-8 becomes the name of another file.
func exactText() []kong.Option {
	return []kong.Option{
		kong.KindMapper(reflect.String, exactMapper(func(text string, _ *kong.Value, target reflect.Value) error {
			target.SetString(text)
			return nil
		})),
		kong.TypeMapper(reflect.TypeFor[bucketURL](), exactMapper(unmarshalText)),
		kong.TypeMapper(reflect.TypeFor[snapshotURL](), exactMapper(unmarshalText)),
		kong.TypeMapper(reflect.TypeFor[treeURL](), exactMapper(unmarshalText)),
		kong.TypeMapper(reflect.TypeFor[hooks.Command](), decodeCommand),
		kong.NamedMapper("path", exactMapper(func(text string, _ *kong.Value, target reflect.Value) error {
			target.SetString(kong.ExpandPath(text))
			return nil
		})),
		kong.NamedMapper("existingdir", exactMapper(existingDir)),
	}
}

func unmarshalText(text string, _ *kong.Value, target reflect.Value) error {
	return target.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text))
}

// exactMapper returns a mapper that gives set the next value as it was given.
func exactMapper(set func(text string, value *kong.Value, target reflect.Value) error) kong.Mapper {
	return kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
		token, err := ctx.Scan.PopValue("string")
		if err != nil {
			return err
		}
		return set(token.String(), ctx.Value, target)
	})
}

// existingDir takes a directory that is there. What the command line overrides
// is not looked at, as in kong's own mapper.
func existingDir(text string, value *kong.Value, target reflect.Value) error {
	if !value.Active || value.Set {
		return nil
	}
	path := kong.ExpandPath(text)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%q is not a directory", path)
	}
	target.SetString(path)
	return nil
}

// commandIn returns the command of a command line that kong cannot parse, nil
// for none.
func commandIn(err error) *kong.Node {
	var wrong *kong.ParseError
	if !errors.As(err, &wrong) {
		return nil
	}
	return wrong.Context.Selected()
}

// rewordings are what kong writes that users cannot read, and what it means.
var rewordings = []struct {
	kong    *regexp.Regexp
	meaning string
}{
	{regexp.MustCompile(`^\[?<[a-z-]+>\]?: `), ""}, // before an error that names its argument itself
	{regexp.MustCompile(`^<?shell>? must be`), "SHELL must be"},
	{regexp.MustCompile(`must be one of "",`), "must be one of "},
	{regexp.MustCompile(`expected \w+ value but got "EOL" \(<EOL>\)$`), "its value is missing"},
}

// reworded returns kong's error in other words, where it needs some.
func reworded(text string) string {
	for _, r := range rewordings {
		text = r.kong.ReplaceAllString(text, r.meaning)
	}
	return text
}
