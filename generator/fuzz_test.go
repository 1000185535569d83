package generator_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/templates"
)

// checkProblems: an error of a parser always is Problems that say something.
func checkProblems(t *testing.T, err error) {
	t.Helper()
	var problems generator.Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("the error is %T: %v", err, err)
	}
	for _, p := range problems {
		if p.Reason == "" || p.File != "f" || strings.ContainsAny(p.String(), "\n\r\x00") {
			t.Errorf("unusable problem %q", p)
		}
	}
}

// FuzzParseProject: any bytes either give problems or a project that can be
// written and read back unchanged, that stays within its folders, and whose
// folders build.
func FuzzParseProject(f *testing.F) {
	for _, name := range []string{"private", "public", "restricted"} {
		doc, err := os.ReadFile("testdata/" + name + "/project.yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	for _, doc := range []string{written, platformDoc, "", "a: &a [*a]", "\xff", "? [a]\n: b", "--- !x\n...\n---", head + "  <<: {}\n", "{}", "a:\r\n  b: |\r\n"} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		p, err := generator.ParseProject("f", doc)
		if err != nil {
			checkProblems(t, err)
			return
		}
		checkWriting(t, doc, p)
		checkPlan(t, p)
	})
}

// checkWriting: a project survives being written, and editing one keeps to
// what is wanted whatever the file looked like.
func checkWriting(t *testing.T, doc []byte, p *generator.Project) {
	t.Helper()
	same, err := generator.MergeProject("f", doc, p)
	if err != nil || string(same) != string(doc) {
		t.Fatalf("merging without a change: %v\n%s", err, cmp.Diff(string(doc), string(same)))
	}
	fresh, err := generator.MergeProject("f", nil, p)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.Spec, mustProject(t, string(fresh)).Spec, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("read back from\n%s\n%s", fresh, diff)
	}
	p.Spec.Port = 1 + p.Spec.Port%1000
	p.Spec.Owner += "x"
	last := &p.Spec.Environments[len(p.Spec.Environments)-1]
	last.Env = map[string]string{"CHANGED": "a: b\n", "ALSO": "#"}
	last.Components = nil
	edited, err := generator.MergeProject("f", doc, p)
	if err != nil {
		if len(p.Spec.Owner) > 253 {
			p.Spec.Owner = "x"
			return
		}
		t.Fatal(err)
	}
	if diff := cmp.Diff(p.Spec, mustProject(t, string(edited)).Spec, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("edited, then read from\n%s\n%s", edited, diff)
	}
	if again, err := generator.MergeProject("f", edited, p); err != nil || string(again) != string(edited) {
		t.Fatalf("merging twice: %v\n%s", err, cmp.Diff(string(edited), string(again)))
	}
}

// checkPlan plans a valid project on a platform that knows its clusters, builds
// everything and compares the strings that come out.
func checkPlan(t *testing.T, p *generator.Project) {
	t.Helper()
	platform := validPlatform()
	for _, e := range p.Spec.Environments {
		if e.Cluster != "" {
			platform.Spec.Clusters[0].Name = e.Cluster
		}
	}
	if p.Spec.Template != "worker" {
		p.Spec.Template = "web"
	}
	plan, err := generator.New(templates.FS).Plan(platform, p)
	if err != nil {
		var problems generator.Problems
		if !errors.As(err, &problems) {
			t.Fatalf("the error is %T: %v", err, err)
		}
		return
	}
	owned := generator.Owned(platform, p.Metadata.Name)
	for path, doc := range plan.Files {
		if !owns(owned, path) || strings.Contains(path, "..") {
			t.Errorf("%s is outside of what the project owns", path)
		}
		if generated, pristine := generator.Generated(doc); !generated || !pristine {
			t.Errorf("%s: generated %v, pristine %v", path, generated, pristine)
		}
	}
	components := map[string]string{}
	for _, list := range append([]generator.Environment{{Components: p.Spec.Components}}, p.Spec.Environments...) {
		for _, name := range list.Components {
			components["projects/"+p.Metadata.Name+"/components/"+name+"/kustomization.yaml"] =
				"apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages: [{name: none, newTag: x}]\n"
		}
	}
	repo := repository(t, plan, components)
	for i, target := range plan.Targets {
		if i == 2 {
			break // a build takes 10 ms; two environments show as much as ten
		}
		checkTarget(t, p, target, build(t, repo, target.Overlay))
		ns := decodeAll(t, target.Tenant, plan.Files[target.Tenant])["Namespace//"+target.Namespace]
		if got := at(t, ns, "metadata", "annotations", "berth/owner"); got != p.Spec.Owner {
			t.Errorf("owner %q came out as %q", p.Spec.Owner, got)
		}
		if got := at(t, ns, "metadata", "labels", "berth/environment"); got != target.Environment {
			t.Errorf("environment %q came out as %q", target.Environment, got)
		}
	}
}

func checkTarget(t *testing.T, p *generator.Project, target generator.Target, built map[string]map[string]any) {
	t.Helper()
	d := built["Deployment/"+target.Namespace+"/app"]
	app := at(t, d, "spec", "template", "spec", "containers", 0)
	if got := at(t, app, "image"); got != target.Image && got != target.Image+":latest" {
		t.Errorf("image %q came out as %q", target.Image, got)
	}
	want := map[string]string{}
	for _, e := range p.Spec.Environments {
		if e.Name != target.Environment {
			continue
		}
		for _, vars := range []map[string]string{p.Spec.Env, e.Env} {
			for k, v := range vars {
				want[k] = v
			}
		}
	}
	got := map[string]string{}
	vars, _ := at(t, app, "env").([]any)
	for _, v := range vars {
		value, _ := at(t, v, "value").(string)
		got[at(t, v, "name").(string)] = expand(value)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment variables (-want +got):\n%s", diff)
	}
	if target.Host != "" {
		in := built["Ingress/"+target.Namespace+"/app"]
		if got := at(t, in, "spec", "rules", 0, "host"); got != target.Host {
			t.Errorf("host %q came out as %q", target.Host, got)
		}
	}
	for key := range built {
		if !strings.HasSuffix(key, "/"+target.Namespace+"/app") && key != "Secret/"+target.Namespace+"/ghcr-secret" {
			t.Errorf("%s was smuggled in", key)
		}
	}
}

// tricks are texts that a YAML writer or reader may take for something else.
func tricks() []string {
	return []string{
		"", " ", "yes", "no", "on", "off", "y", "n", "true", "null", "~", "1", "0", "-1", "1.0", "1e3", "0x1f", "0o17", "012", "1_000", ".inf", ".nan",
		"2026-01-01", "12:30:45", "=", "<<", "-", "?", ":", "- a", "? a", "a: b", "a:", ": b", "a #b", "#b", "&a", "*a", "!!str a", "!a", "%YAML 1.1",
		"@a", "`a`", "|", ">", "|-", "'", "\"", "'a'", "\"a\"", "\\", "\\n", "{a: b}", "[a]", "{", "}", "]", ",", "a\nb", "a\n\nb\n", "\na", "a\n", " a\n  b", "a\n  b: c\n",
		"---", "--- a", "...", "a\n---\nb: c", "\t", "a\tb", "\ta\n", "a\r\nb", "\r", "\u2028", "a\u2029b", "\u00a0", "\ufeff", "\ufeffa", "\u200b", "😀", "ä", "日本",
		"$(A)", "${A}", "$patch: delete", "$patch", "{{ .A }}", "ENC[AES256_GCM,data:x]", strings.Repeat("long ", 100), strings.Repeat("a", 300) + " b", "a  b", "a ",
		"1:20", "0:0", "+1:2.3", "190:20:30", "Y", "Yes", "NO", "On", "OFF", "True", "NULL", "Null", "-.Inf", "+.INF", ".NaN", "0b11", "-0x1F", "+12e03", "685_230.15", "2001-12-14t21:59:43.10-05:00", "0:1e3", "1.1:1.1", "localhost:5000/1:1",
		"kind: ClusterRoleBinding", "\n---\nkind: ClusterRoleBinding\n", "</script>", "&lt;", "a\\u0000b",
	}
}

// TestTricks puts every trick into every string of a project. It is refused, or
// it reads back as it went in; names and images are built too. FuzzStrings'
// seeds and TestRandomValues build the others.
func TestTricks(t *testing.T) {
	accepted := 0
	for _, trick := range tricks() {
		for _, field := range []string{
			"metadata.name", "spec.owner", "spec.template", "spec.image", "spec.pullSecret.registry", "spec.pullSecret.username", "spec.env[A]", "spec.env",
			"spec.components[0]", "spec.environments[0].name", "spec.environments[0].cluster", "spec.environments[0].host", "spec.environments[0].image",
			"spec.environments[0].resources.limits[cpu]",
		} {
			p := validProject()
			projectField(field)(p, trick)
			doc, err := generator.MergeProject("f", nil, p)
			if err != nil {
				checkProblems(t, err)
				continue
			}
			accepted++
			read := mustProject(t, string(doc))
			if diff := cmp.Diff(p.Spec, read.Spec, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s %q reads back differently:\n%s", field, trick, diff)
			}
			checkOldReader(t, doc, p)
			if strings.HasSuffix(field, "name") && field != "spec.pullSecret.username" || field == "spec.image" {
				checkPlan(t, read)
			}
		}
	}
	if accepted < 150 {
		t.Errorf("only %d of the tricks were accepted anywhere; the test has lost its point", accepted)
	}
}

// checkOldReader reads a project.yaml as YAML 1.1, as Kubernetes' own tools do. They must
// see the same strings.
func checkOldReader(t *testing.T, doc []byte, p *generator.Project) {
	t.Helper()
	var read generator.Project
	if err := yaml.UnmarshalStrict(doc, &read); err != nil {
		t.Errorf("YAML 1.1 cannot read it: %v\n%s", err, doc)
	} else if diff := cmp.Diff(p.Spec, read.Spec, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("YAML 1.1 reads it differently:\n%s\n%s", diff, doc)
	}
}

// FuzzStrings does what TestTricks does with strings of the fuzzer's.
func FuzzStrings(f *testing.F) {
	for i, trick := range tricks() {
		if i%8 == 0 {
			f.Add("shop", "production", "alice", "ghcr.io/alice/shop:v1", "A", trick, "{a: b}")
		}
	}
	f.Add("null", "on", "- a", "a:1e3", "_", "\ufeff", "{")
	f.Add("0", "1", "!!str a", "1:20", "null", "\t", "yes")
	f.Fuzz(func(t *testing.T, id, env, owner, image, name, value, username string) {
		p := validProject()
		p.Metadata.Name, p.Spec.Owner, p.Spec.Image = id, owner, image
		p.Spec.Environments[0].Name = env
		p.Spec.Env = map[string]string{name: value}
		p.Spec.PullSecret = &generator.PullSecret{Registry: "ghcr.io", Username: username}
		doc, err := generator.MergeProject("f", nil, p)
		if err != nil {
			checkProblems(t, err)
			return
		}
		read := mustProject(t, string(doc))
		if diff := cmp.Diff(p.Spec, read.Spec); diff != "" {
			t.Fatalf("reads back differently:\n%s", diff)
		}
		checkOldReader(t, doc, p)
		checkPlan(t, read)
	})
}

// FuzzParsePlatform: any bytes either give problems or settings that can be
// written and read back unchanged, and whose files are valid YAML.
func FuzzParsePlatform(f *testing.F) {
	for _, name := range []string{"private", "public", "restricted"} {
		doc, err := os.ReadFile("testdata/" + name + "/berth.yaml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Add([]byte(platformDoc))
	f.Add([]byte(written))
	f.Fuzz(func(t *testing.T, doc []byte) {
		p, err := generator.ParsePlatform("f", doc)
		if err != nil {
			checkProblems(t, err)
			return
		}
		same, err := generator.MergePlatform("f", doc, p)
		if err != nil || string(same) != string(doc) {
			t.Fatalf("merging without a change: %v", err)
		}
		fresh, err := generator.MergePlatform("f", nil, p)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p.Spec, mustPlatform(t, string(fresh)).Spec, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("read back from\n%s\n%s", fresh, diff)
		}
		files, err := generator.ClusterFiles(p)
		if err != nil {
			t.Fatal(err)
		}
		for path, file := range files {
			if strings.HasSuffix(path, "flux-projects.yaml") {
				url := at(t, decodeAll(t, path, file)["GitRepository/flux-projects/flux-projects"], "spec", "url")
				if !strings.Contains(string(fresh), url.(string)) {
					t.Errorf("the URL came out as %q", url)
				}
			}
			if strings.Contains(path, "..") {
				t.Errorf("path %s", path)
			}
		}
	})
}

// TestRandomValues carries thousands of strings made of what is special to
// YAML through a project.yaml and through kustomize, many to a build.
func TestRandomValues(t *testing.T) {
	pieces := append(strings.Split(" \t\n\r'\"\\:#-?{}[],&*!|>%@`~=<$", ""), "a", "1", ".", "\u2028", "\u00a0", "\ufeff", "😀", "ä", "null", "<<", "---", "...", strings.Repeat("x", 70))
	random := rand.New(rand.NewPCG(2026, 11))
	for range 2 {
		p := validProject()
		p.Spec.Env = map[string]string{}
		for i, trick := range tricks() {
			p.Spec.Env["T"+strconv.Itoa(i)] = trick
		}
		for i := range 200 {
			var value strings.Builder
			for range random.IntN(9) {
				value.WriteString(pieces[random.IntN(len(pieces))])
			}
			p.Spec.Env["V"+strconv.Itoa(i)] = value.String()
		}
		doc, err := generator.MergeProject("f", nil, p)
		if err != nil {
			t.Fatal(err)
		}
		read := mustProject(t, string(doc))
		if diff := cmp.Diff(p.Spec.Env, read.Spec.Env); diff != "" {
			t.Fatalf("reads back differently:\n%s", diff)
		}
		checkOldReader(t, doc, p)
		checkPlan(t, read)
	}
}
