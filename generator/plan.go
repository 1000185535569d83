package generator

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
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

// Plan renders a project. Both arguments are validated again, whatever they
// were made by. The error is [Problems] when the specs are at fault.
func (g *Generator) Plan(platform *Platform, project *Project) (*Plan, error) {
	c := &collector{at: project.at, problems: slices.Clone(project.flaws), broken: maps.Clone(project.broken)}
	if c.at.file == "" {
		c.at.file = ProjectPath(project.Metadata.Name)
	}
	settings := &collector{at: platform.at}
	if settings.at.file == "" {
		settings.at.file = PlatformPath
	}
	validatePlatform(platform, settings)
	validateProject(project, c)
	if len(settings.problems) > 0 {
		return nil, append(sorted(settings.problems), sorted(c.problems)...)
	}
	if len(c.problems) > 0 {
		return nil, g.misfits(c, platform, project)
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

// misfits adds to the problems of a project what can be said of it all the same: which
// templates and clusters it names that are not there.
func (g *Generator) misfits(c *collector, platform *Platform, project *Project) error {
	var once Problems // what parsing found is found again
	broken := map[string]bool{}
	for _, p := range c.problems {
		if !slices.Contains(once, p) {
			once = append(once, p)
		}
		broken[p.Field] = true
	}
	c.problems, c.broken = once, broken
	if _, err := g.template(c, platform, project); err != nil {
		return err
	}
	for i := range project.Spec.Environments {
		findCluster(c, platform, &project.Spec.Environments[i], fmt.Sprintf("spec.environments[%d]", i))
	}
	return c.err()
}

// template reads the project's template; nil when there are problems.
func (g *Generator) template(c *collector, platform *Platform, project *Project) (*template, error) {
	name := platform.templateOf(project)
	names, err := templateNames(g.bases)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, name) {
		c.add("spec.template", suggest(name, names, "templates: "), "there is no template %s", name)
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
	one := environments[0]
	folder := tenantFolder(cluster, id)
	var resources []string
	for _, e := range environments {
		resources = append(resources, e.spec.Name+".yaml")
	}
	if one.pull != nil {
		resources = append(resources, projectKeyFile)
		plan.Keys = append(plan.Keys, KeyRequest{
			Path:       folder + projectKeyFile,
			Cluster:    cluster,
			Name:       keySecretName(id),
			Namespace:  PlatformNamespace,
			Project:    id,
			Owner:      one.owner,
			Recipients: slices.Clone(one.cluster.Recipients),
		})
	}
	list, err := tenantKustomization(resources)
	if err != nil {
		return err
	}
	entry, err := documents(fleetEntry(cluster, id, one.pull != nil, one.interval))
	if err != nil {
		return err
	}
	plan.Files[folder+kustomizationFile] = withHeader(one.source, list)
	plan.Files[fleetFile(cluster, id)] = withHeader(one.source, entry)
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
