package generator_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/berth-gitops/berth/generator"
)

// once returns what is applied to a cluster of the private case.
func once(t *testing.T, cluster string) map[string]map[string]any {
	t.Helper()
	files, err := generator.ClusterFiles(mustPlatform(t, readFile(t, "testdata/private/berth.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	return decodeAll(t, cluster, files["clusters/"+cluster+"/flux-projects.yaml"])
}

// typed converts a decoded object to a Kubernetes type, strictly.
func typed[T any](t *testing.T, object map[string]any) *T {
	t.Helper()
	doc, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	out := new(T)
	if err := yaml.UnmarshalStrict(doc, out); err != nil {
		t.Fatalf("%v\n%s", err, doc)
	}
	return out
}

func TestClusterObjects(t *testing.T) {
	got := slices.Sorted(maps.Keys(once(t, "home")))
	want := []string{
		"ClusterRole//berth", "ClusterRole//berth-project", "ClusterRoleBinding//berth",
		"GitRepository/flux-projects/flux-projects", "Kustomization/flux-projects/projects", "Namespace//flux-projects",
		"Role/flux-projects/berth", "RoleBinding/flux-projects/berth", "ServiceAccount/flux-projects/berth",
		"ValidatingAdmissionPolicy//berth-kustomizations", "ValidatingAdmissionPolicy//berth-platform", "ValidatingAdmissionPolicy//berth-pods", "ValidatingAdmissionPolicy//berth-services",
		"ValidatingAdmissionPolicyBinding//berth-kustomizations", "ValidatingAdmissionPolicyBinding//berth-platform", "ValidatingAdmissionPolicyBinding//berth-pods", "ValidatingAdmissionPolicyBinding//berth-services",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	cloud := once(t, "cloud")
	source := cloud["GitRepository/flux-projects/flux-projects"]
	if diff := cmp.Diff(parse(t, `
interval: 1m0s
ref: {branch: release}
secretRef: {name: flux-projects-git}
timeout: 3m0s
url: ssh://git@git.example.com:2222/platform/fleet.git
`), at(t, source, "spec")); diff != "" {
		t.Errorf("GitRepository: %s", diff)
	}
	root := kustomization(t, cloud["Kustomization/flux-projects/projects"])
	if diff := cmp.Diff("./fleet/cloud berth   Orphan", summary(root)); diff != "" {
		t.Errorf("root: %s", diff)
	}
}

// TestPolicies: they fail closed, are bound, and stay out of the way of status
// updates, which are subresources of their own.
func TestPolicies(t *testing.T) {
	objects := once(t, "home")
	for key, object := range objects {
		name, isPolicy := strings.CutPrefix(key, "ValidatingAdmissionPolicy//")
		if !isPolicy {
			continue
		}
		p := typed[admissionv1.ValidatingAdmissionPolicy](t, object)
		if *p.Spec.FailurePolicy != admissionv1.Fail || len(p.Spec.Validations) == 0 {
			t.Errorf("%s does not fail closed", name)
		}
		for _, rule := range p.Spec.MatchConstraints.ResourceRules {
			for _, resource := range rule.Resources {
				if strings.Contains(resource, "*") || strings.HasSuffix(resource, "/status") {
					t.Errorf("%s matches %s", name, resource)
				}
			}
		}
		for _, v := range p.Spec.Validations {
			if v.Message == "" {
				t.Errorf("%s denies without a word: %s", name, v.Expression)
			}
		}
		b := typed[admissionv1.ValidatingAdmissionPolicyBinding](t, objects["ValidatingAdmissionPolicyBinding//"+name])
		if b.Spec.PolicyName != name || !slices.Equal(b.Spec.ValidationActions, []admissionv1.ValidationAction{admissionv1.Deny}) {
			t.Errorf("%s is not enforced: %+v", name, b.Spec)
		}
	}
}

// TestRights: roles name what they allow, cover what is rendered, and no more
// than a project may have.
func TestRights(t *testing.T) {
	objects := once(t, "home")
	rules := func(key string) []rbacv1.PolicyRule {
		return typed[rbacv1.ClusterRole](t, objects[key]).Rules
	}
	project := rules("ClusterRole//berth-project")
	platform := append(rules("ClusterRole//berth"), typed[rbacv1.Role](t, objects["Role/flux-projects/berth"]).Rules...)
	for _, rule := range append(slices.Clone(project), platform...) {
		for _, words := range [][]string{rule.APIGroups, rule.Resources, rule.Verbs} {
			if slices.Contains(words, "*") || slices.Contains(words, "escalate") || slices.Contains(words, "impersonate") {
				t.Errorf("a rule is too wide: %+v", rule)
			}
		}
		if slices.Contains(rule.Verbs, "bind") && !slices.Equal(rule.ResourceNames, []string{"berth-project"}) {
			t.Errorf("bind is not limited: %+v", rule)
		}
	}
	for _, resource := range []string{"namespaces", "resourcequotas", "limitranges", "networkpolicies", "roles", "rolebindings", "kustomizations", "serviceaccounts/token", "pods/exec"} {
		if allowed(project, resource) {
			t.Errorf("a project may manage %s", resource)
		}
	}
	plan := golden(t, "private")
	repo := repository(t, plan, map[string]string{"projects/shop/components/cache/kustomization.yaml": cacheComponent})
	for _, folder := range folders(plan) {
		role := project
		if strings.HasPrefix(folder, "tenants/") {
			role = platform
		}
		for key := range build(t, repo, folder) {
			kind, _, _ := strings.Cut(key, "/")
			if !allowed(role, plural(kind)) {
				t.Errorf("%s has a %s, which nobody may apply", folder, kind)
			}
		}
	}
}

func allowed(rules []rbacv1.PolicyRule, resource string) bool {
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
		return slices.Contains(r.Resources, resource) && slices.Contains(r.Verbs, "patch") && slices.Contains(r.Verbs, "delete")
	})
}

func plural(kind string) string {
	switch resource := strings.ToLower(kind); {
	case strings.HasSuffix(resource, "y"):
		return resource[:len(resource)-1] + "ies"
	case strings.HasSuffix(resource, "s"):
		return resource + "es"
	default:
		return resource + "s"
	}
}

// TestSOPSRules: one rule per cluster that has recipients.
func TestSOPSRules(t *testing.T) {
	files, err := generator.ClusterFiles(mustPlatform(t, twoClusters))
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := yaml.UnmarshalStrict(files[".sops.yaml"], &got); err != nil {
		t.Fatal(err)
	}
	want := parse(t, `
creation_rules:
- path_regex: '^tenants/home/.*\.sops\.yaml$'
  encrypted_regex: '^(data|stringData)$'
  age: age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq
`)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestNoClock: what is rendered must not depend on when.
func TestNoClock(t *testing.T) {
	names, err := filepath.Glob("*.go")
	if err != nil || len(names) < 10 {
		t.Fatalf("%v: %v", names, err)
	}
	for _, name := range names {
		source := readFile(t, name)
		for _, call := range []string{"time.Now(", "time.Since(", "time.Until("} {
			if !strings.HasSuffix(name, "_test.go") && strings.Contains(source, call) {
				t.Errorf("%s calls %s)", name, call)
			}
		}
	}
}
