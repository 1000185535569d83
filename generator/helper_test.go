package generator_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/templates"
)

const platformDoc = `apiVersion: berth/v1alpha1
kind: Platform
metadata:
  name: fleet
spec:
  publicKeys:
  - berth-pub-1qqqqqqqqqqqq
  clusters:
  - name: home
    url: https://git.example.com/platform/fleet.git
    recipients:
    - age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq
`

// head begins every project.yaml of these tests.
const head = `apiVersion: berth/v1alpha1
kind: Project
metadata:
  name: shop
spec:
  owner: alice
`

// mustPlatform parses a berth.yaml.
func mustPlatform(t testing.TB, doc string) *generator.Platform {
	t.Helper()
	p, err := generator.ParsePlatform(generator.PlatformPath, []byte(doc))
	if err != nil {
		t.Fatalf("platform does not parse:\n%v", err)
	}
	return p
}

// mustProject parses a project.yaml.
func mustProject(t testing.TB, doc string) *generator.Project {
	t.Helper()
	p, err := generator.ParseProject("project.yaml", []byte(doc))
	if err != nil {
		t.Fatalf("project does not parse:\n%v\n%s", err, doc)
	}
	return p
}

// mustPlan plans a project with the built-in templates.
func mustPlan(t testing.TB, platform *generator.Platform, project *generator.Project) *generator.Plan {
	t.Helper()
	plan, err := generator.New(templates.FS).Plan(platform, project)
	if err != nil {
		t.Fatalf("no plan:\n%v", err)
	}
	return plan
}

// sealed stands for what the sealing side writes: kustomize must carry it
// through unchanged.
func sealed(name, namespace, key string) []byte {
	return []byte(`# berth: signed path 00000000 c2lnbmF0dXJl
apiVersion: v1
kind: Secret
metadata:
  name: ` + name + `
  namespace: ` + namespace + `
type: Opaque
data:
  ` + key + `: ENC[AES256_GCM,data:c2VhbGVk,iv:aXY=,tag:dGFn,type:str]
sops:
  age:
  - enc: |
      -----BEGIN AGE ENCRYPTED FILE-----
      YWdl
      -----END AGE ENCRYPTED FILE-----
    recipient: age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq
  encrypted_regex: ^(data|stringData)$
  lastmodified: "2026-01-01T00:00:00Z"
  mac: ENC[AES256_GCM,data:bWFj,iv:aXY=,tag:dGFn,type:str]
  version: 3.13.3
`)
}

// repository lays out a plan with stand-ins for what has to be sealed.
func repository(t testing.TB, plan *generator.Plan, more map[string]string) filesys.FileSystem {
	t.Helper()
	repo := filesys.MakeFsInMemory()
	write := func(p string, doc []byte) {
		if err := repo.WriteFile("/"+p, doc); err != nil {
			t.Fatal(err)
		}
	}
	for p, doc := range plan.Files {
		write(p, doc)
	}
	for _, k := range plan.Keys {
		write(k.Path, sealed(k.Name, k.Namespace, "project.agekey"))
	}
	for _, s := range plan.Secrets {
		write(s.Path, sealed(s.Name, s.Namespace, ".dockerconfigjson"))
	}
	for p, doc := range more {
		write(p, []byte(doc))
	}
	return repo
}

// build runs kustomize on one folder and returns what it gives by
// kind/namespace/name.
func build(t testing.TB, repo filesys.FileSystem, folder string) map[string]map[string]any {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(repo, "/"+folder)
	if err != nil {
		t.Fatalf("kustomize build %s: %v", folder, err)
	}
	stream, err := built.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return decodeAll(t, folder, stream)
}

// decodeAll reads a YAML stream as the API server's clients do, by
// kind/namespace/name.
func decodeAll(t testing.TB, source string, stream []byte) map[string]map[string]any {
	t.Helper()
	objects := map[string]map[string]any{}
	for doc := range strings.SplitSeq(string(stream), "\n---\n") {
		var o map[string]any
		if err := yaml.UnmarshalStrict([]byte(doc), &o); err != nil {
			t.Fatalf("%s: %v\n%s", source, err, doc)
		}
		key := fmt.Sprint(o["kind"], "/", at(t, o, "metadata", "namespace"), "/", at(t, o, "metadata", "name"))
		key = strings.Replace(key, "<nil>", "", 1)
		if objects[key] != nil {
			t.Fatalf("%s has %s twice", source, key)
		}
		objects[key] = o
	}
	return objects
}

// folders returns every folder of a plan that has a kustomization.yaml.
func folders(plan *generator.Plan) []string {
	var out []string
	for p := range plan.Files {
		if path.Base(p) == "kustomization.yaml" {
			out = append(out, path.Dir(p))
		}
	}
	slices.Sort(out)
	return out
}

// at walks down into a built object: map keys and list indexes.
func at(t testing.TB, value any, steps ...any) any {
	t.Helper()
	for _, s := range steps {
		switch s := s.(type) {
		case string:
			m, ok := value.(map[string]any)
			if !ok {
				t.Fatalf("%v: %v is no mapping", steps, value)
			}
			value = m[s]
		case int:
			l, ok := value.([]any)
			if !ok || s >= len(l) {
				t.Fatalf("%v: %v has no item %d", steps, value, s)
			}
			value = l[s]
		}
	}
	return value
}
