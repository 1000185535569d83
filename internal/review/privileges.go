package review

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/berth-gitops/berth/internal/verify"
)

// privileges notes what an object grants or opens that it did not before.
func (r *reviewer) privileges(before, after built) {
	if after.data == nil {
		if limits(before) {
			r.privilege(before.place() + " is deleted: what it limited is open")
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
		r.privilege(after.place() + " changes")
	}
}

// limits says that more is allowed without the object, or may be when it changes.
func limits(b built) bool {
	return slices.Contains([]string{
		"NetworkPolicy", "ResourceQuota", "LimitRange", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
	}, b.kind)
}

func (r *reviewer) privilege(p Phrase) {
	if !r.granted[p] {
		r.granted[p] = true
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
			where := phrase(" in %s", b.namespace)
			if b.namespace == "" {
				where = phrase(" in all of %s", b.cluster)
			}
			out = append(out, who+phrase(" gets %s %s", role["kind"], role["name"])+where)
		}
	case "Role", "ClusterRole":
		rules, _ := b.data["rules"].([]any)
		for _, item := range rules {
			rule, _ := item.(map[string]any)
			out = append(out, allowed(b.place(), rule)...)
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

// allowed words what a rule of a role allows, resource by resource.
func allowed(role Phrase, rule map[string]any) []Phrase {
	words := role + phrase(" allows %s on ", strings.Join(texts(rule["verbs"]), ", "))
	var where Phrase
	if groups := strings.Join(texts(rule["apiGroups"]), ", "); groups != "" {
		where = phrase(" of %s", groups)
	}
	if names := texts(rule["resourceNames"]); len(names) > 0 {
		where += phrase(" called %s", strings.Join(names, ", "))
	}
	var out []Phrase
	for _, resource := range texts(rule["resources"]) {
		out = append(out, words+phrase("%s", resource)+where)
	}
	for _, url := range texts(rule["nonResourceURLs"]) {
		out = append(out, words+phrase("%s", url))
	}
	return out
}

// texts are the items of a list, as texts.
func texts(list any) []string {
	items, _ := list.([]any)
	var out []string
	for _, item := range items {
		out = append(out, fmt.Sprint(item))
	}
	return out
}

// sortedUnion returns the keys of both maps in order.
func sortedUnion[V any](a, b map[string]V) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}
