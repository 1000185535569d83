// Package generator turns a project's spec and the platform's settings into the
// files of a GitOps repository that Flux applies. It is pure: equal inputs give
// equal bytes, and it touches no file, network, clock, environment or random
// source. It seals nothing and commits nothing; it says what has to be sealed.
//
// The usual road is
//
//	platform, err := generator.ParsePlatform(generator.PlatformPath, doc)
//	project, err := generator.ParseProject(generator.ProjectPath("shop"), doc)
//	plan, err := generator.New(templates.FS).Plan(platform, project)
//
// Every error of these three is a [Problems]: all that is wrong at once, each
// entry with the file, line and field it is about. [Plan.Files] is what to
// commit; [Plan.Keys] and [Plan.Secrets] are what to seal next to it; [Owned]
// names what a project may own in the repository, so that a caller can delete
// what is there and not in the plan.
//
// A caller that changes a spec edits the [Project] that ParseProject gave and
// hands it to [MergeProject], which keeps the comments and order of the
// committed file. [ClusterFiles] renders what a cluster needs once.
//
// Values of users enter the output only through encoders, never through text
// templates, so no value can add a field.
package generator

// APIVersion is the apiVersion of project.yaml and berth.yaml.
const APIVersion = "berth/v1alpha1"

// The kinds of project.yaml and berth.yaml.
const (
	KindProject  = "Project"
	KindPlatform = "Platform"
)

// Labels and the annotation that berth sets. The admission policies rely on
// the two labels of a project's Namespace.
const (
	LabelProject     = "berth/project"
	LabelEnvironment = "berth/environment"
	AnnotationOwner  = "berth/owner"
	// AnnotationTemplate stands in a project's base/kustomization.yaml and
	// says which template it was made from: "web@sha256:<hex>".
	AnnotationTemplate = "berth/template"
)

// Names of objects on a cluster.
const (
	// PlatformNamespace holds every Flux object of berth and all keys.
	PlatformNamespace = "flux-projects"
	// PlatformAccount is the ServiceAccount that applies platform halves, and
	// the name of its ClusterRole.
	PlatformAccount = "berth"
	// ProjectRole is the ClusterRole that a project's ServiceAccount has in
	// the project's own namespace.
	ProjectRole = "berth-project"
	// RootKustomization applies fleet/<cluster>.
	RootKustomization = "projects"
	// GitRepository is the Flux source; its credential is GitSecret.
	GitRepository = "flux-projects"
	// GitSecret is the Secret with Flux's Git credential.
	GitSecret = "flux-projects-git"
	// PlatformKeySecret is the Secret with the platform's age identities.
	PlatformKeySecret = "sops-age"
	// PullSecretName is the Secret with a user's registry credential.
	PullSecretName = "ghcr-secret"
	// AppName is the name of every object inside a project's namespace, of
	// the container, and of the image placeholder in a template.
	AppName = "app"
)

// PlatformPath is the path of the platform's settings in the repository.
const PlatformPath = "berth.yaml"

// ProjectPath returns the path of a project's spec in the repository.
func ProjectPath(id string) string { return "projects/" + id + "/project.yaml" }

// Namespace returns the name that the namespace, the ServiceAccount and the
// Flux Kustomization of an environment share.
func Namespace(id, environment string) string { return "project-" + id + "-" + environment }

// keySecretName is the name of a project's key Secret in PlatformNamespace.
func keySecretName(id string) string { return "sops-" + id }

// tenantName is the name of the Flux Kustomization of a platform half.
func tenantName(id string) string { return "tenant-" + id }

func baseFolder(id string) string         { return "projects/" + id + "/base/" }
func overlayFolder(id, env string) string { return "projects/" + id + "/overlays/" + env + "/" }
func tenantFolder(cluster, id string) string {
	return "tenants/" + cluster + "/" + id + "/"
}
func fleetFile(cluster, id string) string { return "fleet/" + cluster + "/" + id + ".yaml" }

const (
	kustomizationFile = "kustomization.yaml"
	ingressFile       = "ingress.yaml"
	pullSecretFile    = "ghcr-secret.sops.yaml"
	projectKeyFile    = "project-key.sops.yaml"
)

// Owned returns every path that a project may own on the platform's clusters;
// folders end in a slash. Files below these that are not in the project's
// [Plan] are leftovers. project.yaml and components/ belong to the user and
// are not listed. An invalid id owns nothing.
func Owned(platform *Platform, id string) []string {
	if checkProjectID(id) != nil || platform == nil {
		return nil
	}
	owned := []string{baseFolder(id), "projects/" + id + "/overlays/"}
	for _, c := range platform.Spec.Clusters {
		if checkLabel(c.Name) != nil {
			continue
		}
		owned = append(owned, tenantFolder(c.Name, id), fleetFile(c.Name, id))
	}
	return owned
}
