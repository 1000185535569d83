package generator

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kustomize "sigs.k8s.io/kustomize/api/types"
)

// tenant renders the platform half of an environment: one file with what only
// the platform may apply.
func (e *environment) tenant(files map[string][]byte) error {
	objects := []any{e.namespaceObject()}
	if len(e.quota) > 0 {
		objects = append(objects, e.resourceQuota())
	}
	if e.limitRange != nil && len(e.limitRange.Requests)+len(e.limitRange.Limits) > 0 {
		objects = append(objects, e.limitRangeObject())
	}
	objects = append(objects, e.networkPolicy(), e.serviceAccount(), e.roleBinding(), e.kustomization())
	doc, err := documents(objects...)
	if err != nil {
		return fmt.Errorf("%s: %w", e.namespace, err)
	}
	files[tenantFolder(e.cluster.Name, e.id)+e.spec.Name+".yaml"] = withHeader(e.source, doc)
	return nil
}

// tenantKustomization lists the files of a project's platform half on one
// cluster.
func tenantKustomization(resources []string) ([]byte, error) {
	return documents(&kustomize.Kustomization{TypeMeta: kustomizationType(), Resources: resources})
}

func kustomizationType() kustomize.TypeMeta {
	return kustomize.TypeMeta{APIVersion: kustomize.KustomizationVersion, Kind: kustomize.KustomizationKind}
}

// labels are on every object of an environment that berth renders itself.
func (e *environment) labels() map[string]string {
	return map[string]string{LabelProject: e.id, LabelEnvironment: e.spec.Name}
}

// inside is the metadata of a platform object in the project's namespace.
func (e *environment) inside() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: PlatformAccount, Namespace: e.namespace, Labels: e.labels()}
}

// outside is the metadata of the environment's objects in PlatformNamespace.
func (e *environment) outside() metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: e.namespace, Namespace: PlatformNamespace, Labels: e.labels()}
}

func (e *environment) namespaceObject() *corev1.Namespace {
	labels := e.labels()
	labels["pod-security.kubernetes.io/enforce"] = e.podSecurity
	// Warnings and audit entries say what the strictest level would refuse.
	labels["pod-security.kubernetes.io/warn"] = "restricted"
	labels["pod-security.kubernetes.io/audit"] = "restricted"
	return &corev1.Namespace{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{
			Name:        e.namespace,
			Labels:      labels,
			Annotations: map[string]string{AnnotationOwner: e.owner},
		},
	}
}

func (e *environment) resourceQuota() *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ResourceQuota"},
		ObjectMeta: e.inside(),
		Spec:       corev1.ResourceQuotaSpec{Hard: resourceList(e.quota)},
	}
}

func (e *environment) limitRangeObject() *corev1.LimitRange {
	return &corev1.LimitRange{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "LimitRange"},
		ObjectMeta: e.inside(),
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type:           corev1.LimitTypeContainer,
			DefaultRequest: resourceList(e.limitRange.Requests),
			Default:        resourceList(e.limitRange.Limits),
		}}},
	}
}

// networkPolicy lets in the own namespace and the ingress controller's; it
// leaves what goes out alone.
func (e *environment) networkPolicy() *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: e.inside(),
		Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: []networkingv1.NetworkPolicyPeer{
				{PodSelector: &metav1.LabelSelector{}},
				{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{
					corev1.LabelMetadataName: first(e.cluster.IngressNamespace, DefaultIngressNamespace),
				}}},
			}}},
		},
	}
}

// serviceAccount is who Flux is when it applies the workload half.
func (e *environment) serviceAccount() *corev1.ServiceAccount {
	no := false
	return &corev1.ServiceAccount{
		TypeMeta:                     metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta:                   e.outside(),
		AutomountServiceAccountToken: &no,
	}
}

func (e *environment) roleBinding() *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
		ObjectMeta: e.inside(),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: ProjectRole},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: e.namespace, Namespace: PlatformNamespace}},
	}
}
