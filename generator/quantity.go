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
		at := entry(field, name)
		c.check(at, checkResourceName(name, names, qualified))
		c.check(at, checkQuantity(name, q[name]))
	}
}

// checkQuantity accepts what the API server does for a resource, up to a
// number that every sum of them can hold.
func checkQuantity(name, s string) *fault {
	value, err := parseQuantity(s)
	switch {
	case err != nil:
		return &fault{"is not a Kubernetes quantity", "for example 500m, 2 or 1Gi"}
	case value.Sign() < 0:
		return &fault{"is negative", ""}
	case value.Cmp(*resource.NewQuantity(1<<60, resource.DecimalSI)) > 0:
		return &fault{"is more than any machine has", ""}
	case name != "cpu" && !strings.HasSuffix(name, ".cpu") && value.Cmp(*resource.NewQuantity(value.Value(), resource.DecimalSI)) != 0:
		return &fault{"is not a whole number", "m means a thousandth; write M or Mi for mega"}
	}
	return nil
}

// parseQuantity is resource.ParseQuantity for untrusted input: that one spends
// minutes on an exponent of ten digits.
func parseQuantity(s string) (resource.Quantity, error) {
	if i := strings.IndexAny(s, "eE"); len(s) > 32 || i >= 0 && len(s)-i > len("e-99") {
		return resource.Quantity{}, resource.ErrFormatWrong
	}
	return resource.ParseQuantity(s)
}

func checkResourceName(name string, names []string, qualified bool) *fault {
	for _, known := range names {
		if name == known {
			return nil
		}
	}
	if qualified && strings.Contains(name, "/") {
		if len(validation.IsQualifiedName(name)) > 0 {
			return &fault{"is not a qualified resource name", "for example count/deployments.apps"}
		}
		return nil
	}
	return &fault{"is not a resource that can be set here", suggest(name, names, "known: ")}
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
		c.add(entry(field+".requests", over), "raise the limit or lower the request", "is above the limit")
	}
}

// overLimit returns the first resource whose request is above its limit.
func overLimit(r *Resources) string {
	for _, name := range sortedKeys(r.Requests) {
		request, err := parseQuantity(r.Requests[name])
		limit, err2 := parseQuantity(r.Limits[name])
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
