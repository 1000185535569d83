package generator

import (
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// containerResources are what a container may ask for.
func containerResources() []string { return []string{"cpu", "ephemeral-storage", "memory"} }

// quotaResources are the names without a slash that a ResourceQuota knows
// (kubernetes.io/docs/concepts/policy/resource-quotas).
func quotaResources() []string {
	return []string{
		"configmaps", "cpu", "ephemeral-storage", "limits.cpu", "limits.ephemeral-storage", "limits.memory",
		"memory", "persistentvolumeclaims", "pods", "replicationcontrollers", "requests.cpu",
		"requests.ephemeral-storage", "requests.memory", "requests.storage", "resourcequotas", "secrets",
		"services", "services.loadbalancers", "services.nodeports",
	}
}

// validateQuantities checks names and values, and that none is negative.
func validateQuantities(c *collector, field string, q Quantities, names []string, qualified bool) {
	for _, name := range sortedKeys(q) {
		at := field + "[" + name + "]"
		c.check(at, checkResourceName(name, names, qualified))
		if value, err := resource.ParseQuantity(q[name]); err != nil {
			c.add(at, "for example 500m, 2 or 1Gi", "is not a Kubernetes quantity")
		} else if value.Sign() < 0 {
			c.add(at, "", "is negative")
		} else if value.Cmp(maxQuantity()) > 0 {
			c.add(at, "", "is more than any machine has")
		}
	}
}

// maxQuantity is what all machine words of Kubernetes can hold.
func maxQuantity() resource.Quantity { return *resource.NewQuantity(1<<60, resource.DecimalSI) }

func checkResourceName(name string, names []string, qualified bool) *fault {
	for _, known := range names {
		if name == known {
			return nil
		}
	}
	if qualified && strings.Contains(name, "/") {
		return kubernetes(validation.IsQualifiedName(name), "")
	}
	hint := "known: " + strings.Join(names, ", ")
	if near := nearest(name, names); near != "" {
		hint = "did you mean " + near + "?"
	}
	return &fault{"is not a resource that can be set here", hint}
}

// validateResources checks a container's resources, and that no request is
// above its limit.
func validateResources(c *collector, field string, r *Resources) {
	if r == nil {
		return
	}
	validateQuantities(c, field+".requests", r.Requests, containerResources(), false)
	validateQuantities(c, field+".limits", r.Limits, containerResources(), false)
	if over := overLimit(r); over != "" {
		c.add(field+".requests["+over+"]", "raise the limit or lower the request", "is above the limit")
	}
}

// overLimit returns the first resource whose request is above its limit.
func overLimit(r *Resources) string {
	for _, name := range sortedKeys(r.Requests) {
		request, err := resource.ParseQuantity(r.Requests[name])
		limit, err2 := resource.ParseQuantity(r.Limits[name])
		if err == nil && err2 == nil && request.Cmp(limit) > 0 {
			return name
		}
	}
	return ""
}

// merge lays the entries of over on top of base, entry by entry.
func (base *Resources) merge(over *Resources) *Resources {
	merged := &Resources{Requests: Quantities{}, Limits: Quantities{}}
	for _, r := range []*Resources{base, over} {
		if r == nil {
			continue
		}
		for name, q := range r.Requests {
			merged.Requests[name] = q
		}
		for name, q := range r.Limits {
			merged.Limits[name] = q
		}
	}
	return merged
}
