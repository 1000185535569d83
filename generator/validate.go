package generator

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/validation"
)

// validateProject checks what can be said about a project alone.
func validateProject(p *Project, c *collector) {
	validateHead(c, p.APIVersion, p.Kind, KindProject)
	named := c.check("metadata.name", checkProjectID(p.Metadata.Name))
	if named && strings.HasPrefix(c.at.file, "projects/") && strings.HasSuffix(c.at.file, "/project.yaml") &&
		strings.Count(c.at.file, "/") == 2 && c.at.file != ProjectPath(p.Metadata.Name) {
		c.add("metadata.name", "the folder's name and the project's id are one", "is not the id of this folder")
	}
	s := &p.Spec
	c.check("spec.owner", checkText(s.Owner, 253))
	if s.Template != "" {
		c.check("spec.template", checkFolder(s.Template))
	}
	if s.Image != "" {
		c.check("spec.image", checkImage(s.Image))
	}
	if s.Port != 0 {
		c.check("spec.port", checkPort(int(s.Port)))
	}
	if s.PullSecret != nil {
		c.check("spec.pullSecret.registry", checkRegistry(s.PullSecret.Registry))
		c.check("spec.pullSecret.username", checkUsername(s.PullSecret.Username))
	}
	validateEnv(c, "spec.env", s.Env)
	validateComponents(c, "spec.components", s.Components)
	validateEnvironments(c, p)
}

// validateHead checks apiVersion and kind.
func validateHead(c *collector, apiVersion, kind, wantKind string) {
	if apiVersion != APIVersion {
		c.add("apiVersion", "write apiVersion: "+APIVersion, "must be %s", APIVersion)
	}
	if kind != wantKind {
		c.add("kind", "write kind: "+wantKind, "must be %s", wantKind)
	}
}

func validateEnvironments(c *collector, p *Project) {
	if len(p.Spec.Environments) == 0 {
		c.add("spec.environments", "name at least one, for example production", "is required")
	}
	names := map[string]bool{}
	for i := range p.Spec.Environments {
		e := &p.Spec.Environments[i]
		at := fmt.Sprintf("spec.environments[%d]", i)
		if c.check(at+".name", checkEnvironmentName(e.Name)) {
			if names[e.Name] {
				c.add(at+".name", "remove or rename one of them", "is the name of an earlier environment too")
			}
			names[e.Name] = true
			c.check(at+".name", checkNamespace(p.Metadata.Name, e.Name))
		}
		validateEnvironment(c, p, e, at)
	}
}

// checkNamespace makes sure that the names built from both parts fit a label,
// which Kubernetes allows 63 characters.
func checkNamespace(id, env string) *fault {
	if n := len(Namespace(id, env)); n > validation.DNS1123LabelMaxLength {
		return &fault{
			fmt.Sprintf("makes the namespace project-<id>-<env> %d characters long; Kubernetes allows 63", n),
			"shorten the project's id or the environment's name",
		}
	}
	return nil
}

func validateEnvironment(c *collector, p *Project, e *Environment, at string) {
	if e.Cluster != "" {
		c.check(at+".cluster", checkFolder(e.Cluster))
	}
	switch {
	case e.Image != "":
		c.check(at+".image", checkImage(e.Image))
	case p.Spec.Image == "" && !c.broken["spec.image"]:
		c.add(at+".image", "set spec.image, or the image of each environment", "is required: the project has no image of its own")
	}
	if e.Host != "" {
		c.check(at+".host", checkHost(e.Host))
	}
	validateReplicas(c, at+".replicas", e.Replicas)
	validateEnv(c, at+".env", e.Env)
	validateComponents(c, at+".components", e.Components)
	validateResources(c, at+".resources", e.Resources)
}

func validateReplicas(c *collector, field string, n *int32) {
	if n != nil && (*n < 0 || *n > 10000) {
		c.add(field, "", "must be between 0 and 10000")
	}
}

// maxEnvironment bounds an environment's variables, which end up in one
// object, well below etcd's 1.5 MiB.
const maxEnvironment = 128 << 10

func validateEnv(c *collector, field string, env map[string]string) {
	size := 0
	for _, name := range sortedKeys(env) {
		at := entry(field, name)
		if len(validation.IsEnvVarName(name)) > 0 {
			c.add(at, "use letters, digits, '_', '-' and '.', not beginning with a digit", "is not the name of an environment variable")
		}
		c.check(at, checkEnvValue(env[name]))
		size += len(name) + len(env[name])
	}
	if size > maxEnvironment {
		c.add(field, "put large values in a file of the image or a ConfigMap component", "holds more than %d KiB", maxEnvironment>>10)
	}
}

func validateComponents(c *collector, field string, components []string) {
	seen := map[string]bool{}
	for i, name := range components {
		at := fmt.Sprintf("%s[%d]", field, i)
		if c.check(at, checkFolder(name)) && seen[name] {
			c.add(at, "name it once", "is in the list already")
		}
		seen[name] = true
	}
}

// validatePlatform checks berth.yaml.
func validatePlatform(p *Platform, c *collector) {
	validateHead(c, p.APIVersion, p.Kind, KindPlatform)
	c.check("metadata.name", checkLabel(p.Metadata.Name))
	validateWords(c, "spec.publicKeys", p.Spec.PublicKeys, checkPublicKey)
	if len(p.Spec.Clusters) == 0 {
		c.add("spec.clusters", "name the cluster that Flux runs on", "is required")
	}
	names := map[string]bool{}
	for i := range p.Spec.Clusters {
		cluster := &p.Spec.Clusters[i]
		at := fmt.Sprintf("spec.clusters[%d]", i)
		if c.check(at+".name", checkFolder(cluster.Name)) && names[cluster.Name] {
			c.add(at+".name", "remove or rename one of them", "is the name of an earlier cluster too")
		}
		names[cluster.Name] = true
		validateCluster(c, at, cluster)
	}
	validateDefaults(c, &p.Spec.Defaults, names)
}

func validateWords(c *collector, field string, words []string, check func(string) *fault) {
	seen := map[string]bool{}
	for i, w := range words {
		at := fmt.Sprintf("%s[%d]", field, i)
		if c.check(at, check(w)) && seen[w] {
			c.add(at, "name it once", "is in the list already")
		}
		seen[w] = true
	}
}

func validateCluster(c *collector, at string, cluster *Cluster) {
	c.check(at+".url", checkURL(cluster.URL))
	if cluster.Branch != "" {
		c.check(at+".branch", checkBranch(cluster.Branch))
	}
	validateWords(c, at+".recipients", cluster.Recipients, checkRecipient)
	if cluster.IngressNamespace != "" {
		c.check(at+".ingressNamespace", checkLabel(cluster.IngressNamespace))
	}
	if cluster.IngressClass != "" {
		c.check(at+".ingressClass", checkIngressClass(cluster.IngressClass))
	}
	if cluster.PodSecurity != "" {
		c.check(at+".podSecurity", checkPodSecurity(cluster.PodSecurity))
	}
}

func validateDefaults(c *collector, d *Defaults, clusters map[string]bool) {
	const at = "spec.defaults"
	if d.Cluster != "" && !clusters[d.Cluster] {
		c.add(at+".cluster", "clusters: "+strings.Join(sortedKeys(clusters), ", "), "is not one of the clusters")
	}
	if d.Template != "" {
		c.check(at+".template", checkFolder(d.Template))
	}
	validateReplicas(c, at+".replicas", d.Replicas)
	validateResources(c, at+".resources", d.Resources)
	validateResources(c, at+".limitRange", d.LimitRange)
	validateQuantities(c, at+".quota", d.Quota, quotaResources(), true)
	if d.PodSecurity != "" {
		c.check(at+".podSecurity", checkPodSecurity(d.PodSecurity))
	}
	if d.Interval != "" {
		c.check(at+".interval", checkInterval(d.Interval))
	}
}

// imageWarnings says what is unwise about an image that is valid.
func imageWarnings(c *collector, field, image string, pull *PullSecret) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return
	}
	tagged, hasTag := named.(reference.Tagged)
	_, pinned := named.(reference.Digested)
	switch {
	case pinned:
	case !hasTag:
		c.add(field, "name a tag, best with a digest", "has no tag, so it means latest: what runs depends on when a pod starts")
	case tagged.Tag() == "latest":
		c.add(field, "name a version, best with a digest", "latest without a digest: what runs depends on when a pod starts")
	}
	if host := reference.Domain(named); pull != nil && host != pull.Registry {
		c.add(field, "name the registry of the credential, or use an image from there",
			"comes from %s, but the pull secret is for %s and will not be used for it", host, pull.Registry)
	}
}
