package generator

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ClusterFiles renders what makes the platform's clusters ready, by path from
// the repository's root, each with a generated header:
//
//	.sops.yaml                             so that plain sops seals for the platform key below tenants/
//	fleet/<cluster>/berth.yaml             a ConfigMap, so that the folder is never empty
//	clusters/<cluster>/flux-projects.yaml  what an administrator applies once per cluster
//
// The error is [Problems] when the platform is at fault.
func ClusterFiles(platform *Platform) (map[string][]byte, error) {
	c := &collector{at: platform.at}
	if c.at.file == "" {
		c.at.file = PlatformPath
	}
	validatePlatform(platform, c)
	if err := c.err(); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	rules, err := documents(sopsRules(platform))
	if err != nil {
		return nil, err
	}
	files[".sops.yaml"] = withHeader(PlatformPath, rules)
	for _, cluster := range platform.Spec.Clusters {
		marker, err := documents(fleetMarker(cluster.Name))
		if err != nil {
			return nil, err
		}
		files[fleetFile(cluster.Name, "berth")] = withHeader(PlatformPath, marker)
		once, err := documents(clusterObjects(platform, cluster)...)
		if err != nil {
			return nil, err
		}
		files["clusters/"+cluster.Name+"/flux-projects.yaml"] = withHeader(PlatformPath, once)
	}
	return files, nil
}

// sopsConfig is the part of .sops.yaml that berth writes (getsops.io/docs).
type sopsConfig struct {
	CreationRules []sopsRule `json:"creation_rules"`
}

type sopsRule struct {
	PathRegex      string `json:"path_regex"`
	EncryptedRegex string `json:"encrypted_regex"`
	Age            string `json:"age"`
}

// sopsRules has one rule per cluster: whatever is sealed below its tenants/ is
// sealed for its platform key. Pull secrets have no rule: only berth knows the
// project's key when it makes one.
func sopsRules(platform *Platform) *sopsConfig {
	config := &sopsConfig{CreationRules: []sopsRule{}}
	for _, c := range platform.Spec.Clusters {
		if len(c.Recipients) > 0 {
			config.CreationRules = append(config.CreationRules, sopsRule{
				PathRegex:      `^tenants/` + c.Name + `/.*\.sops\.yaml$`,
				EncryptedRegex: `^(data|stringData)$`,
				Age:            strings.Join(c.Recipients, ","),
			})
		}
	}
	return config
}

func fleetMarker(cluster string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Name: fleetMarkerName, Namespace: PlatformNamespace},
		Data:       map[string]string{"cluster": cluster},
	}
}

// fleetMarkerName is the ConfigMap that keeps fleet/<cluster> from being empty.
const fleetMarkerName = "berth"

// clusterObjects are applied in this order: who may do what and the policies
// come before the Flux objects that they bind.
func clusterObjects(platform *Platform, c Cluster) []any {
	objects := []any{platformNamespace(), platformAccount()}
	objects = append(objects, platformRights()...)
	objects = append(objects, policies(c.Name)...)
	return append(objects, gitRepository(c), rootKustomization(c.Name, platform.interval()))
}

func platformNamespace() *corev1.Namespace {
	return &corev1.Namespace{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{
			Name: PlatformNamespace,
			// No pod ever runs here.
			Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
		},
	}
}

func platformAccount() *corev1.ServiceAccount {
	no := false
	return &corev1.ServiceAccount{
		TypeMeta:                     metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta:                   metav1.ObjectMeta{Name: PlatformAccount, Namespace: PlatformNamespace},
		AutomountServiceAccountToken: &no,
	}
}

// platformRights are the roles of berth and of the projects, and berth's
// bindings. What RBAC cannot say, the policy berth-platform does.
func platformRights() []any {
	manage := func(group string, resources ...string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{
			APIGroups: []string{group},
			Resources: resources,
			Verbs:     []string{"get", "list", "watch", "create", "update", "patch", "delete"},
		}
	}
	inside := metav1.ObjectMeta{Name: PlatformAccount, Namespace: PlatformNamespace}
	account := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: PlatformAccount, Namespace: PlatformNamespace}}
	return []any{
		&rbacv1.ClusterRole{
			TypeMeta:   rbacType("ClusterRole"),
			ObjectMeta: metav1.ObjectMeta{Name: ProjectRole},
			Rules: []rbacv1.PolicyRule{
				manage("", "configmaps", "persistentvolumeclaims", "secrets", "serviceaccounts", "services"),
				manage("apps", "deployments", "statefulsets"),
				manage("autoscaling", "horizontalpodautoscalers"),
				manage("batch", "cronjobs", "jobs"),
				manage("networking.k8s.io", "ingresses"),
				manage("policy", "poddisruptionbudgets"),
			},
		},
		&rbacv1.ClusterRole{
			TypeMeta:   rbacType("ClusterRole"),
			ObjectMeta: metav1.ObjectMeta{Name: PlatformAccount},
			Rules: []rbacv1.PolicyRule{
				manage("", "limitranges", "namespaces", "resourcequotas"),
				manage("networking.k8s.io", "networkpolicies"),
				manage(rbacv1.GroupName, "rolebindings"),
				{
					APIGroups:     []string{rbacv1.GroupName},
					Resources:     []string{"clusterroles"},
					ResourceNames: []string{ProjectRole},
					Verbs:         []string{"bind"},
				},
			},
		},
		&rbacv1.ClusterRoleBinding{
			TypeMeta:   rbacType("ClusterRoleBinding"),
			ObjectMeta: metav1.ObjectMeta{Name: PlatformAccount},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: PlatformAccount},
			Subjects:   account,
		},
		&rbacv1.Role{
			TypeMeta:   rbacType("Role"),
			ObjectMeta: inside,
			Rules: []rbacv1.PolicyRule{
				manage("", "configmaps", "secrets", "serviceaccounts"),
				manage("kustomize.toolkit.fluxcd.io", "kustomizations"),
			},
		},
		&rbacv1.RoleBinding{
			TypeMeta:   rbacType("RoleBinding"),
			ObjectMeta: inside,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: PlatformAccount},
			Subjects:   account,
		},
	}
}

func rbacType(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: kind}
}
