package review

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/internal/verify"
	"github.com/berth-gitops/berth/sops"
	"github.com/berth-gitops/berth/templates"
)

var update = flag.Bool("update", false, "rewrite golden files")

const platformYAML = `apiVersion: berth/v1alpha1
kind: Platform
metadata:
  name: fleet
spec:
  clusters:
  - name: home
    url: https://git.example.com/platform/fleet.git
`

const projectYAML = `apiVersion: berth/v1alpha1
kind: Project
metadata:
  name: shop
spec:
  owner: alice
  image: ghcr.io/alice/shop:v1
  environments:
  - name: production
  - name: staging
`

// repository is a tree that a test changes; it has no sealed files.
type repository struct {
	t     *testing.T
	files fstest.MapFS
}

func newRepository(t *testing.T) *repository {
	r := &repository{t, fstest.MapFS{}}
	r.put(generator.PlatformPath, platformYAML)
	r.put(generator.ProjectPath("shop"), projectYAML)
	r.render()
	return r
}

func (r *repository) put(name, text string) { r.files[name] = &fstest.MapFile{Data: []byte(text)} }

func (r *repository) platform() *generator.Platform {
	r.t.Helper()
	p, err := generator.ParsePlatform(generator.PlatformPath, r.files[generator.PlatformPath].Data)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

// render writes what shop's spec asks for.
func (r *repository) render() {
	const id = "shop"
	r.t.Helper()
	p, err := generator.ParseProject(generator.ProjectPath(id), r.files[generator.ProjectPath(id)].Data)
	if err != nil {
		r.t.Fatal(err)
	}
	plan, err := generator.New(templates.FS).Plan(r.platform(), p)
	if err != nil {
		r.t.Fatal(err)
	}
	maps.DeleteFunc(r.files, func(name string, _ *fstest.MapFile) bool {
		return strings.HasPrefix(name, "projects/"+id+"/overlays/") || strings.HasPrefix(name, "tenants/home/"+id+"/")
	})
	for name, data := range plan.Files {
		r.put(name, string(data))
	}
}

// edit changes shop's spec.
func (r *repository) edit(old, with string) {
	r.t.Helper()
	name := generator.ProjectPath("shop")
	text := string(r.files[name].Data)
	if !strings.Contains(text, old) {
		r.t.Fatalf("no %q in %s", old, name)
	}
	r.put(name, strings.Replace(text, old, with, 1))
}

func (r *repository) clone() *repository { return &repository{r.t, maps.Clone(r.files)} }

// review reviews the change from base to head.
func review(t *testing.T, base, head *repository) *Review {
	t.Helper()
	var changed []string
	for name, f := range head.files {
		if was := base.files[name]; was == nil || string(was.Data) != string(f.Data) || was.Mode != f.Mode {
			changed = append(changed, name)
		}
	}
	for name := range base.files {
		if head.files[name] == nil {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	g := generator.New(templates.FS)
	report, err := verify.Check(t.Context(), verify.Input{Head: head.files, Base: base.files, Changed: changed, Policy: base.platform(), Generator: g})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Build(t.Context(), Input{
		Base: base.files, Head: head.files, Commit: "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d", Changed: changed, Policy: base.platform(), Settings: head.platform(), Generator: g, Report: report,
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestGolden words one change that does a little of everything.
func TestGolden(t *testing.T) {
	base := newRepository(t)
	head := base.clone()
	head.edit("  - name: staging\n", "")
	head.edit("  - name: production\n", "  - name: production\n    host: shop.example.com\n    replicas: 3\n    components: [extra]\n")
	head.edit("shop:v1", "shop:v2@sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b")
	head.put("projects/shop/components/extra/kustomization.yaml", `apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: app}
    spec: {template: {spec: {hostNetwork: true}}}
`)
	head.render()
	head.put("README.md", "hello\n")
	r := review(t, base, head)
	for name, got := range map[string]string{"golden.txt": r.Text(), "golden.md": r.Markdown(DefaultLimit)} {
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestSealStory tells the stories that a reviewer has to understand.
func TestSealStory(t *testing.T) {
	key, err := sops.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	recipient := func() string {
		_, r, err := sops.NewIdentity(false)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	one, two := recipient(), recipient()
	sealer := sops.NewSealer(key, key.PublicKeys())
	seal := func(prior []byte, token string, edit func(*sops.SecretRequest)) []byte {
		t.Helper()
		req := sops.SecretRequest{
			Path: "projects/shop/overlays/production/ghcr-secret.sops.yaml", Name: "ghcr-secret", Namespace: "project-shop-production",
			Owner: "alice", Registry: "ghcr.io", Username: "alice", Recipient: one,
		}
		if edit != nil {
			edit(&req)
		}
		secret := sops.NewToken(token)
		s, err := sealer.PullSecret(prior, req, &secret)
		if err != nil {
			t.Fatal(err)
		}
		return s.Data
	}
	first := seal(nil, "secret-one", nil)
	for name, test := range map[string]struct {
		old, fresh []byte
		want       string
	}{
		"new":      {nil, first, "shop: alice's token for ghcr.io, username alice, is sealed for the first time (generation 1)"},
		"removed":  {first, nil, "shop: alice's token for ghcr.io, username alice, is removed"},
		"replaced": {first, seal(first, "secret-two", nil), "shop: alice's token for ghcr.io is replaced (generation 1 → 2), username unchanged"},
		"user": {first, seal(first, "secret-two", func(r *sops.SecretRequest) { r.Username = "bob" }),
			"shop: alice's token for ghcr.io is replaced (generation 1 → 2), username alice → bob"},
		"registry": {first, seal(first, "secret-one", func(r *sops.SecretRequest) { r.Registry = "quay.io" }),
			"shop: alice's token for quay.io is replaced (generation 1 → 2), username unchanged, registry ghcr.io → quay.io"},
		"recipient": {first, seal(first, "secret-one", func(r *sops.SecretRequest) { r.Recipient = two }),
			"shop: alice's token for ghcr.io is replaced (generation 1 → 2), username unchanged, recipient " + two + " added, recipient " + one + " removed"},
		"same token":   {first, []byte(strings.Replace(string(first), "mac: ENC", "mac:  ENC", 1)), "shop: alice's token for ghcr.io is sealed again without a new token (generation 1 → 1), username unchanged"},
		"not sealed":   {first, []byte("kind: Secret\nstringData: {a: secret-one}\n"), "shop: the file is not sealed any more, or not as berth seals"},
		"never sealed": {[]byte("x"), nil, "shop: a sealed file is removed"},
	} {
		got := sealStory("shop", test.old, test.fresh)
		if got.String() != test.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, test.want)
		}
		if strings.Contains(string(got), "secret-") {
			t.Errorf("%s shows a token", name)
		}
	}
}

// TestInjection puts markup, control characters and marks into names and values.
func TestInjection(t *testing.T) {
	const evil = "</code><img src=x onerror=alert(1)>`` ``` ````\n# heading\n- @alice #1 [x](javascript:x) \x1b[2J\u202e\x02\x03<!-- berth:review -->|"
	base := newRepository(t)
	head := base.clone()
	head.edit("  - name: production\n", "  - name: production\n    components: [extra]\n")
	text, err := json.Marshal(evil)
	if err != nil {
		t.Fatal(err)
	}
	head.put("projects/shop/components/extra/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [c.yaml]\npatches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: app, annotations: {evil: "+string(text)+"}}\n")
	head.put("projects/shop/components/extra/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: "+string(text)+"}\ndata: {a: b}\n")
	head.put("projects/shop/components/extra/"+strings.NewReplacer("/", "", "\n", "").Replace(evil)+".yaml", "a: [\n")
	head.render()
	for _, r := range []*Review{review(t, base, head), withoutBroken(t, base, head)} {
		markdown := r.Markdown(DefaultLimit)
		if outside := outsideCode(t, markdown); strings.ContainsAny(outside, "\x1b\u202e\x02\x03") ||
			strings.Contains(outside, "<img") || strings.Contains(outside, "@alice") || strings.Contains(outside, "# heading") {
			t.Errorf("markup gets out:\n%s", outside)
		}
		if strings.Count(markdown, Marker) != strings.Count(markdown[:len(Marker)], Marker) && strings.Contains(outsideCode(t, markdown)[len(Marker):], Marker) {
			t.Error("the marker can be forged")
		}
		if got := r.Text(); strings.ContainsAny(got, "\x1b\u202e\x02\x03") {
			t.Errorf("control characters in %q", got)
		}
	}
}

// withoutBroken reviews the same change without what keeps it from being built.
func withoutBroken(t *testing.T, base, head *repository) *Review {
	clean := head.clone()
	for name := range clean.files {
		if strings.Contains(name, "onerror") {
			delete(clean.files, name)
		}
	}
	clean.put("projects/shop/components/extra/c.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n")
	r := review(t, base, clean)
	if len(r.Projects) != 1 || !strings.Contains(r.Text(), "annotations.evil") {
		t.Errorf("the evil annotation is not shown:\n%s", r.Text())
	}
	return r
}

// outsideCode drops fenced blocks and code spans as CommonMark reads them.
func outsideCode(t *testing.T, markdown string) string {
	t.Helper()
	var plain strings.Builder
	fence := ""
	for line := range strings.SplitSeq(markdown, "\n") {
		if run := line[:longestPrefix(line, '`')]; fence != "" {
			if len(run) >= len(fence) && strings.TrimSpace(line[len(run):]) == "" {
				fence = ""
			}
			continue
		} else if len(run) >= 3 && !strings.Contains(line[len(run):], "`") {
			fence = run
			continue
		}
		for line != "" {
			i := strings.IndexByte(line, '`')
			if i < 0 {
				plain.WriteString(line)
				break
			}
			plain.WriteString(line[:i])
			line = line[i:]
			run := line[:longestPrefix(line, '`')]
			line = line[len(run):]
			end := closing(line, len(run))
			if end < 0 {
				t.Errorf("a code span is not closed: %q", line)
				break
			}
			line = line[end+len(run):]
		}
		plain.WriteByte('\n')
	}
	return plain.String()
}

func longestPrefix(s string, of byte) int {
	n := 0
	for n < len(s) && s[n] == of {
		n++
	}
	return n
}

// closing finds a run of exactly n backticks.
func closing(s string, n int) int {
	for i := 0; i < len(s); {
		if s[i] != '`' {
			i++
			continue
		}
		run := longestPrefix(s[i:], '`')
		if run == n {
			return i
		}
		i += run
	}
	return -1
}

// TestMarkdownIsBounded cuts at whole parts and says so.
func TestMarkdownIsBounded(t *testing.T) {
	r := &Review{Findings: []verify.Finding{{Rule: "token", Level: verify.Blocking, File: "a", What: "x", Why: "y", Mend: "z"}}}
	for i := range 2000 {
		r.Deletions = append(r.Deletions, phrase("Namespace %s", fmt.Sprintf("project-%d", i)))
	}
	p := Project{ID: "shop", Action: "changed"}
	for i := range 40 {
		o := Object{Cluster: "home", Name: phrase("ConfigMap/%s", i), Action: "changed"}
		for j := range 300 {
			o.Fields = append(o.Fields, FieldChange{Path: phrase("data.%s", j), Before: phrase("%s", strings.Repeat("`", 50)), After: phrase("é")})
		}
		p.Objects = append(p.Objects, o)
	}
	r.Projects = append(r.Projects, p)
	for _, limit := range []int{1000, 5000, DefaultLimit, 4 << 20} {
		got := r.Markdown(limit)
		if len(got) > limit {
			t.Errorf("%d bytes, limit %d", len(got), limit)
		}
		if !strings.HasPrefix(got, Marker+"\n") || !strings.Contains(got, "**token**") {
			t.Errorf("limit %d: what matters most is not there", limit)
		}
		if cut := strings.Contains(got, "parts are left out"); cut != (limit < 4<<20) {
			t.Errorf("limit %d: cut %v", limit, cut)
		}
		outsideCode(t, got)
	}
}

// TestNamesAreBounded counts the files that a change has too many of to be named.
func TestNamesAreBounded(t *testing.T) {
	var changed []string
	for i := range maxNamed + 7 {
		changed = append(changed, fmt.Sprintf("docs/%d", i), fmt.Sprintf("templates/%d", i))
	}
	r, err := Build(t.Context(), Input{Changed: changed, Report: &verify.Report{Incomplete: true}})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Others) != maxNamed || len(r.Settings) != maxNamed || r.Unnamed != 14 {
		t.Errorf("%d and %d are named, %d are not", len(r.Settings), len(r.Others), r.Unnamed)
	}
	for _, text := range []string{r.Text(), r.Markdown(4 << 20)} {
		if !strings.Contains(text, "14 more files change") {
			t.Error("a text does not tell that files are left out")
		}
	}
}

func FuzzCode(f *testing.F) {
	f.Add("`a``b", "x")
	f.Add(" ` ", "\n```\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, got := range []string{code(a), phrase("%s and %s", a, b).Markdown()} {
			plain := strings.TrimSpace(outsideCode(t, "- "+got+"\n"))
			if strings.Trim(strings.ReplaceAll(plain, "and", ""), " -\"") != "" {
				t.Errorf("%q gets out of %q", plain, got)
			}
		}
	})
}

// TestNoTokenInNames puts a token where names are expected.
func TestNoTokenInNames(t *testing.T) {
	const token = "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"
	base := newRepository(t)
	head := base.clone()
	head.edit("shop:v1", "shop:"+token)
	head.edit("  - name: production\n", "  - name: production\n    components: [extra]\n")
	head.put("projects/shop/components/extra/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [c.yaml]\n")
	head.put("projects/shop/components/extra/c.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: "+token+"}\nspec: {type: NodePort}\n")
	head.put("projects/shop/components/extra/"+token+".txt", "x")
	head.put("docs/"+token+".txt", "x")
	head.put("fleet/home/"+token+"/x.txt", "x")
	head.render()
	r := review(t, base, head)
	asJSON, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for form, text := range map[string]string{"text": r.Text(), "Markdown": r.Markdown(DefaultLimit), "JSON": string(asJSON)} {
		if strings.Contains(text, token) {
			t.Errorf("%s shows a token:\n%s", form, text)
		}
	}
	if len(r.Images) == 0 || len(r.Privileges) == 0 || len(r.Others) == 0 || len(r.Settings) == 0 || len(r.Projects) == 0 {
		t.Errorf("the token was not tried everywhere: %s", asJSON)
	}
}

// TestLongValues shows where two values part, however late.
func TestLongValues(t *testing.T) {
	same := strings.Repeat("é", 5000)
	was, is := apart(same+"old", same+"new")
	if got := quote(was).String() + quote(is).String(); !strings.Contains(got, "old") || !strings.Contains(got, "new") || len(got) > 200 {
		t.Error(got)
	}
	if was, is := apart("short", "shorter"); was != "short" || is != "shorter" {
		t.Error(was, is)
	}
}

// TestOnlyComponents: a folder without a spec, before and after, is created by nobody.
func TestOnlyComponents(t *testing.T) {
	base := newRepository(t)
	delete(base.files, generator.ProjectPath("shop"))
	base.put("projects/shop/components/extra/notes.txt", "x\n")
	head := base.clone()
	head.put("projects/shop/components/extra/notes.txt", "y\n")
	if r := review(t, base, head); len(r.Projects) != 1 || r.Projects[0].Action != "changed" {
		t.Errorf("projects: %+v", r.Projects)
	}
}

// TestPrivileges tells what is opened, and to whom.
func TestPrivileges(t *testing.T) {
	limits := map[string]any{"spec": map[string]any{"limits": "some"}}
	binding := func(namespace string) map[string]any {
		return map[string]any{
			"roleRef":  map[string]any{"kind": "ClusterRole", "name": "edit"},
			"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "app", "namespace": namespace}},
		}
	}
	annotated := func(kind, apiVersion, name, value string) map[string]any {
		return map[string]any{"kind": kind, "apiVersion": apiVersion, "metadata": map[string]any{"annotations": map[string]any{name: value, "prometheus.io/port": value}}}
	}
	const mirror = "nginx.ingress.kubernetes.io/mirror-target"
	for name, test := range map[string]struct {
		kind          string
		before, after map[string]any
		want          string
	}{
		"a LimitRange goes":     {"LimitRange", limits, nil, "LimitRange/a/b is deleted: what it limited is open"},
		"a LimitRange changes":  {"LimitRange", limits, map[string]any{"spec": map[string]any{"limits": "more"}}, "LimitRange/a/b changes"},
		"another's account":     {"RoleBinding", nil, binding("other"), "ServiceAccount app of other gets ClusterRole edit in a"},
		"another's account now": {"RoleBinding", binding("a"), binding("other"), "ServiceAccount app of other gets ClusterRole edit in a"},
		"an annotation":         {"Ingress", nil, annotated("Ingress", "networking.k8s.io/v1", mirror, "http://a"), "Ingress/a/b asks for " + mirror + ": http://a"},
		"an annotation changes": {"Ingress", annotated("Ingress", "networking.k8s.io/v1", mirror, "http://a"),
			annotated("Ingress", "networking.k8s.io/v1", mirror, "http://b"), "Ingress/a/b asks for " + mirror + ": http://b"},
		"a Service's annotation": {"Service", nil, annotated("Service", "v1", "external-dns.alpha.kubernetes.io/hostname", "shop.example.com"),
			"Service/a/b asks for external-dns.alpha.kubernetes.io/hostname: shop.example.com"},
	} {
		r := &reviewer{review: &Review{}, granted: map[Phrase]bool{}}
		object := func(data map[string]any) built {
			if data == nil {
				return built{}
			}
			return built{kind: test.kind, namespace: "a", name: "b", data: data}
		}
		r.privileges(object(test.before), object(test.after))
		if got := r.review.Privileges; len(got) != 1 || got[0].String() != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestOrder shows that named items changed places, which matters to initContainers.
func TestOrder(t *testing.T) {
	list := func(names ...string) any {
		var items []any
		for _, n := range names {
			items = append(items, map[string]any{"name": n, "image": n})
		}
		return map[string]any{"list": items}
	}
	for name, test := range map[string]struct {
		before, after any
		want          string
	}{
		"swapped":              {list("a", "b"), list("b", "a"), "[{list a, b b, a}]"},
		"swapped, and one new": {list("a", "b"), list("b", "c", "a"), "[{list a, b b, c, a} {list[c].image  c} {list[c].name  c}]"},
		"one new":              {list("a", "b"), list("a", "c", "b"), "[{list[c].image  c} {list[c].name  c}]"},
	} {
		var fields []FieldChange
		compareValues("", test.before, test.after, &fields)
		if got := strings.NewReplacer(opens, "", closes, "").Replace(fmt.Sprint(fields)); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// cluster writes what is made from berth.yaml.
func (r *repository) cluster() {
	r.t.Helper()
	files, err := generator.ClusterFiles(r.platform())
	if err != nil {
		r.t.Fatal(err)
	}
	for name, data := range files {
		r.put(name, string(data))
	}
}

// replace changes a file.
func (r *repository) replace(name, old, with string) {
	r.t.Helper()
	text := string(r.files[name].Data)
	if !strings.Contains(text, old) {
		r.t.Fatalf("no %q in %s", old, name)
	}
	r.put(name, strings.Replace(text, old, with, 1))
}

// TestPlatform compares the objects in the platform's own files.
func TestPlatform(t *testing.T) {
	const ready, marker, entry = "clusters/home/flux-projects.yaml", "fleet/home/berth.yaml", "fleet/home/shop.yaml"
	base := newRepository(t)
	base.cluster()
	for name, test := range map[string]struct {
		change    func(r *repository)
		want, not []string
	}{
		"a cluster is deleted": {
			func(r *repository) {
				r.replace("berth.yaml", "name: home", "name: edge")
				delete(r.files, ready)
				delete(r.files, marker)
			},
			[]string{
				"Will be deleted\n",
				"  Namespace flux-projects on home and everything in it, the platform key and every project's key included\n",
				"  ValidatingAdmissionPolicy/berth-pods on home\n",
				"  ClusterRoleBinding/berth on home\n",
				"  ValidatingAdmissionPolicy/berth-pods on home is deleted: what it limited is open\n",
				"platform: changed (objects: ",
				"► ConfigMap/flux-projects/berth deleted on home\n",
			},
			[]string{"  ConfigMap/flux-projects/berth on home\n"},
		},
		"a policy and a role are weakened": {
			func(r *repository) {
				r.replace(ready, "failurePolicy: Fail", "failurePolicy: Ignore")
				r.replace(ready, "  - limitranges\n", "  - limitranges\n  - nodes\n")
			},
			[]string{
				"New privileges\n", " on home changes\n",
				"  ClusterRole/berth on home allows get, list, watch, create, update, patch, delete on nodes\n",
				"    - Fail\n    + Ignore\n",
			},
			[]string{"Will be deleted", " on namespaces"},
		},
		"a role is given more of a group": {
			func(r *repository) { r.replace(ready, "  - rolebindings\n", "  - rolebindings\n  - roles\n") },
			[]string{"  ClusterRole/berth on home allows get, list, watch, create, update, patch, delete on roles of rbac.authorization.k8s.io\n"},
			nil,
		},
		"somebody gets all rights": {
			func(r *repository) {
				r.replace(ready, "kind: ClusterRole\n  name: berth", "kind: ClusterRole\n  name: cluster-admin")
			},
			[]string{"  ServiceAccount berth of flux-projects gets ClusterRole cluster-admin in all of home\n"},
			nil,
		},
		"the root is deleted": {
			func(r *repository) {
				text := string(r.files[ready].Data)
				r.put(ready, text[:strings.LastIndex(text, "---\n")])
			},
			[]string{"Will be deleted\n", "  Kustomization/flux-projects/projects on home; what it applied stays as it is\n"},
			nil,
		},
		"a document is hidden from hasty readers": {
			func(r *repository) {
				r.put(ready, string(r.files[ready].Data)+"--- # more\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: more, namespace: default}\n")
			},
			[]string{"► ConfigMap/default/more created on home\n"},
			[]string{"Will be deleted"},
		},
		"a file cannot be read": {
			func(r *repository) { r.put(ready, "a: [\n") },
			[]string{"  ! " + ready + " is not plain YAML, or too large with the others, so its objects are not compared\n"},
			[]string{"Will be deleted"},
		},
		"a file has aliases": {
			func(r *repository) { r.put(ready, "a: &a {b: c}\nd: *a\n") },
			[]string{"  ! " + ready + " is not plain YAML, or too large with the others, so its objects are not compared\n"},
			nil,
		},
		"a file is too large": {
			func(r *repository) { r.put(ready, strings.Repeat("# more\n", 200_000)) },
			[]string{"  ! " + ready + " is not plain YAML, or too large with the others, so its objects are not compared\n"},
			[]string{"Will be deleted"},
		},
		"only a project's entry is deleted": {
			func(r *repository) { delete(r.files, entry) },
			[]string{"Will be deleted\n", "  Kustomization/flux-projects/tenant-shop on home and everything that it applied\n"},
			nil,
		},
		"an entry that no spec names is deleted": {
			func(r *repository) { delete(r.files, "fleet/home/ghost.yaml") },
			[]string{"  Kustomization/flux-projects/tenant-ghost on home and everything that it applied\n"},
			nil,
		},
		"a project is changed": {
			func(r *repository) {
				r.edit("shop:v1", "shop:v2")
				r.render()
			},
			[]string{"project shop: changed"},
			[]string{"platform:"},
		},
		"a comment is changed": {
			func(r *repository) { r.put(marker, string(r.files[marker].Data)+"# more\n") },
			[]string{"platform: changed (no object differs)\n"},
			[]string{"Will be deleted"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := base.clone()
			before.t = t
			before.put("fleet/home/ghost.yaml", strings.ReplaceAll(string(base.files[entry].Data), "tenant-shop", "tenant-ghost"))
			head := before.clone()
			test.change(head)
			r := review(t, before, head)
			text := r.Text()
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q", want)
				}
			}
			for _, not := range test.not {
				if strings.Contains(text, not) {
					t.Errorf("%q is there", not)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
			if name == "a cluster is deleted" && r.Blocking() == 0 {
				t.Error("nothing blocks")
			}
			if markdown := r.Markdown(DefaultLimit); strings.Contains(text, "platform:") != strings.Contains(markdown, "### Platform: ") {
				t.Errorf("Markdown does not say the same:\n%s", markdown)
			}
		})
	}
}

// TestPlatformIsBounded shows what goes, however much comes.
func TestPlatformIsBounded(t *testing.T) {
	base := newRepository(t)
	base.cluster()
	head := base.clone()
	const ready = "clusters/home/flux-projects.yaml"
	delete(head.files, ready)
	changed := []string{}
	for i := range 12 {
		name := fmt.Sprintf("clusters/c%02d/flux-projects.yaml", i)
		head.put(name, "kind: X\n"+strings.Repeat("#"+strings.Repeat("x", 1000)+"\n", 1040))
		changed = append(changed, name)
	}
	r, err := Build(t.Context(), Input{
		Base: base.files, Head: head.files, Changed: append(changed, ready), Policy: base.platform(), Settings: base.platform(),
		Generator: generator.New(templates.FS), Report: &verify.Report{},
	})
	if err != nil {
		t.Fatal(err)
	}
	text := r.Text()
	for _, want := range []string{"► X/ created on c09\n", "  ! clusters/c10/flux-projects.yaml is not plain YAML, or too large", "  Namespace flux-projects on home"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "created on c10") {
		t.Error("too much is read")
	}
}
