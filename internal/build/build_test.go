package build

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func tree(files map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

const configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n"

func TestKustomize(t *testing.T) {
	fsys := tree(map[string]string{
		"base/kustomization.yaml":         "resources: [c.yaml]\n",
		"base/c.yaml":                     configMap,
		"overlays/x/kustomization.yaml":   "namespace: ns\nresources: [../../base]\ncomponents: [../../components/y]\n",
		"components/y/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches: [{path: p.yaml}]\nconfigMapGenerator: [{name: g, files: [k=data.txt]}]\n",
		"components/y/p.yaml":             "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: patched}\n",
		"components/y/data.txt":           "text",
	})
	out, err := Kustomize(fsys, "overlays/x")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a: patched", "namespace: ns", "k: text"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestKustomizeStaysInside gives every field that Kustomize would load from elsewhere.
// The addresses answer to nobody: a build that tried them would fail otherwise.
func TestKustomizeStaysInside(t *testing.T) {
	const remote = "https://127.0.0.1:9/x"
	for name, field := range map[string]string{
		"resource":              "resources: [" + remote + "]",
		"git resource":          "resources: ['git::ssh://git@127.0.0.1:9/x?ref=main']",
		"github short form":     "resources: [github.com/x/y//z]",
		"base":                  "bases: [" + remote + "]",
		"component":             "components: [" + remote + "]",
		"crd":                   "crds: [" + remote + "]",
		"configuration":         "configurations: [" + remote + "]",
		"generator":             "generators: [" + remote + "]",
		"transformer":           "transformers: [" + remote + "]",
		"validator":             "validators: [" + remote + "]",
		"patch":                 "patches: [{path: '" + remote + "'}]",
		"strategic merge patch": "patchesStrategicMerge: ['" + remote + "']",
		"JSON patch":            "patchesJson6902: [{path: '" + remote + "', target: {kind: ConfigMap, version: v1, name: c}}]",
		"replacement":           "replacements: [{path: '" + remote + "'}]",
		"OpenAPI":               "openapi: {path: '" + remote + "'}",
		"file of a ConfigMap":   "configMapGenerator: [{name: g, files: ['k=" + remote + "']}]",
		"env of a Secret":       "secretGenerator: [{name: g, envs: ['" + remote + "']}]",
		"outside the tree":      "resources: [../../../../etc/passwd]",
		"absolute":              "resources: [/etc/passwd]",
	} {
		fsys := tree(map[string]string{"a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": field + "\n"})
		_, err := Kustomize(fsys, "a")
		if err == nil || !strings.Contains(err.Error(), "is not a file or folder of this repository") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"github.com/x/y", "GitHub.com/x/y", "mallory@127.0.0.1/x/y", "g\u0130thub.com/x/y"} {
		fsys := tree(map[string]string{"a/kustomization.yaml": "resources: [" + name + "]\n", "a/" + name + "/kustomization.yaml": "resources: []\n"})
		if _, err := Kustomize(fsys, "a"); err == nil || !strings.Contains(err.Error(), "is not a file or folder of this repository") {
			t.Errorf("the folder %s, which looks like an address: %v", name, err)
		}
	}
	_, err := Kustomize(tree(map[string]string{"a/kustomization.yaml": "helmCharts: [{name: x, repo: '" + remote + "'}]\n"}), "a")
	if err == nil || !strings.Contains(err.Error(), "Helm") {
		t.Errorf("Helm chart: %v", err)
	}
}

// TestKustomizeRunsNothing has Kustomize's own git run a command: text with a line break
// was taken for inline YAML, and for an address by Kustomize.
func TestKustomizeRunsNothing(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "ran")
	address := "file:///x?ref=" + url.QueryEscape("--upload-pack=touch '"+marker+"'; false") + "&y=\\n"
	for _, field := range []string{"resources", "bases", "components", "generators", "transformers", "validators"} {
		fsys := tree(map[string]string{"a/kustomization.yaml": field + ": [\"" + address + "\"]\n"})
		if _, err := Kustomize(fsys, "a"); err == nil || !strings.Contains(err.Error(), "is not a file or folder of this repository") {
			t.Errorf("%s: %v", field, err)
		}
		if out, err := run(fsys, "a"); err == nil {
			t.Errorf("%s, unchecked: %s", field, out)
		}
		if _, err := os.Stat(marker); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%s: the command was run", field)
		}
	}
}

// TestKustomizeOpensNothing gives a generator a file to fetch: its configuration is no
// kustomization, and no reference of it is looked at.
func TestKustomizeOpensNothing(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("GET %s", r.URL) }))
	defer server.Close()
	config := "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\nname: g\nfiles: [k=" + server.URL + "/x]\n"
	for name, field := range map[string]string{
		"generator":   "generators: [g.yaml]\n",
		"inline":      "generators:\n- |\n  " + strings.ReplaceAll(config, "\n", "\n  "),
		"transformer": "transformers: [g.yaml]\n",
		"validator":   "validators: [g.yaml]\n",
	} {
		fsys := tree(map[string]string{"a/kustomization.yaml": field, "a/g.yaml": config})
		if out, err := Kustomize(fsys, "a"); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// TestInline builds YAML that stands in a list of files, but no mapping that cleans to one.
func TestInline(t *testing.T) {
	_, err := Kustomize(tree(map[string]string{"c.yaml": configMap, "a/kustomization.yaml": "resources: [../c.yaml]\npatchesStrategicMerge: [\"x: y\\nz: /../../c.yaml\"]\n"}), "a")
	if err == nil || !strings.Contains(err.Error(), "is not a file or folder of this repository") {
		t.Errorf("a file: %v", err)
	}
	fsys := tree(map[string]string{
		"a/c.yaml": configMap,
		"a/kustomization.yaml": "resources: [c.yaml]\npatchesStrategicMerge:\n- |\n  apiVersion: v1\n  kind: ConfigMap\n" +
			"  metadata: {name: c}\n  data: {a: 'https://github.com/x?ref=y'}\n",
	})
	if out, err := Kustomize(fsys, "a"); err != nil || !strings.Contains(string(out), "a: https://github.com/x") {
		t.Errorf("%s %v", out, err)
	}
}

func TestKustomizeErrors(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"no kustomization": {map[string]string{"a/x.yaml": configMap}, "a: no kustomization.yaml"},
		"a loop":           {map[string]string{"a/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [../a]"}, "cycle"},
		"unknown field":    {map[string]string{"a/kustomization.yaml": "resource: [x]"}, "unknown field"},
		"not YAML":         {map[string]string{"a/kustomization.yaml": "\t:"}, "a/kustomization.yaml"},
	} {
		if _, err := Kustomize(tree(test.files), "a"); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// TestRunaway doubles a text until it is too much, and not more often: the build cannot
// be stopped, and has to end.
func TestRunaway(t *testing.T) {
	const double = "- source: {kind: ConfigMap, name: c, fieldPath: data.a}\n" +
		"  targets: [{select: {kind: ConfigMap}, fieldPaths: [data.a], options: {delimiter: '!', index: 9999999}}]\n"
	fsys := tree(map[string]string{
		"a/kustomization.yaml": "resources: [c.yaml]\nreplacements:\n" + strings.Repeat(double, 12),
		"a/c.yaml":             strings.Replace(configMap, "a: b", "a: "+strings.Repeat("b", 100_000), 1),
	})
	out, err := guard(limits{memory: 64 << 20, time: time.Hour}, func() ([]byte, error) { return run(fsys, "a") })
	if !errors.Is(err, ErrRunaway) {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	if _, err := guard(limits{memory: 1 << 40}, func() ([]byte, error) { select {} }); !errors.Is(err, ErrRunaway) {
		t.Errorf("without an end: %v", err)
	}
	_, err = guard(limits{memory: 1 << 40, time: time.Hour}, func() ([]byte, error) { panic("nil pointer") })
	if err == nil || !strings.Contains(err.Error(), "nil pointer") {
		t.Errorf("a panic: %v", err)
	}
}
