package generator

// Project is projects/<id>/project.yaml: what the user wants, with no secret
// in it. Make one with [ParseProject]; write one with [MergeProject].
type Project struct {
	// APIVersion is [APIVersion].
	APIVersion string `json:"apiVersion"`
	// Kind is [KindProject].
	Kind     string      `json:"kind"`
	Metadata Metadata    `json:"metadata"`
	Spec     ProjectSpec `json:"spec"`

	at     position
	flaws  Problems        // that were found when it was parsed
	broken map[string]bool // the fields that then had no value of the right form
}

// Metadata names a project or a platform.
type Metadata struct {
	// Name is the project's id, or the name of the platform's repository: a
	// lower-case RFC 1123 label.
	Name string `json:"name"`
}

// ProjectSpec is what a user decides about a project.
type ProjectSpec struct {
	// Owner is the platform user that the project belongs to, in the
	// platform's own spelling.
	Owner string `json:"owner"`
	// Template names the Kustomize base; empty takes the platform's default.
	Template string `json:"template,omitempty"`
	// Image is the image of environments that do not name their own.
	Image string `json:"image,omitempty"`
	// Port is the container's port; zero keeps the template's.
	Port int32 `json:"port,omitempty"`
	// PullSecret says that the image is private; nil means public.
	PullSecret *PullSecret `json:"pullSecret,omitempty"`
	// Env is the environment of the container in every environment. Values
	// are plain text: $(NAME) in one is no reference to another.
	Env map[string]string `json:"env,omitempty"`
	// Components are folders of projects/<id>/components/ to build in.
	Components []string `json:"components,omitempty"`
	// Environments are the places the project runs in, at least one.
	Environments []Environment `json:"environments"`
}

// PullSecret is the intent to pull with a credential. The token is no part of
// the spec.
type PullSecret struct {
	// Registry is a bare host[:port], the one the credential belongs to.
	Registry string `json:"registry"`
	// Username is the login at that registry.
	Username string `json:"username"`
}

// Environment is one namespace on one cluster.
type Environment struct {
	// Name is [a-z0-9]{1,16}: without a dash, so that the last dash of
	// project-<id>-<env> splits it one way only.
	Name string `json:"name"`
	// Cluster names one of the platform's clusters; empty takes its default.
	Cluster string `json:"cluster,omitempty"`
	// Image overrides the project's.
	Image string `json:"image,omitempty"`
	// Replicas is the number of pods; nil takes the platform's default.
	Replicas *int32 `json:"replicas,omitempty"`
	// Host is the DNS name of an Ingress; empty means none.
	Host string `json:"host,omitempty"`
	// Env adds to the project's and overrides it name by name.
	Env map[string]string `json:"env,omitempty"`
	// Components overrides the project's when set, also when set to [].
	Components []string `json:"components,omitempty"`
	// Resources overrides the platform's default entry by entry.
	Resources *Resources `json:"resources,omitempty"`
}

// Resources are a container's requests and limits.
type Resources struct {
	Requests Quantities `json:"requests,omitempty"`
	Limits   Quantities `json:"limits,omitempty"`
}

// Quantities maps a resource name (cpu, memory, …) to a Kubernetes quantity.
// In YAML a bare number is accepted too, as Kubernetes does.
type Quantities map[string]string

// Platform is berth.yaml: what holds for all projects. Make one with
// [ParsePlatform]; write one with [MergePlatform].
type Platform struct {
	// APIVersion is [APIVersion].
	APIVersion string `json:"apiVersion"`
	// Kind is [KindPlatform].
	Kind     string       `json:"kind"`
	Metadata Metadata     `json:"metadata"`
	Spec     PlatformSpec `json:"spec"`

	at position
}

// PlatformSpec is what the platform's owners decide.
type PlatformSpec struct {
	// PublicKeys are berth's signing keys, the current one first. The
	// generator does not read them.
	PublicKeys []string `json:"publicKeys,omitempty"`
	// Clusters are the clusters that this repository feeds, at least one.
	Clusters []Cluster `json:"clusters"`
	// Defaults are the values that projects leave out.
	Defaults Defaults `json:"defaults,omitempty"`
}

// Cluster is one Kubernetes cluster with Flux on it.
type Cluster struct {
	// Name is a lower-case RFC 1123 label.
	Name string `json:"name"`
	// URL is where Flux fetches this repository: http, https or ssh.
	URL string `json:"url"`
	// Branch is what Flux follows; empty means main.
	Branch string `json:"branch,omitempty"`
	// Recipients are the age recipients of the platform key. A cluster
	// without one can run projects with public images only.
	Recipients []string `json:"recipients,omitempty"`
	// IngressNamespace is the ingress controller's; empty means kube-system.
	IngressNamespace string `json:"ingressNamespace,omitempty"`
	// IngressClass is the class of generated Ingresses; empty leaves the
	// choice to the cluster's default class.
	IngressClass string `json:"ingressClass,omitempty"`
	// PodSecurity overrides the platform's default level.
	PodSecurity string `json:"podSecurity,omitempty"`
}

// Defaults are the values that projects leave out. Those that are left out
// here too are named with each field.
type Defaults struct {
	// Cluster is needed when there are several clusters.
	Cluster string `json:"cluster,omitempty"`
	// Template is [DefaultTemplate] when empty.
	Template string `json:"template,omitempty"`
	// Replicas leaves the number of pods to Kubernetes (one), or to an
	// autoscaler, when nil.
	Replicas *int32 `json:"replicas,omitempty"`
	// Resources of the app's container; left to LimitRange when nil.
	Resources *Resources `json:"resources,omitempty"`
	// LimitRange is what a container gets that says nothing itself;
	// [DefaultLimitRange] when nil, no LimitRange when empty.
	LimitRange *Resources `json:"limitRange,omitempty"`
	// Quota is each namespace's ResourceQuota; [DefaultQuota] when nil, no
	// ResourceQuota when empty.
	Quota Quantities `json:"quota,omitempty"`
	// PodSecurity is the enforced Pod Security Standard: privileged,
	// baseline or restricted; baseline when empty.
	PodSecurity string `json:"podSecurity,omitempty"`
	// Interval is how often Flux reconciles without being told; 1h when empty.
	Interval string `json:"interval,omitempty"`
}

// Built-in defaults.
const (
	DefaultTemplate         = "web"
	DefaultBranch           = "main"
	DefaultIngressNamespace = "kube-system"
	DefaultPodSecurity      = "baseline"
	DefaultInterval         = "1h"
)

// DefaultQuota is the ResourceQuota of a namespace when berth.yaml has none:
// room for a handful of small pods, and no Service that leaves the cluster.
func DefaultQuota() Quantities {
	return Quantities{
		"requests.cpu":           "4",
		"requests.memory":        "8Gi",
		"limits.memory":          "16Gi",
		"requests.storage":       "50Gi",
		"persistentvolumeclaims": "10",
		"pods":                   "50",
		"services.loadbalancers": "0",
		"services.nodeports":     "0",
	}
}

// DefaultLimitRange is what a container gets that names no resources when
// berth.yaml has no limitRange. There is no CPU limit: it would throttle a
// container while the node is idle.
func DefaultLimitRange() *Resources {
	return &Resources{
		Requests: Quantities{"cpu": "50m", "memory": "64Mi"},
		Limits:   Quantities{"memory": "512Mi"},
	}
}

// cluster returns the platform's cluster of that name.
func (p *Platform) cluster(name string) (Cluster, bool) {
	for _, c := range p.Spec.Clusters {
		if c.Name == name {
			return c, true
		}
	}
	return Cluster{}, false
}

// clusterOf returns the name of the cluster an environment runs on, or "" when
// neither it nor the platform says.
func (p *Platform) clusterOf(e Environment) string {
	switch {
	case e.Cluster != "":
		return e.Cluster
	case p.Spec.Defaults.Cluster != "":
		return p.Spec.Defaults.Cluster
	case len(p.Spec.Clusters) == 1:
		return p.Spec.Clusters[0].Name
	}
	return ""
}

// templateOf returns the name of the template that a project is made from.
func (p *Platform) templateOf(project *Project) string {
	return first(project.Spec.Template, p.Spec.Defaults.Template, DefaultTemplate)
}

// first returns the first string that is not empty.
func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
