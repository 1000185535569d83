package generator

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// Plan is what the repository should hold for one project.
type Plan struct {
	// Files are the plain files, by slash path from the repository's root,
	// each with a generated header. project.yaml and sealed files are not
	// among them.
	Files map[string][]byte
	// Keys are the project keys to seal, one per cluster that the project is
	// on, by cluster; empty without a pull secret.
	Keys []KeyRequest
	// Secrets are the pull secrets to seal, one per environment, by name;
	// empty without a pull secret.
	Secrets []SecretRequest
	// Targets are the environments and where their halves are, by name.
	Targets []Target
	// Warnings are what is allowed but unwise.
	Warnings []Problem
}

// Target is where one environment runs and where its files are.
type Target struct {
	Environment string `json:"environment"`
	Cluster     string `json:"cluster"`
	Namespace   string `json:"namespace"`
	// Image is the reference that the environment runs, as the user wrote it.
	Image string `json:"image"`
	// Host is the Ingress' host; it may be empty.
	Host string `json:"host,omitempty"`
	// Overlay is the folder of the workload half, without a slash at its end.
	Overlay string `json:"overlay"`
	// Tenant is the file of the platform half.
	Tenant string `json:"tenant"`
}

// KeyRequest asks for a project's key, wrapped to a cluster's platform key.
type KeyRequest struct {
	// Path is where the sealed file belongs in the repository.
	Path string
	// Cluster is the cluster it is for.
	Cluster string
	// Name and Namespace are the Secret's.
	Name, Namespace string
	// Project is the project's id, Owner its owner.
	Project, Owner string
	// Recipients are the age recipients to wrap it to, as berth.yaml has them.
	Recipients []string
}

// SecretRequest asks for an environment's pull secret, sealed to the project's
// key on that cluster.
type SecretRequest struct {
	// Path is where the sealed file belongs in the repository.
	Path string
	// Name and Namespace are the Secret's.
	Name, Namespace string
	// Project, Environment and Cluster say what it is for; Cluster is that of
	// the KeyRequest whose key it is sealed to.
	Project, Environment, Cluster string
	// Owner is the project's owner.
	Owner string
	// Registry and Username belong to the credential.
	Registry, Username string
}

// Generator makes plans from one set of templates.
type Generator struct {
	bases fs.FS
}

// New returns a Generator that makes projects from bases, which has one folder
// per template.
func New(bases fs.FS) *Generator { return &Generator{bases} }

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

// Plan renders a project. Both arguments are validated again, whatever they
// were made by. The error is [Problems] when the specs are at fault.
func (g *Generator) Plan(platform *Platform, project *Project) (*Plan, error) {
	c := &collector{at: project.at}
	if c.at.file == "" {
		c.at.file = ProjectPath(project.Metadata.Name)
	}
	settings := &collector{at: platform.at}
	if settings.at.file == "" {
		settings.at.file = PlatformPath
	}
	validatePlatform(platform, settings)
	validateProject(project, c)
	if len(c.problems)+len(settings.problems) > 0 {
		return nil, append(sorted(settings.problems), sorted(c.problems)...)
	}
	base, err := g.template(c, platform, project)
	if err != nil {
		return nil, err
	}
	environments := resolve(c, platform, project, base)
	if err := c.err(); err != nil {
		return nil, err
	}
	return render(c, project, base, environments)
}

// template reads the project's template; nil when there are problems.
func (g *Generator) template(c *collector, platform *Platform, project *Project) (*template, error) {
	name := platform.templateOf(project)
	names := templateNames(g.bases)
	if !slices.Contains(names, name) {
		hint := "templates: " + strings.Join(names, ", ")
		if near := nearest(name, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		c.add("spec.template", hint, "there is no template %s", name)
		return nil, nil
	}
	t, f, err := readTemplate(g.bases, name)
	if err != nil {
		return nil, err
	}
	if f != nil {
		c.add("spec.template", f.hint, "template %s %s", name, f.reason)
	}
	return t, nil
}

// resolve fills in every environment's defaults and checks what only the
// platform and the template can tell.
func resolve(c *collector, platform *Platform, project *Project, base *template) []*environment {
	hosts := map[[2]string]bool{}
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
		if host := [2]string{cluster.Name, spec.Host}; spec.Host != "" {
			if hosts[host] {
				c.add(at+".host", "give each environment of a cluster its own", "is the host of an earlier environment too")
			}
			hosts[host] = true
			if base != nil && !base.hasService {
				c.add(at+".host", "use a template with a Service, or remove the host",
					"template %s has no Service called app with a port called http", base.name)
			}
		}
		environments = append(environments, e)
	}
	slices.SortFunc(environments, func(a, b *environment) int { return strings.Compare(a.spec.Name, b.spec.Name) })
	return environments
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
		hint := "clusters: " + strings.Join(names, ", ")
		if near := nearest(name, names); near != "" {
			hint = "did you mean " + near + "?"
		}
		c.add(at+".cluster", hint, "there is no cluster %s", name)
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

// render turns resolved environments into the plan.
func render(c *collector, project *Project, base *template, environments []*environment) (*Plan, error) {
	id := project.Metadata.Name
	plan := &Plan{Files: map[string][]byte{}}
	if err := base.base(id, plan.Files); err != nil {
		return nil, err
	}
	clusters := map[string][]*environment{}
	for _, e := range environments {
		if err := e.overlay(plan.Files); err != nil {
			return nil, err
		}
		if err := e.tenant(plan.Files); err != nil {
			return nil, err
		}
		clusters[e.cluster.Name] = append(clusters[e.cluster.Name], e)
		plan.Targets = append(plan.Targets, e.target())
		if e.pull != nil {
			plan.Secrets = append(plan.Secrets, e.secretRequest())
		}
	}
	for _, name := range sortedKeys(clusters) {
		if err := plan.addCluster(name, id, clusters[name]); err != nil {
			return nil, err
		}
	}
	plan.Warnings = warnings(c.at, project, environments)
	return plan, nil
}

// addCluster renders what a project has once per cluster.
func (plan *Plan) addCluster(cluster, id string, environments []*environment) error {
	first := environments[0]
	folder := tenantFolder(cluster, id)
	var resources []string
	for _, e := range environments {
		resources = append(resources, e.spec.Name+".yaml")
	}
	if first.pull != nil {
		resources = append(resources, projectKeyFile)
		plan.Keys = append(plan.Keys, KeyRequest{
			Path:       folder + projectKeyFile,
			Cluster:    cluster,
			Name:       keySecretName(id),
			Namespace:  PlatformNamespace,
			Project:    id,
			Owner:      first.owner,
			Recipients: slices.Clone(first.cluster.Recipients),
		})
	}
	list, err := tenantKustomization(resources)
	if err != nil {
		return fmt.Errorf("marshal %s%s: %w", folder, kustomizationFile, err)
	}
	entry, err := documents(fleetEntry(cluster, id, first.pull != nil, first.interval))
	if err != nil {
		return err
	}
	plan.Files[folder+kustomizationFile] = withHeader(first.source, list)
	plan.Files[fleetFile(cluster, id)] = withHeader(first.source, entry)
	return nil
}

func (e *environment) target() Target {
	return Target{
		Environment: e.spec.Name,
		Cluster:     e.cluster.Name,
		Namespace:   e.namespace,
		Image:       e.image,
		Host:        e.spec.Host,
		Overlay:     trimSlash(overlayFolder(e.id, e.spec.Name)),
		Tenant:      tenantFolder(e.cluster.Name, e.id) + e.spec.Name + ".yaml",
	}
}

func (e *environment) secretRequest() SecretRequest {
	return SecretRequest{
		Path:        overlayFolder(e.id, e.spec.Name) + pullSecretFile,
		Name:        PullSecretName,
		Namespace:   e.namespace,
		Project:     e.id,
		Environment: e.spec.Name,
		Cluster:     e.cluster.Name,
		Owner:       e.owner,
		Registry:    e.pull.Registry,
		Username:    e.pull.Username,
	}
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
