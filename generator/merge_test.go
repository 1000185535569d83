package generator_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-gitops/berth/generator"
)

// written is a spec as a person keeps it: comments, blank lines, quotes, flow
// mappings, lists indented in their own way.
const written = `# Alice's shop.
apiVersion: berth/v1alpha1
kind: Project

metadata:
  name: shop   # never changes

spec:
  owner: 'alice'
  image: "ghcr.io/alice/shop:v1"  # bumped by CI
  pullSecret:   {registry: ghcr.io,   username: alice}

  # Everything below is per environment.
  environments:
    # Try things here.
    - name: development

    - name: production   # the real one
      replicas: 3
      env:
        # seen by the logger
        LOG_LEVEL: info
        NOTE: |
          two
          lines

# the end
`

func TestMergeProject(t *testing.T) {
	number := func(n int32) *int32 { return &n }
	for name, test := range map[string]struct {
		edit func(*generator.ProjectSpec)
		// from and to are replaced in written to get what is wanted.
		from, to string
	}{
		"nothing": {func(*generator.ProjectSpec) {}, "", ""},
		"order of environments": {func(s *generator.ProjectSpec) {
			s.Environments[0], s.Environments[1] = s.Environments[1], s.Environments[0]
		}, "", ""},
		"image": {func(s *generator.ProjectSpec) { s.Image = "ghcr.io/alice/shop:v2" },
			`"ghcr.io/alice/shop:v1"  # bumped by CI`, `"ghcr.io/alice/shop:v2" # bumped by CI`},
		"new field": {func(s *generator.ProjectSpec) { s.Port = 8080 },
			"# bumped by CI\n", "# bumped by CI\n  port: 8080\n"},
		"nested field": {func(s *generator.ProjectSpec) { s.Environments[1].Replicas = number(0) },
			"replicas: 3", "replicas: 0"},
		"flow mapping": {func(s *generator.ProjectSpec) { s.PullSecret.Username = "bob" },
			"  pullSecret:   {registry: ghcr.io,   username: alice}", "  pullSecret: {registry: ghcr.io, username: bob}"},
		"field removed": {func(s *generator.ProjectSpec) { s.PullSecret = nil },
			"  pullSecret:   {registry: ghcr.io,   username: alice}\n", ""},
		"environment added": {func(s *generator.ProjectSpec) {
			s.Environments = append(s.Environments, generator.Environment{Name: "staging", Host: "s.example.com"})
		}, "          lines\n", "          lines\n    - name: staging\n      host: s.example.com\n"},
		"environment removed": {func(s *generator.ProjectSpec) { s.Environments = s.Environments[1:] },
			"    # Try things here.\n    - name: development\n", ""},
		"variable added": {func(s *generator.ProjectSpec) { s.Environments[1].Env["A"] = "yes" },
			"        # seen by the logger\n", "        A: \"yes\"\n        # seen by the logger\n"},
		"text changed": {func(s *generator.ProjectSpec) { s.Environments[1].Env["NOTE"] = "a: b # c" },
			"NOTE: |\n          two\n          lines\n", "NOTE: 'a: b # c'\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := mustProject(t, written)
			test.edit(&p.Spec)
			got, err := generator.MergeProject("f", []byte(written), p)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Replace(written, test.from, test.to, 1), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			again, err := generator.MergeProject("f", got, p)
			if err != nil || string(again) != string(got) {
				t.Errorf("merging again changes it (%v):\n%s", err, cmp.Diff(string(got), string(again)))
			}
		})
	}
}

// TestMergeEncodings: files of other editors keep their line breaks and mark.
func TestMergeEncodings(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"line breaks of Windows": func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") },
		"no last line break":     func(s string) string { return strings.TrimSuffix(s, "\n\n# the end\n") },
		"document marker":        func(s string) string { return "---\n" + s },
		"tabs behind values":     func(s string) string { return strings.Replace(s, "kind: Project", "kind: Project\t# tab", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			prior := change(written)
			p := mustProject(t, prior)
			p.Spec.Environments[1].Replicas = nil
			got, err := generator.MergeProject("f", []byte(prior), p)
			if err != nil {
				t.Fatal(err)
			}
			want := change(strings.Replace(written, "      replicas: 3\n", "", 1))
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if strings.HasSuffix(prior, "lines") {
				return // what comes after a text adds a line break to it
			}
			p = mustProject(t, prior)
			p.Spec.Environments = append(p.Spec.Environments, generator.Environment{Name: "staging"})
			if got, err = generator.MergeProject("f", []byte(prior), p); err != nil {
				t.Fatal(err)
			}
			want = change(strings.Replace(written, "          lines\n", "          lines\n    - name: staging\n", 1))
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("insertion, -want +got:\n%s", diff)
			}
		})
	}
}

// TestMergeLists: the order of strings has a meaning and follows what is
// wanted; comments move along.
func TestMergeLists(t *testing.T) {
	prior := head + `  image: i:1
  components:
  # first
  - cache
  - backup # nightly
  environments:
  - name: production
    components: [] # none
`
	p := mustProject(t, prior)
	p.Spec.Components = []string{"backup", "mail"}
	p.Spec.Environments[0].Components = []string{"cache"}
	got, err := generator.MergeProject("f", []byte(prior), p)
	if err != nil {
		t.Fatal(err)
	}
	want := head + `  image: i:1
  components:
  - backup # nightly
  - mail
  environments:
  - name: production
    components: # none
    - cache
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestMarshalProject(t *testing.T) {
	none := int32(0)
	p := validProject()
	p.Spec.Port = 8080
	p.Spec.PullSecret = &generator.PullSecret{Registry: "ghcr.io", Username: "alice"}
	p.Spec.Env = map[string]string{"B": "yes", "A": "1e3", "C": "two\nlines", "D": "", "E": "# not a comment"}
	p.Spec.Environments = append(p.Spec.Environments, generator.Environment{
		Name: "0", Replicas: &none, Components: []string{},
		Resources: &generator.Resources{Limits: generator.Quantities{"cpu": "1"}},
	})
	got, err := generator.MarshalProject(p)
	if err != nil {
		t.Fatal(err)
	}
	want := `apiVersion: berth/v1alpha1
kind: Project
metadata:
  name: shop
spec:
  owner: alice
  image: ghcr.io/alice/shop:v1
  port: 8080
  pullSecret:
    registry: ghcr.io
    username: alice
  env:
    A: "1e3"
    B: "yes"
    C: |-
      two
      lines
    D: ""
    E: '# not a comment'
  environments:
  - name: production
  - name: "0"
    replicas: 0
    components: []
    resources:
      limits:
        cpu: "1"
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(p.Spec, mustProject(t, string(got)).Spec); diff != "" {
		t.Errorf("read back: %s", diff)
	}
}

func TestMergePlatform(t *testing.T) {
	p := mustPlatform(t, platformDoc)
	got, err := generator.MergePlatform("f", []byte(platformDoc), p)
	if err != nil || string(got) != platformDoc {
		t.Fatalf("%v: %s", err, cmp.Diff(platformDoc, string(got)))
	}
	p.Spec.PublicKeys = append([]string{"berth-pub-1new"}, p.Spec.PublicKeys...)
	p.Spec.Clusters = append(p.Spec.Clusters, generator.Cluster{Name: "cloud", URL: "https://git.example.com/b.git"})
	got, err = generator.MergePlatform("f", []byte(platformDoc), p)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(platformDoc, "  publicKeys:\n", "  publicKeys:\n  - berth-pub-1new\n", 1) +
		"  - name: cloud\n    url: https://git.example.com/b.git\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestMergeRefuses: nothing invalid is written, and what cannot be read is not
// overwritten.
func TestMergeRefuses(t *testing.T) {
	invalid := validProject()
	invalid.Spec.Owner = ""
	for name, test := range map[string]struct {
		prior string
		want  *generator.Project
		error string
	}{
		"invalid":       {written, invalid, "f: spec.owner: is required"},
		"unknown field": {written + "x: 1\n", validProject(), "f:28: x: unknown field; known here: apiVersion, kind, metadata, spec"},
		"empty":         {"", validProject(), "f: the file is empty"},
		"broken":        {"a: b: c", validProject(), "f: not valid YAML: mapping values are not allowed in this context"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := generator.MergeProject("f", []byte(test.prior), test.want)
			if got != nil || err == nil {
				t.Fatalf("%v: %s", err, got)
			}
			if diff := cmp.Diff(test.error, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestMergeBehindTheLastLine: a last line without a line break gets one when
// something follows.
func TestMergeBehindTheLastLine(t *testing.T) {
	for _, lineBreak := range []string{"\n", "\r\n"} {
		prior := strings.ReplaceAll(head+"  image:   i:1\n\n  environments:\n    - name: production", "\n", lineBreak)
		p := mustProject(t, prior)
		p.Spec.Environments = append(p.Spec.Environments, generator.Environment{Name: "staging"})
		got, err := generator.MergeProject("f", []byte(prior), p)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(prior+lineBreak+"    - name: staging"+lineBreak, string(got)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}
