package generator

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// checkResources looks at the resources that the container ends up with.
func (e *environment) checkResources(c *collector, at string) {
	if name := overLimit(e.resources); name != "" {
		c.add(at+".resources", "set both the request and the limit here",
			"the %s request is above the limit, with the platform's defaults filled in", name)
	}
	effective := e.effective()
	if name := overLimit(effective); name != "" && overLimit(e.resources) == "" {
		c.add(at+".resources", "set the limit too",
			"the %s request is above the limit that the namespace's LimitRange fills in", name)
	}
}

// effective returns the container's resources as the API server completes
// them: a request from the limit first, then from the LimitRange.
func (e *environment) effective() *Resources {
	r := (&Resources{}).merge(e.resources)
	for name, q := range r.Limits {
		if _, ok := r.Requests[name]; !ok {
			r.Requests[name] = q
		}
	}
	return e.limitRange.merge(r)
}

// needs returns what so many pods take from a quota, by the quota's names.
func (e *environment) needs(pods int64) map[string]resource.Quantity {
	need := map[string]resource.Quantity{"pods": *resource.NewQuantity(pods, resource.DecimalSI)}
	times := func(prefix string, q Quantities) {
		for name, value := range q {
			total := resource.MustParse(value)
			total.Mul(pods)
			need[prefix+name] = total
		}
	}
	r := e.effective()
	times("", r.Requests)
	times("requests.", r.Requests)
	times("limits.", r.Limits)
	return need
}

// quotaWarnings says when the quota refuses some of an environment's pods.
func (e *environment) quotaWarnings(c *collector, at string) {
	pods := int64(1)
	if e.replicas != nil {
		pods = int64(*e.replicas)
	}
	need := e.needs(pods)
	for _, name := range sortedKeys(e.quota) {
		total, counted := need[name]
		compute := slices.Contains(containerResources(), name[strings.LastIndex(name, ".")+1:])
		hard := resource.MustParse(e.quota[name])
		switch {
		case !counted && compute:
			c.add(at+".resources", "set it here, in the platform's defaults or in its limitRange",
				"the quota counts %s and the container sets none: its pods will be refused", name)
		case counted && total.Cmp(hard) > 0:
			c.add(at+".replicas", "lower the replicas or the resources, or raise the quota in "+PlatformPath,
				"%d pods need %s of %s; the quota is %s", pods, total.String(), name, hard.String())
		}
	}
}
