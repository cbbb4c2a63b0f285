package databases

import (
	"maps"
	"reflect"
	"strconv"

	"github.com/alecthomas/kong"
)

// A Describer is a type of flags that describes its values, as they stand in a file, by
// a JSON schema. Those of other types are described by their kind.
type Describer interface{ Schema() map[string]any }

// variables are values that a variable has, or a part of.
var variables = map[string]any{"type": "string", "pattern": `\$\{`}

// ownKeys are the keys that are no flags, with what their values are.
var ownKeys = map[string]struct {
	help   string
	schema map[string]any
}{
	"host":      {"What {host} stands for in bucket URLs.", plain()},
	"parallel":  {"How many databases to back up at once.", anyOf(map[string]any{"type": "integer", "minimum": 1, "maximum": MaxParallel}, Text(`^[0-9]+$`))},
	"defaults":  {"Settings of all databases, unless one has its own.", nil},
	"databases": {"The databases, or patterns that find them.", nil},
	"path":      {"A database, or a pattern such as /srv/*/data.db.", plain()},
	discoverKey: {"A directory: every SQLite database below it.", plain()},
	"url":       {"Where the snapshots go: s3://bucket/prefix or file:///dir, with {host}, {name} and {dir}.", plain()},
	followKey:   {"Whether what a pattern or discover finds may be a symlink.", truth()},
}

// Schema returns a JSON schema of a file of databases, for editors: draft 7, which they
// know (https://json-schema.org/draft-07). It is made of what Read reads by. A file that
// Read takes is valid; what depends on the machine or on several values is left to Read.
func Schema(flags map[string]*kong.Flag) map[string]any {
	settings := map[string]any{"url": own("url"), followKey: own(followKey)}
	for name, flag := range flags {
		settings[name] = described(ofFlag(flag), flag.Help)
	}
	entry := maps.Clone(settings)
	entry["path"], entry[discoverKey] = own("path"), own(discoverKey)
	entries := object(entry)
	entries["oneOf"] = []any{required("path"), required(discoverKey)}
	defaults := object(settings)
	defaults["type"] = []any{"object", "null"}
	schema := object(map[string]any{
		"host": own("host"), "parallel": own("parallel"),
		"defaults":  described(defaults, ownKeys["defaults"].help),
		"databases": described(map[string]any{"type": "array", "items": entries}, ownKeys["databases"].help),
	})
	schema["$schema"], schema["title"] = "http://json-schema.org/draft-07/schema#", "Databases that Lifeboat backs up"
	schema["required"] = []any{"databases"}
	schema["anyOf"] = []any{ // each database has a URL
		map[string]any{"properties": map[string]any{"defaults": required("url")}, "required": []any{"defaults"}},
		map[string]any{"properties": map[string]any{"databases": map[string]any{"items": required("url")}}},
	}
	return schema
}

// ofFlag returns the schema of a flag's value.
func ofFlag(flag *kong.Flag) map[string]any {
	of := flag.Target.Type()
	if d, ok := reflect.Zero(of).Interface().(Describer); ok {
		return withDefault(anyOf(d.Schema(), variables), flag)
	}
	if flag.IsSlice() {
		item := ofKind(flag, of.Elem())
		return anyOf(item, map[string]any{"type": "array", "items": item})
	}
	return withDefault(ofKind(flag, of), flag)
}

// ofKind returns the schema of one value of a flag without a type of its own.
func ofKind(flag *kong.Flag, of reflect.Type) map[string]any {
	switch {
	case flag.Enum != "":
		var values []any
		for _, value := range flag.EnumSlice() {
			if value != "" {
				values = append(values, value)
			}
		}
		return anyOf(map[string]any{"enum": values}, variables)
	case of.Kind() == reflect.Bool:
		return truth()
	}
	return plain()
}

// withDefault adds a flag's default, as a number if it is one.
func withDefault(schema map[string]any, flag *kong.Flag) map[string]any {
	if n, err := strconv.Atoi(flag.Default); err == nil {
		schema["default"] = n
	} else if flag.Default != "" {
		schema["default"] = flag.Default
	}
	return schema
}

// own describes a key that is no flag.
func own(key string) map[string]any { return described(ownKeys[key].schema, ownKeys[key].help) }

func described(schema map[string]any, help string) map[string]any {
	schema = maps.Clone(schema)
	schema["description"] = help
	return schema
}

// object returns the schema of a mapping with these keys only.
func object(properties map[string]any) map[string]any {
	return map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
}

func required(key string) map[string]any { return map[string]any{"required": []any{key}} }

// Text returns the schema of a text that a regular expression matches.
func Text(pattern string) map[string]any {
	return map[string]any{"type": "string", "pattern": pattern}
}

// plain returns the schema of a text that YAML may take for something else, such as the
// name 2026.
func plain() map[string]any { return map[string]any{"type": []any{"string", "number", "boolean"}} }

func truth() map[string]any {
	return anyOf(map[string]any{"type": "boolean"}, map[string]any{"enum": []any{"true", "false", "yes", "no", "1", "0", 1, 0}}, variables)
}

func anyOf(all ...map[string]any) map[string]any {
	var schemas []any
	for _, s := range all {
		schemas = append(schemas, s)
	}
	return map[string]any{"anyOf": schemas}
}
