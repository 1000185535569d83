package generator

import (
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// How long Flux waits before it tries a failed apply again, how long one apply may take,
// how often it looks for new commits, and how long that may take.
const (
	retryInterval = 2 * time.Minute
	applyTimeout  = 3 * time.Minute
	fetchInterval = time.Minute
	// Flux's own minute is short for a large repository on a small machine.
	fetchTimeout = 3 * time.Minute
)

// fluxKustomization is what all three tiers share. It does not wait for what
// it applies to become ready: a waiting Kustomization holds one of Flux's few
// workers for as long as a broken image takes to time out. Nor does it depend
// on another: Flux tries again, and orders what it applies itself.
func fluxKustomization(object metav1.ObjectMeta, path, account string, interval time.Duration) *kustomizev1.Kustomization {
	retry := min(retryInterval, interval)
	return &kustomizev1.Kustomization{
		TypeMeta: metav1.TypeMeta{
			APIVersion: kustomizev1.GroupVersion.String(),
			Kind:       kustomizev1.KustomizationKind,
		},
		ObjectMeta: object,
		Spec: kustomizev1.KustomizationSpec{
			Interval:           metav1.Duration{Duration: interval},
			RetryInterval:      &metav1.Duration{Duration: retry},
			Timeout:            &metav1.Duration{Duration: applyTimeout},
			Path:               path,
			Prune:              true,
			ServiceAccountName: account,
			SourceRef: kustomizev1.CrossNamespaceSourceReference{
				Kind: sourcev1.GitRepositoryKind,
				Name: GitRepository,
			},
		},
	}
}

// decrypt makes Flux open SOPS files with one Secret's keys. It is always
// named: without a name Flux takes the controller's own key, if it has one.
func decrypt(secret string) *kustomizev1.Decryption {
	return &kustomizev1.Decryption{Provider: "sops", SecretRef: &meta.LocalObjectReference{Name: secret}}
}

// kustomization applies the environment's workload half as the environment's
// own ServiceAccount. Deleting it leaves the workload to the deletion of the
// namespace: pruning would race the ServiceAccount it needs.
func (e *environment) kustomization() *kustomizev1.Kustomization {
	path := "./" + trimSlash(overlayFolder(e.id, e.spec.Name))
	k := fluxKustomization(e.outside(), path, e.namespace, e.interval)
	k.Spec.TargetNamespace = e.namespace
	k.Spec.DeletionPolicy = kustomizev1.DeletionPolicyOrphan
	if e.pull != nil {
		k.Spec.Decryption = decrypt(keySecretName(e.id))
	}
	return k
}

// fleetEntry applies a project's platform half on one cluster.
func fleetEntry(cluster, id string, sealed bool, interval time.Duration) *kustomizev1.Kustomization {
	object := metav1.ObjectMeta{
		Name:      tenantName(id),
		Namespace: PlatformNamespace,
		Labels:    map[string]string{LabelProject: id},
	}
	k := fluxKustomization(object, "./"+trimSlash(tenantFolder(cluster, id)), PlatformAccount, interval)
	if sealed {
		k.Spec.Decryption = decrypt(PlatformKeySecret)
	}
	return k
}

// rootKustomization applies the fleet folder of a cluster. Taking it away must
// not take the projects away.
func rootKustomization(cluster string, interval time.Duration) *kustomizev1.Kustomization {
	object := metav1.ObjectMeta{Name: RootKustomization, Namespace: PlatformNamespace}
	k := fluxKustomization(object, "./fleet/"+cluster, PlatformAccount, interval)
	k.Spec.DeletionPolicy = kustomizev1.DeletionPolicyOrphan
	return k
}

func gitRepository(c Cluster) *sourcev1.GitRepository {
	return &sourcev1.GitRepository{
		TypeMeta: metav1.TypeMeta{
			APIVersion: sourcev1.GroupVersion.String(),
			Kind:       sourcev1.GitRepositoryKind,
		},
		ObjectMeta: metav1.ObjectMeta{Name: GitRepository, Namespace: PlatformNamespace},
		Spec: sourcev1.GitRepositorySpec{
			URL:       c.URL,
			SecretRef: &meta.LocalObjectReference{Name: GitSecret},
			Interval:  metav1.Duration{Duration: fetchInterval},
			Timeout:   &metav1.Duration{Duration: fetchTimeout},
			Reference: &sourcev1.GitRepositoryRef{Branch: first(c.Branch, DefaultBranch)},
		},
	}
}

func trimSlash(folder string) string { return folder[:len(folder)-1] }
