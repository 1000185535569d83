package generator

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// environment is one environment with every default filled in.
type environment struct {
	id, owner, source string
	spec              *Environment
	template          *template
	cluster           Cluster
	namespace         string
	image             string
	port              int32
	env               map[string]string
	components        []string
	replicas          *int32
	resources         *Resources
	limitRange        *Resources
	quota             Quantities
	podSecurity       string
	interval          time.Duration
	pull              *PullSecret
}

// resolve fills in every environment's defaults and checks what only the
// platform and the template can tell.
func resolve(c *collector, platform *Platform, project *Project, base *template) []*environment {
	hosts := map[string]bool{}
	var environments []*environment
	for i := range project.Spec.Environments {
		at := fmt.Sprintf("spec.environments[%d]", i)
		spec := &project.Spec.Environments[i]
		cluster, ok := findCluster(c, platform, spec, at)
		if !ok {
			continue
		}
		e := newEnvironment(platform, project, spec, cluster)
		e.template = base
		e.checkResources(c, at)
		if e.pull != nil && len(cluster.Recipients) == 0 {
			c.add("spec.pullSecret", "add the platform key's recipient to the cluster in "+PlatformPath,
				"cluster %s has no age recipient to seal for", cluster.Name)
		}
		if spec.Host != "" {
			e.checkHost(c, at+".host", hosts)
		}
		environments = append(environments, e)
	}
	slices.SortFunc(environments, func(a, b *environment) int { return strings.Compare(a.spec.Name, b.spec.Name) })
	return environments
}

// checkHost makes sure that something serves the host, and once per cluster.
func (e *environment) checkHost(c *collector, field string, taken map[string]bool) {
	key := e.cluster.Name + "/" + e.spec.Host
	if taken[key] {
		c.add(field, "give each environment of a cluster its own", "is the host of an earlier environment too")
	}
	taken[key] = true
	if t := e.template; t != nil && !t.hasService {
		c.add(field, "use a template with a Service, or remove the host",
			"template %s has no Service called app with a port called http", t.name)
	}
}

func findCluster(c *collector, platform *Platform, spec *Environment, at string) (Cluster, bool) {
	var names []string
	for _, cluster := range platform.Spec.Clusters {
		names = append(names, cluster.Name)
	}
	name := platform.clusterOf(*spec)
	if name == "" {
		c.add(at+".cluster", "name one of "+strings.Join(names, ", "),
			"is required: there are several clusters and no default")
		return Cluster{}, false
	}
	cluster, ok := platform.cluster(name)
	if !ok {
		c.add(at+".cluster", suggest(name, names, "clusters: "), "there is no cluster %s", name)
	}
	return cluster, ok
}

func newEnvironment(platform *Platform, project *Project, spec *Environment, cluster Cluster) *environment {
	d := &platform.Spec.Defaults
	e := &environment{
		id:          project.Metadata.Name,
		owner:       project.Spec.Owner,
		source:      ProjectPath(project.Metadata.Name),
		spec:        spec,
		cluster:     cluster,
		namespace:   Namespace(project.Metadata.Name, spec.Name),
		image:       first(spec.Image, project.Spec.Image),
		port:        project.Spec.Port,
		env:         map[string]string{},
		components:  project.Spec.Components,
		replicas:    d.Replicas,
		resources:   d.Resources.merge(spec.Resources),
		limitRange:  d.LimitRange,
		quota:       d.Quota,
		podSecurity: first(cluster.PodSecurity, d.PodSecurity, DefaultPodSecurity),
		interval:    platform.interval(),
		pull:        project.Spec.PullSecret,
	}
	for _, vars := range []map[string]string{project.Spec.Env, spec.Env} {
		for name, value := range vars {
			e.env[name] = value
		}
	}
	if spec.Components != nil {
		e.components = spec.Components
	}
	if spec.Replicas != nil {
		e.replicas = spec.Replicas
	}
	if e.limitRange == nil {
		e.limitRange = DefaultLimitRange()
	}
	if e.quota == nil {
		e.quota = DefaultQuota()
	}
	return e
}

// interval returns the validated interval.
func (p *Platform) interval() time.Duration {
	d, err := time.ParseDuration(first(p.Spec.Defaults.Interval, DefaultInterval))
	if err != nil {
		return time.Hour
	}
	return d
}

// warnings looks at images once where they stand, and at each environment.
func warnings(at position, project *Project, environments []*environment) []Problem {
	c := &collector{at: at}
	inherited := false
	for i := range project.Spec.Environments {
		spec := &project.Spec.Environments[i]
		field := fmt.Sprintf("spec.environments[%d]", i)
		inherited = inherited || spec.Image == ""
		if spec.Image != "" {
			imageWarnings(c, field+".image", spec.Image, project.Spec.PullSecret)
		}
		for _, e := range environments {
			if e.spec == spec {
				e.quotaWarnings(c, field)
			}
		}
	}
	if inherited {
		imageWarnings(c, "spec.image", project.Spec.Image, project.Spec.PullSecret)
	}
	if len(c.problems) == 0 {
		return nil
	}
	return sorted(c.problems)
}
