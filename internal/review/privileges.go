package review

import (
	"maps"
	"reflect"
	"slices"

	"github.com/berth-gitops/berth/internal/verify"
)

// privileges notes what an object grants or opens that it did not before.
func (r *reviewer) privileges(before, after built) {
	if after.data == nil {
		if limits(before) {
			r.privilege(phrase("%s is deleted: what it limited is open", before.label()))
		}
		return
	}
	had := map[Phrase]bool{}
	for _, g := range grants(before) {
		had[g] = true
	}
	for _, g := range grants(after) {
		if !had[g] {
			r.privilege(g)
		}
	}
	if before.data == nil {
		return
	}
	if limits(after) && !reflect.DeepEqual(before.data["spec"], after.data["spec"]) {
		r.privilege(phrase("%s changes", after.label()))
	}
}

// limits says that more is allowed without the object, or may be when it changes.
func limits(b built) bool {
	return b.kind == "NetworkPolicy" || b.kind == "ResourceQuota" || b.kind == "LimitRange"
}

func (r *reviewer) privilege(p Phrase) {
	if !slices.Contains(r.review.Privileges, p) {
		r.review.Privileges = append(r.review.Privileges, p)
	}
}

// grants lists what an object grants or opens.
func grants(b built) []Phrase {
	if b.data == nil {
		return nil
	}
	var out []Phrase
	spec, _ := b.data["spec"].(map[string]any)
	switch b.kind {
	case "RoleBinding", "ClusterRoleBinding":
		role, _ := b.data["roleRef"].(map[string]any)
		subjects, _ := b.data["subjects"].([]any)
		for _, s := range subjects {
			subject, _ := s.(map[string]any)
			who := phrase("%s %s", subject["kind"], subject["name"])
			if subject["namespace"] != nil {
				who += phrase(" of %s", subject["namespace"])
			}
			out = append(out, who+phrase(" gets %s %s in %s", role["kind"], role["name"], b.namespace))
		}
	case "Ingress":
		rules, _ := spec["rules"].([]any)
		for _, item := range rules {
			rule, _ := item.(map[string]any)
			out = append(out, phrase("%s is reachable from outside as %s", b.namespace, rule["host"]))
		}
	case "Service":
		if t := spec["type"]; t == "LoadBalancer" || t == "NodePort" {
			out = append(out, phrase("%s is a Service of type %s", b.label(), t))
		}
	case "Namespace":
		meta, _ := b.data["metadata"].(map[string]any)
		labels, _ := meta["labels"].(map[string]any)
		if level := labels["pod-security.kubernetes.io/enforce"]; level == nil {
			out = append(out, phrase("%s enforces no pod security level", b.label()))
		} else if level != "baseline" && level != "restricted" {
			out = append(out, phrase("%s enforces the pod security level %s", b.label(), level))
		}
	}
	for _, flaw := range verify.Grants(b.data) {
		out = append(out, phrase("%s asks for %s", b.label(), flaw))
	}
	return out
}

// sortedUnion returns the keys of both maps in order.
func sortedUnion[V any](a, b map[string]V) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}
