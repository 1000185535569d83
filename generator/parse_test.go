package generator_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-gitops/berth/generator"
)

const tail = `  environments:
  - name: production
`

// TestParseProblems checks the exact problems of documents that are wrong in
// form: each with its line, field, reason and hint.
func TestParseProblems(t *testing.T) {
	for name, test := range map[string]struct {
		doc  string
		want []string
	}{
		"empty":         {"", []string{"f: the file is empty"}},
		"only comments": {"# nothing\n", []string{"f: the file is empty"}},
		"a list":        {"- a\n", []string{"f:1: the document is a list, not a mapping"}},
		"a word":        {"shop\n", []string{"f:1: the document is a single value, not a mapping"}},
		"not YAML":      {"a: b\n  c: d\n", []string{"f:2: not valid YAML: mapping values are not allowed in this context"}},
		"not UTF-8":     {"a: b\nc: \xff\n", []string{"f:2: the file is not UTF-8 at byte 8; save the file as UTF-8"}},
		"UTF-16":        {"\xff\xfea\x00", []string{"f:1: the file is not UTF-8 at byte 0; save the file as UTF-8"}},
		"two documents": {head + "  image: i:1\n" + tail + "---\na: b\n", []string{"f:10: a second document begins here; keep one document per file"}},
		"too long":      {strings.Repeat("# comment\n", 30000), []string{"f: the file has 300000 bytes; at most 262144 are read"}},
		"anchor and alias": {head + "  image: &i i:1\n  template: *i\n" + tail, []string{
			"f:7: anchors are not allowed; write the value out",
			"f:8: aliases are not allowed; write the value out",
		}},
		"merge key": {head + "  <<: {image: i:1}\n" + tail, []string{"f:7: merge keys are not allowed; write the value out"}},
		"tag":       {head + "  image: !!str i:1\n" + tail, []string{"f:7: tags are not allowed; quote the value to make it a string"}},
		"own tag":   {head + "  image: !vault i:1\n" + tail, []string{"f:7: tags are not allowed; quote the value to make it a string"}},
		"bomb": {"a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n", []string{
			"f:1: anchors are not allowed; write the value out",
			"f:2: anchors are not allowed; write the value out",
			"f:2: aliases are not allowed; write the value out",
			"f:3: anchors are not allowed; write the value out",
			"f:3: aliases are not allowed; write the value out",
		}},
		"depth": {strings.Repeat("[", 20000), []string{"f: not valid YAML: exceeded max depth of 10000"}},
		"misspelt": {head + "  imge: i:1\n  environmens: []\n" + tail, []string{
			"f:7: spec.imge: unknown field; did you mean image?",
			"f:8: spec.environmens: unknown field; did you mean environments?",
			"f:10: spec.environments[0].image: is required: the project has no image of its own; set spec.image, or the image of each environment",
		}},
		"case": {head + "  Image: i:1\n  image: i:1\n" + tail, []string{"f:7: spec.Image: unknown field; did you mean image?"}},
		"unknown": {head + "  image: i:1\n  zebra: 1\n" + tail, []string{
			"f:8: spec.zebra: unknown field; known here: components, env, environments, image, owner, port, pullSecret, template"}},
		"token": {head + "  image: i:1\n  pullSecret: {registry: ghcr.io, username: u, token: ghp_x}\n" + tail, []string{
			"f:8: spec.pullSecret.token: unknown field; a token never stands in this file; hand it over beside it"}},
		"twice": {head + "  image: i:1\n  image: i:2\n  env: {A: b, A: c}\n" + tail, []string{
			"f:8: spec.image: is set twice, first in line 7; remove one of the two",
			"f:9: spec.env.A: is set twice, first in line 9; remove one of the two",
		}},
		"wrong types": {head + "  image: [i]\n  port: \"80\"\n  env: [a]\n  components: a\n  pullSecret: yes\n  environments: {name: a}\n", []string{
			"f:7: spec.image: is a list, not a single value",
			"f:8: spec.port: is not a whole number that fits 32 bits; write it in plain digits, without quotes",
			"f:9: spec.env: is a list, not a mapping",
			"f:10: spec.components: is a single value, not a list",
			"f:11: spec.pullSecret: is a single value, not a mapping",
			"f:12: spec.environments: is a mapping, not a list",
		}},
		"not strings": {head + "  image: 1.0\n  env: {A: true, B: 2, C: 2026-01-01, D: , 1: x}\n" + tail, []string{
			"f:7: spec.image: must be a string, and YAML reads this as a number; put it in quotes",
			"f:8: spec.env[A]: must be a string, and YAML reads this as true or false; put it in quotes",
			"f:8: spec.env[B]: must be a string, and YAML reads this as a number; put it in quotes",
			"f:8: spec.env[C]: must be a string, and YAML reads this as a date; put it in quotes",
			`f:8: spec.env[D]: has no value; write "" for an empty value`,
			"f:8: spec.env: a key is not a string; put it in quotes",
		}},
		"no values": {head + "  image: ~\n  port:\n  env: null\n" + tail, []string{
			"f:7: spec.image: has no value; remove the field or give it a value",
			"f:8: spec.port: has no value; remove the field or give it a value",
			"f:9: spec.env: has no value; remove the field or give it a value",
		}},
		"numbers": {head + "  image: i:1\n  port: 0x50\n  environments:\n  - {name: a, replicas: 1e3}\n  - {name: b, replicas: 99999999999}\n", []string{
			"f:8: spec.port: is not a whole number that fits 32 bits; write it in plain digits, without quotes",
			"f:10: spec.environments[0].replicas: is not a whole number that fits 32 bits; write it in plain digits, without quotes",
			"f:11: spec.environments[1].replicas: is not a whole number that fits 32 bits; write it in plain digits, without quotes",
		}},
		"octal": {head + "  image: i:1\n  port: 0100\n  environments:\n  - {name: a, replicas: +1, resources: {limits: {cpu: 010, memory: 0o10}}}\n", []string{
			"f:8: spec.port: is not a whole number that fits 32 bits; write it in plain digits, without quotes",
			"f:10: spec.environments[0].replicas: is not a whole number that fits 32 bits; write it in plain digits, without quotes",
			"f:10: spec.environments[0].resources.limits[cpu]: is a number in a form that YAML readers take for different ones; write it in plain digits",
			"f:10: spec.environments[0].resources.limits[memory]: is a number in a form that YAML readers take for different ones; write it in plain digits",
		}},
		"strange keys": {head + "  image: i:1\n  \"a\\nb\": 1\n  [a]: 1\n" + tail, []string{
			`f:8: spec.a\nb: unknown field; known here: components, env, environments, image, owner, port, pullSecret, template`,
			"f:9: spec: a key is not a string; put it in quotes",
		}},
		"nothing": {"{}\n", []string{
			"f: apiVersion: must be berth/v1alpha1; write apiVersion: berth/v1alpha1",
			"f: kind: must be Project; write kind: Project",
			"f: metadata.name: is required",
			"f: spec.owner: is required",
			"f: spec.environments: is required; name at least one, for example production",
		}},
		"a platform": {platformDoc, []string{
			"f:2: kind: must be Project; write kind: Project",
			"f:6: spec.publicKeys: unknown field; known here: components, env, environments, image, owner, port, pullSecret, template",
			"f:8: spec.clusters: unknown field; known here: components, env, environments, image, owner, port, pullSecret, template",
			"f:5: spec.owner: is required",
			"f:5: spec.environments: is required; name at least one, for example production",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := generator.ParseProject("f", []byte(test.doc))
			if p != nil {
				t.Error("a project came back beside the error")
			}
			var problems generator.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("the error is %T: %v", err, err)
			}
			if diff := cmp.Diff(sortLines(strings.Join(test.want, "\n")), sortLines(problems.Error())); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			for i := 1; i < len(problems); i++ {
				if problems[i].Line < problems[i-1].Line {
					t.Errorf("problems are not in the order of the file:\n%v", problems)
				}
			}
		})
	}
}

// TestManyProblems: a hostile document cannot make a caller print without end.
func TestManyProblems(t *testing.T) {
	doc := head
	for i := range 5000 {
		doc += fmt.Sprintf("  k%d: 1\n", i)
	}
	_, err := generator.ParseProject("f", []byte(doc))
	var problems generator.Problems
	if !errors.As(err, &problems) || len(problems) != 101 {
		t.Fatalf("%d problems", len(problems))
	}
	if last := problems[100].String(); last != "f: and 4901 more problems" {
		t.Error(last)
	}
}

// TestParseProject reads every field.
func TestParseProject(t *testing.T) {
	got, err := generator.ParseProject("projects/shop/project.yaml", []byte(head+`  template: worker
  image: ghcr.io/alice/shop:v1
  port: 8080
  pullSecret: {registry: ghcr.io, username: alice}
  env: {EMPTY: "", YES: "yes", TEXT: "a: b\n# c"}
  components: [cache]
  environments:
  - name: production
    cluster: home
    image: ghcr.io/alice/shop:v2
    replicas: 0
    host: shop.example.com
    env: {A: b}
    components: []
    resources:
      requests: {cpu: 1, memory: 64Mi}
      limits: {cpu: 1.5}
`))
	if err != nil {
		t.Fatal(err)
	}
	none := int32(0)
	want := generator.ProjectSpec{
		Owner: "alice", Template: "worker", Image: "ghcr.io/alice/shop:v1", Port: 8080,
		PullSecret: &generator.PullSecret{Registry: "ghcr.io", Username: "alice"},
		Env:        map[string]string{"EMPTY": "", "YES": "yes", "TEXT": "a: b\n# c"},
		Components: []string{"cache"},
		Environments: []generator.Environment{{
			Name: "production", Cluster: "home", Image: "ghcr.io/alice/shop:v2", Replicas: &none,
			Host: "shop.example.com", Env: map[string]string{"A": "b"}, Components: []string{},
			Resources: &generator.Resources{
				Requests: generator.Quantities{"cpu": "1", "memory": "64Mi"},
				Limits:   generator.Quantities{"cpu": "1.5"},
			},
		}},
	}
	if diff := cmp.Diff(want, got.Spec); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got.Metadata.Name != "shop" || got.Kind != generator.KindProject || got.APIVersion != generator.APIVersion {
		t.Errorf("head: %+v", got)
	}
}

// TestOldBooleans: what YAML 1.1 reads as true, false or a time is the text that stands
// there, and is written so that every reader sees text.
func TestOldBooleans(t *testing.T) {
	p := mustProject(t, head+"  image: i:1\n  env: {A: no, B: y, C: 12:30:45}\n  environments:\n  - name: on\n")
	if got := p.Spec.Env; got["A"] != "no" || got["B"] != "y" || got["C"] != "12:30:45" || p.Spec.Environments[0].Name != "on" {
		t.Errorf("read as %v, %v", got, p.Spec.Environments[0].Name)
	}
	doc, err := generator.MarshalProject(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`A: "no"`, `B: "y"`, `C: "12:30:45"`, `name: "on"`} {
		if !strings.Contains(string(doc), want) {
			t.Errorf("%s is not in\n%s", want, doc)
		}
	}
}

// TestFolderName: a project stands in the folder of its id, and only there.
func TestFolderName(t *testing.T) {
	doc := []byte(head + "  image: i:1\n" + tail)
	_, err := generator.ParseProject("projects/other/project.yaml", doc)
	want := "projects/other/project.yaml:4: metadata.name: is not the id of this folder; the folder's name and the project's id are one"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	for _, file := range []string{"projects/shop/project.yaml", "shop.yaml", "/tmp/projects/other/project.yaml"} {
		if _, err := generator.ParseProject(file, doc); err != nil {
			t.Error(err)
		}
	}
}

func sortLines(s string) []string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return lines
}
