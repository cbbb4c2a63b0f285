package kubetest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemas is a module with the OpenAPI documents of Kubernetes' releases in
// it, of which only these files are used.
const (
	schemas = "sigs.k8s.io/kubectl-validate@v0.0.4"
	release = "1.30"
)

// A Validator knows the schema of every kind, and takes no unknown field.
type Validator struct {
	dir      string // the OpenAPI documents
	compiler *jsonschema.Compiler
	loaded   map[string][]string           // the schemas in each of them
	kinds    map[string]*jsonschema.Schema // by apiVersion and kind
}

// NewValidator fetches the schemas.
func NewValidator(t testing.TB) *Validator {
	t.Helper()
	command := exec.Command("go", "mod", "download", "-json", schemas)
	command.Dir, command.Env = t.TempDir(), append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	out, err := command.Output()
	var module struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &module); jsonErr != nil || err != nil {
		t.Fatalf("%v: %v: %s", command, err, out)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft4)
	dir := filepath.Join(module.Dir, "pkg", "openapiclient", "builtins", release)
	return &Validator{dir, compiler, map[string][]string{}, map[string]*jsonschema.Schema{}}
}

// Validate returns what is wrong with an object, or nil.
func (v *Validator) Validate(t testing.TB, o Object) error {
	t.Helper()
	text, err := json.Marshal(o.Raw)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return v.schema(t, o.APIVersion, o.Kind).Validate(value)
}

func (v *Validator) schema(t testing.TB, apiVersion, kind string) *jsonschema.Schema {
	t.Helper()
	if s := v.kinds[apiVersion+kind]; s != nil {
		return s
	}
	path := filepath.Join(v.dir, "apis", apiVersion+".json")
	if !strings.Contains(apiVersion, "/") {
		path = filepath.Join(v.dir, "api", apiVersion+".json")
	}
	names := v.names(t, path)
	i := slices.IndexFunc(names, func(n string) bool {
		return strings.HasPrefix(n, "io.k8s.api.") && strings.HasSuffix(n, "."+kind)
	})
	if i < 0 {
		t.Fatalf("%s has no kind %s", apiVersion, kind)
	}
	schema, err := v.compiler.Compile(path + "#/components/schemas/" + names[i])
	if err != nil {
		t.Fatal(err)
	}
	v.kinds[apiVersion+kind] = schema
	return schema
}

// names loads an OpenAPI document and returns the names of its schemas.
func (v *Validator) names(t testing.TB, path string) []string {
	t.Helper()
	if v.loaded[path] != nil {
		return v.loaded[path]
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	document, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, schema := range document.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any) {
		refuseUnknown(schema.(map[string]any))
		v.loaded[path] = append(v.loaded[path], name)
	}
	if err := v.compiler.AddResource(path, document); err != nil {
		t.Fatal(err)
	}
	return v.loaded[path]
}

// refuseUnknown has a schema with properties allow these only.
func refuseUnknown(schema map[string]any) {
	if schema["properties"] != nil {
		schema["additionalProperties"] = false
	}
}
