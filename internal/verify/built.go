package verify

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/internal/build"
	"github.com/berth-gitops/berth/sops"
)

// object is one built Kubernetes object.
type object map[string]any

// at returns what stands at a path of fields; nil when there is nothing.
func (o object) at(fields ...string) any {
	var v any = map[string]any(o)
	for _, f := range fields {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[f]
	}
	return v
}

// text is at for a string; "" for anything else.
func (o object) text(fields ...string) string {
	s, _ := o.at(fields...).(string)
	return s
}

func (o object) kind() string      { return o.text("kind") }
func (o object) name() string      { return o.text("metadata", "name") }
func (o object) namespace() string { return o.text("metadata", "namespace") }

// groupKind is Kind.group, or Kind alone for the core group.
func (o object) groupKind() string {
	group, _, ok := strings.Cut(o.text("apiVersion"), "/")
	if !ok {
		return o.kind()
	}
	return o.kind() + "." + group
}

func (o object) String() string {
	return fmt.Sprintf("%s %s", clip(o.kind()), clip(o.name()))
}

// objects reads a built YAML stream.
func objects(stream []byte) ([]object, error) {
	var all []object
	for _, doc := range strings.Split("\n"+string(stream), "\n---\n") {
		var o map[string]any
		if err := yaml.Unmarshal([]byte(doc), &o); err != nil {
			return nil, err
		}
		if o != nil {
			all = append(all, o)
		}
	}
	return all, nil
}

// build builds a folder and notes when it does not.
func (c *checker) build(dir string) ([]object, bool) {
	file := path.Join(dir, "kustomization.yaml")
	out, err := build.Kustomize(c.Head, dir)
	if errors.Is(err, build.ErrRunaway) {
		c.report.Incomplete = true
		c.add(ruleYAMLBomb, file, 0, "%v; what comes after it was not looked at", err)
		return nil, false
	}
	if err != nil {
		c.add(ruleBuild, file, 0, "%v", err)
		return nil, false
	}
	all, err := objects(out)
	if err != nil {
		c.add(ruleBuild, file, 0, "what it builds is not a list of objects")
		return nil, false
	}
	return all, true
}

// checkLists looks at the files that only list others: those of the fleet and of the
// platform halves.
func (c *checker) checkLists(p *project) {
	seen := map[string]bool{}
	for _, t := range p.plan.Targets {
		folder := tenantFolder(t)
		if seen[folder] {
			continue
		}
		seen[folder] = true
		if f := c.files[folder+"/kustomization.yaml"]; f != nil {
			c.checkTenantList(f)
		}
		c.checkFleet(p, t.Cluster)
	}
}

// checkBuilt builds both halves of every environment and looks at what comes out.
// infos are the sealed files that can be believed.
func (c *checker) checkBuilt(p *project, infos map[string]*sops.Info) {
	byFolder := map[string][]generator.Target{}
	for _, t := range p.plan.Targets {
		if !c.report.Incomplete && isFile(c.Head, t.Overlay+"/kustomization.yaml") {
			if all, ok := c.build(t.Overlay); ok {
				c.checkWorkload(p, t, infos, all)
			}
		}
		byFolder[tenantFolder(t)] = append(byFolder[tenantFolder(t)], t)
	}
	for _, folder := range slices.Sorted(maps.Keys(byFolder)) {
		c.checkTenant(p, folder, byFolder[folder])
	}
}

// workloadKinds are what the ClusterRole of the projects lets Flux apply.
func workloadKinds() []string {
	return []string{
		"ConfigMap", "PersistentVolumeClaim", "ServiceAccount", "Service",
		"Deployment.apps", "StatefulSet.apps", "HorizontalPodAutoscaler.autoscaling",
		"CronJob.batch", "Job.batch", "Ingress.networking.k8s.io", "PodDisruptionBudget.policy",
	}
}

// checkWorkload looks at one environment's workload half.
func (c *checker) checkWorkload(p *project, t generator.Target, infos map[string]*sops.Info, all []object) {
	file := t.Overlay + "/kustomization.yaml"
	sealed, believed := c.sealedObject(p, t, infos)
	found := false
	for _, o := range all {
		if sealed != nil && o.kind() == "Secret" && o.name() == generator.PullSecretName {
			found = true
			if believed {
				c.checkUnaltered(file, o, sealed)
			}
			continue
		}
		if !slices.Contains(workloadKinds(), o.groupKind()) {
			c.add(ruleKind, file, 0, "builds a %s", o)
		}
		if ns := o.namespace(); ns != "" && ns != t.Namespace {
			c.add(ruleNamespace, file, 0, "builds %s in namespace %q", o, clip(ns))
		}
		if o.at("sops") != nil || holdsCiphertext(map[string]any(o)) {
			c.add(ruleSealAltered, file, 0, "puts ciphertext into %s", o)
		}
		c.checkPods(t, file, o)
		c.checkNeighbours(file, o)
		if o.groupKind() == "Ingress.networking.k8s.io" {
			c.checkHosts(p, t, file, o)
		}
	}
	if sealed != nil && !found {
		c.add(ruleSealAltered, file, 0, "does not build the Secret %s", generator.PullSecretName)
	}
}

// sealedObject is the environment's pull secret as its file has it; nil when there is
// none, or none that can be read.
func (c *checker) sealedObject(p *project, t generator.Target, infos map[string]*sops.Info) (_ object, believed bool) {
	for _, s := range p.plan.Secrets {
		if f := c.files[s.Path]; s.Environment == t.Environment && f != nil {
			if all, err := objects(f.data); err == nil && len(all) == 1 {
				return all[0], infos[s.Path] != nil
			}
		}
	}
	return nil, false
}

// checkUnaltered compares the built pull secret with its file. Labels may be added,
// but for those that Flux obeys; annotations may not: they make other controllers copy
// a Secret. Nor may owners or finalizers: with an owner that is not there Kubernetes
// deletes it.
func (c *checker) checkUnaltered(file string, built, sealed object) {
	for _, field := range []string{"apiVersion", "type", "data", "stringData", "sops", "immutable"} {
		if !reflect.DeepEqual(built.at(field), sealed.at(field)) {
			c.add(ruleSealAltered, file, 0, "changes %s of %s", field, generator.PullSecretName)
		}
	}
	before, _ := sealed.at("metadata").(map[string]any)
	after, _ := built.at("metadata").(map[string]any)
	meta := map[string]any{}
	maps.Copy(meta, before)
	maps.Copy(meta, after)
	for _, field := range slices.Sorted(maps.Keys(meta)) {
		if !slices.Contains([]string{"labels", "annotations", "namespace"}, field) && !reflect.DeepEqual(after[field], before[field]) {
			c.add(ruleSealAltered, file, 0, "changes %s of %s", clip(field), generator.PullSecretName)
		}
	}
	if built.namespace() != sealed.namespace() {
		c.add(ruleSealAltered, file, 0, "moves %s to namespace %q", generator.PullSecretName, clip(built.namespace()))
	}
	labels, _ := built.at("metadata", "labels").(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if strings.HasPrefix(name, "kustomize.toolkit.fluxcd.io/") {
			c.add(ruleSealAltered, file, 0, "gives %s the label %s, which changes what Flux does with it", generator.PullSecretName, clip(name))
		}
	}
	was, _ := sealed.at("metadata", "annotations").(map[string]any)
	is, _ := built.at("metadata", "annotations").(map[string]any)
	both := maps.Clone(was)
	maps.Copy(both, is)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if is[name] != was[name] {
			c.add(ruleSealAltered, file, 0, "adds, changes or removes the annotation %s of %s", clip(name), generator.PullSecretName)
		}
	}
}

// holdsCiphertext looks for SOPS values anywhere in v. How one begins is enough: the
// rest may have been cut off and put elsewhere.
func holdsCiphertext(v any) bool {
	switch v := v.(type) {
	case string:
		return strings.Contains(v, "ENC[AES256_GCM") || wrappedKey.MatchString(v)
	case map[string]any:
		for _, item := range v {
			if holdsCiphertext(item) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsCiphertext)
	}
	return false
}

// checkHosts finds hosts that another project already has on the same cluster.
func (c *checker) checkHosts(p *project, t generator.Target, file string, o object) {
	rules, _ := o.at("spec", "rules").([]any)
	for _, r := range rules {
		rule, _ := r.(map[string]any)
		host, _ := rule["host"].(string)
		if host == "" {
			continue
		}
		key := t.Cluster + " " + host
		if other, ok := c.hosts[key]; ok && other != p.id {
			c.add(ruleHostClash, file, 0, "%s uses host %q, as project %s does", o, clip(host), other)
		}
		c.hosts[key] = p.id
	}
}
