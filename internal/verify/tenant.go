package verify

import (
	"path"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/berth-gitops/berth/generator"
)

// Kinds of a platform half, as groupKind has them.
const (
	kindRoleBinding   = "RoleBinding.rbac.authorization.k8s.io"
	kindKustomization = "Kustomization.kustomize.toolkit.fluxcd.io"
	kindNetworkPolicy = "NetworkPolicy.networking.k8s.io"
)

// checkTenant looks at a project's platform half on one cluster.
func (c *checker) checkTenant(p *project, folder string, targets []generator.Target) {
	list := folder + "/kustomization.yaml"
	if c.report.Incomplete || !isFile(c.Head, list) {
		return // missing, as checkRendered says
	}
	all, ok := c.build(folder)
	if !ok {
		return
	}
	for _, o := range all {
		c.checkTenantObject(p, list, targets, o)
	}
	for _, t := range targets {
		rendered, err := objects(p.plan.Files[t.Tenant])
		if err != nil {
			continue
		}
		for _, want := range rendered {
			if !slices.ContainsFunc(all, func(o object) bool {
				return o.groupKind() == want.groupKind() && o.name() == want.name() && o.namespace() == want.namespace()
			}) {
				c.add(ruleMissingGuard, t.Tenant, 0, "%s of %s is not built", want, t.Namespace)
			}
		}
	}
}

// checkTenantList allows a plain list of the files beside it and nothing else.
func (c *checker) checkTenantList(f *file) {
	for _, doc := range f.docs {
		if doc.Kind != yaml.MappingNode {
			c.add(ruleTenantList, f.path, doc.Line, "is not a Kustomization")
			return
		}
		for i := 0; i+1 < len(doc.Content); i += 2 {
			key, value := doc.Content[i], deref(doc.Content[i+1])
			switch key.Value {
			case "apiVersion", "kind":
			case "resources":
				for _, item := range value.Content {
					if name := text(item); name == "" || strings.Contains(name, "/") || !isFile(c.Head, path.Join(path.Dir(f.path), name)) {
						c.add(ruleTenantList, f.path, deref(item).Line, "lists %q, which is not a file beside it", clip(name))
					}
				}
			default:
				c.add(ruleTenantList, f.path, key.Line, "has the field %q", clip(key.Value))
			}
		}
	}
}

// checkTenantObject looks at one object of a platform half.
func (c *checker) checkTenantObject(p *project, list string, targets []generator.Target, o object) {
	own := func(name string) bool {
		return slices.ContainsFunc(targets, func(t generator.Target) bool { return t.Namespace == name })
	}
	file := c.fileOf(p, path.Dir(list), o, list)
	collides := func(is bool) {
		if !is {
			c.add(ruleCollision, file, 0, "contains %s in namespace %q", o, clip(o.namespace()))
		}
	}
	switch o.groupKind() {
	case "Namespace":
		collides(own(o.name()))
		c.checkNamespaceObject(p, file, o)
	case "ResourceQuota", "LimitRange", kindNetworkPolicy:
		collides(own(o.namespace()))
	case kindRoleBinding:
		collides(own(o.namespace()))
		c.checkBinding(file, o)
	case "ServiceAccount":
		collides(o.namespace() == generator.PlatformNamespace && own(o.name()))
	case kindKustomization:
		collides(o.namespace() == generator.PlatformNamespace && own(o.name()))
		c.checkFlux(file, o, workloadFlux(p.id, o.name()))
	case "Secret":
		collides(o.namespace() == generator.PlatformNamespace && o.name() == "sops-"+p.id)
		if o.at("sops") == nil {
			c.add(rulePlaintextSecret, file, 0, "%s is not sealed", o)
		}
	default:
		c.add(ruleKind, file, 0, "contains %s", o)
	}
}

// fileOf finds the file of folder that an object stands in; list when none is known.
func (c *checker) fileOf(p *project, folder string, o object, list string) string {
	for _, e := range p.entries {
		f := c.files[e.path]
		if f == nil || path.Dir(e.path) != folder {
			continue
		}
		for _, doc := range f.docs {
			meta := field(doc, "metadata")
			if text(field(doc, "kind")) == o.kind() && text(field(meta, "name")) == o.name() && text(field(meta, "namespace")) == o.namespace() {
				return e.path
			}
		}
	}
	return list
}

// checkNamespaceObject keeps a Namespace's labels to what the admission policies and
// pod security rely on.
func (c *checker) checkNamespaceObject(p *project, file string, o object) {
	labels := func(name string) string { return o.text("metadata", "labels", name) }
	if want := generator.Namespace(labels(generator.LabelProject), labels(generator.LabelEnvironment)); o.name() != want || labels(generator.LabelProject) != p.id {
		c.add(rulePrivilege, file, 0, "%s does not have the labels that the admission policies select it by", o)
	}
	level := labels("pod-security.kubernetes.io/enforce")
	for _, t := range p.plan.Targets {
		if t.Namespace != o.name() {
			continue
		}
		if allowed := podSecurity(c.Policy, t.Cluster); strictness(level) < strictness(allowed) {
			c.add(rulePrivilege, file, 0, "%s enforces the pod security level %q, and berth.yaml says %q", o, clip(level), allowed)
		}
	}
}

// podSecurity is the level that a berth.yaml sets for a cluster.
func podSecurity(p *generator.Platform, cluster string) string {
	level := p.Spec.Defaults.PodSecurity
	if settings := clusterOf(p, cluster); settings != nil && settings.PodSecurity != "" {
		level = settings.PodSecurity
	}
	if level == "" {
		level = generator.DefaultPodSecurity
	}
	return level
}

func strictness(level string) int {
	return slices.Index([]string{"privileged", "baseline", "restricted"}, level)
}

// checkBinding allows berth's one role, for the namespace's own account.
func (c *checker) checkBinding(file string, o object) {
	role := map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": generator.ProjectRole}
	if !reflect.DeepEqual(o.at("roleRef"), role) {
		c.add(rulePrivilege, file, 0, "%s binds another role than %s: %s %q", o, generator.ProjectRole, clip(o.text("roleRef", "kind")), clip(o.text("roleRef", "name")))
	}
	subject := map[string]any{"kind": "ServiceAccount", "name": o.namespace(), "namespace": generator.PlatformNamespace}
	if !reflect.DeepEqual(o.at("subjects"), []any{subject}) {
		c.add(rulePrivilege, file, 0, "%s binds somebody else than the ServiceAccount %s", o, clip(o.namespace()))
	}
}

// flux is what a Flux Kustomization may be.
type flux struct{ path, account, namespace, key string }

// workloadFlux follows from the name, as the cluster's admission policy has it.
func workloadFlux(id, name string) flux {
	env := strings.TrimPrefix(name, generator.Namespace(id, ""))
	return flux{"./projects/" + id + "/overlays/" + env, name, name, "sops-" + id}
}

// checkFlux compares a Flux Kustomization with what it may be.
func (c *checker) checkFlux(file string, o object, want flux) {
	grants := func(format string, args ...any) {
		c.add(rulePrivilege, file, 0, "%s "+format, append([]any{o}, args...)...)
	}
	for _, f := range []struct{ field, want string }{
		{"path", want.path}, {"serviceAccountName", want.account}, {"targetNamespace", want.namespace},
	} {
		if got := o.text("spec", f.field); got != f.want {
			grants("has the %s %q instead of %q", f.field, clip(got), f.want)
		}
	}
	decryption := map[string]any{"provider": "sops", "secretRef": map[string]any{"name": want.key}}
	if got := o.at("spec", "decryption"); got != nil && !reflect.DeepEqual(got, decryption) {
		grants("decrypts with another key than %s", want.key)
	}
	source := map[string]any{"kind": "GitRepository", "name": generator.GitRepository}
	if got := o.at("spec", "sourceRef"); !reflect.DeepEqual(got, source) {
		grants("takes its files from another source than %s", generator.GitRepository)
	}
	for _, name := range []string{"commonMetadata", "components", "images", "kubeConfig", "namePrefix", "nameSuffix", "patches", "postBuild"} {
		if o.at("spec", name) != nil {
			grants("has the field %s, which changes what it builds or where it is applied", name)
		}
	}
}

// checkFleet looks at the project's entry in the list of a cluster.
func (c *checker) checkFleet(p *project, cluster string) {
	name := "fleet/" + cluster + "/" + p.id + ".yaml"
	f := c.files[name]
	if f == nil {
		return // missing, as checkRendered says
	}
	for _, doc := range f.docs {
		var o map[string]any
		switch err := doc.Decode(&o); {
		case err != nil:
			c.add(ruleYAML, name, doc.Line, "is not an object")
		case o != nil:
			c.checkFleetObject(p, cluster, name, o)
		}
	}
}

func (c *checker) checkFleetObject(p *project, cluster, name string, o object) {
	if o.groupKind() != kindKustomization || o.name() != "tenant-"+p.id || o.namespace() != generator.PlatformNamespace {
		c.add(ruleCollision, name, 0, "contains %s in namespace %q", o, clip(o.namespace()))
		return
	}
	c.checkFlux(name, o, flux{"./tenants/" + cluster + "/" + p.id, generator.PlatformAccount, "", generator.PlatformKeySecret})
}
