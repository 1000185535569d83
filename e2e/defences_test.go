package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-gitops/berth/e2e/stand"
)

// A defence is what stops an attack on the cluster.
type defence int

const (
	projectKeys defence = iota
	platformKeyApart
	narrowRights
	targetNamespace
	berthRights
	podSecurity
	podPolicy
	servicePolicy
	kustomizationPolicy
	platformPolicy
	pinnedRecipients
	signatures
	noDefence // the cluster has none: only a reader of the repository can refuse
)

func (d defence) String() string {
	return [...]string{
		"project keys", "the platform key stays with the platform", "the project's narrow rights", "`targetNamespace`, then narrow rights", "the narrow rights of `berth`", "pod security",
		"admission policy `berth-pods`", "admission policy `berth-services`", "admission policy `berth-kustomizations`", "admission policy `berth-platform`",
		"recipients pinned in the berth key", "signatures",
		"**not the cluster**",
	}[d]
}

// takenAway says how the control took the defence away.
func (d defence) takenAway() string {
	return [...]string{
		"with the victim's key in the project's key Secret", "with the platform key in the project's key Secret", "as cluster-admin", "without both", "with `berth` as admin of that namespace",
		"in a privileged namespace", "without the policy", "without the policy", "without the policy", "without the policy",
		"once somebody pins it", "with a berth that trusts the signer", "",
	}[d]
}

// takeDefencesAway changes the cluster so that every attack in its commit can
// succeed, and puts it right again after the test.
func takeDefencesAway(t *testing.T, attacks []attack, scenes []scene) {
	t.Helper()
	t.Cleanup(func() { restoreDefences(t) })
	policies := []string{"berth-pods", "berth-services", "berth-kustomizations", "berth-platform"}
	kubectl(t, append([]string{"delete", "validatingadmissionpolicybinding"}, policies...)...)
	eventually(t, policiesAreOff)

	admins := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-control"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
	}
	for i, a := range attacks {
		if a.by == narrowRights || a.by == targetNamespace {
			admins.Subjects = append(admins.Subjects, rbacv1.Subject{
				Kind: rbacv1.ServiceAccountKind, Name: scenes[i].namespace(), Namespace: stand.Namespace,
			})
		}
	}
	must(t, fleet.Client.Create(t.Context(), admins))
	for i, a := range attacks {
		must(t, a.takeAway(t.Context(), scenes[i]))
	}
}

// takeAway does what is the attack's own, and makes the cluster try it again.
func (a attack) takeAway(ctx context.Context, here scene) error {
	switch a.by {
	case projectKeys:
		return errors.Join(addKey(ctx, here, "sops-"+here.victim.id), again(ctx, here.namespace()))
	case platformKeyApart:
		return errors.Join(addKey(ctx, here, "sops-age"), again(ctx, here.namespace()))
	case narrowRights, servicePolicy:
		return again(ctx, here.namespace())
	case targetNamespace:
		patch := `{"spec":{"targetNamespace":null}}`
		return errors.Join(patchKustomization(ctx, here.namespace(), patch), again(ctx, here.namespace()))
	case podSecurity:
		return errors.Join(liftPodSecurity(ctx, here.namespace()), replaceReplicaSets(ctx, here.namespace()))
	case podPolicy:
		return replaceReplicaSets(ctx, here.namespace())
	case berthRights:
		return errors.Join(makeAdmin(ctx, here.namespace(), "berth"), again(ctx, "tenant-"+a.id))
	case kustomizationPolicy, platformPolicy:
		return errors.Join(again(ctx, "projects"), again(ctx, "tenant-"+a.id))
	}
	return nil
}

// restoreDefences puts the policies back as an administrator would.
func restoreDefences(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), stand.Patience)
	defer cancel()
	files, err := fleet.Do(ctx, "", "export", "--cluster", stand.Cluster)
	must(t, err)
	_, err = fleet.Kubectl(ctx, files, "apply", "--server-side", "--filename=-")
	must(t, err)
	// What attacks have made their own while they could, Flux does not take away.
	_, err = fleet.Kubectl(ctx, "", "delete", "--ignore-not-found", "--wait=false",
		"clusterrolebinding/e2e-control", "clusterrolebinding/project-clusterrolebinding-dev",
		"namespace/evil-namespace", "namespace/project-own-namespace-dev")
	must(t, err)
	must(t, fleet.Eventually(ctx, stand.Patience, func(ctx context.Context) error {
		if policiesAreOff(ctx) == nil {
			return errors.New("the admission policies are not in force again")
		}
		return nil
	}))
}

// policiesAreOff is nil when a Kustomization that the policy denies is let in.
func policiesAreOff(ctx context.Context) error {
	k, err := fleet.Kustomization(ctx, "projects")
	if err != nil {
		return err
	}
	return fleet.Client.Patch(ctx, k, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"namePrefix":"x"}}`)), client.DryRunAll)
}

// again makes Flux reconcile a Kustomization now.
func again(ctx context.Context, name string) error {
	k, err := fleet.Kustomization(ctx, name)
	if err != nil {
		return err
	}
	return fleet.Reconcile(ctx, k)
}

func patchKustomization(ctx context.Context, name, patch string) error {
	k, err := fleet.Kustomization(ctx, name)
	if err != nil {
		return err
	}
	return fleet.Client.Patch(ctx, k, client.RawPatch(types.MergePatchType, []byte(patch)))
}

// addKey is what one key for all would be: the attacker's Kustomization opens
// what another key Secret opens, too.
func addKey(ctx context.Context, here scene, from string) error {
	var key corev1.Secret
	if err := fleet.Client.Get(ctx, client.ObjectKey{Namespace: stand.Namespace, Name: from}, &key); err != nil {
		return err
	}
	data := map[string][]byte{}
	for name, value := range key.Data {
		data["other-"+name] = value
	}
	patch, err := json.Marshal(map[string]any{"data": data})
	if err != nil {
		return err
	}
	own := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: stand.Namespace, Name: "sops-" + here.self.id}}
	return fleet.Client.Patch(ctx, own, client.RawPatch(types.MergePatchType, patch))
}

// makeAdmin lets a ServiceAccount of flux-projects do anything in one namespace.
func makeAdmin(ctx context.Context, namespace, account string) error {
	return fleet.Client.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-control", Namespace: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: account, Namespace: stand.Namespace}},
	})
}

func liftPodSecurity(ctx context.Context, namespace string) error {
	patch := `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`
	own := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	return fleet.Client.Patch(ctx, own, client.RawPatch(types.MergePatchType, []byte(patch)))
}

// replaceReplicaSets makes the Deployment try to create its pods at once.
func replaceReplicaSets(ctx context.Context, namespace string) error {
	return fleet.Client.DeleteAllOf(ctx, &appsv1.ReplicaSet{}, client.InNamespace(namespace),
		client.PropagationPolicy(metav1.DeletePropagationBackground))
}

// refused waits for a Kustomization to say no.
func refused(name func(scene) string, reason, message string) func(context.Context, scene) (string, error) {
	return func(ctx context.Context, a scene) (string, error) {
		ready, err := fleet.Settled(ctx, name(a), a.commit)
		if err != nil {
			return "", err
		}
		if ready.Status == metav1.ConditionTrue || ready.Reason != reason || !strings.Contains(ready.Message, message) {
			return "", fmt.Errorf("%s: Ready=%s %s: %s; want %s with %q", name(a), ready.Status, ready.Reason, ready.Message, reason, message)
		}
		return fmt.Sprintf("%s: … %s …", reason, message), nil
	}
}

func workload(a scene) string { return a.namespace() }
func tenant(a scene) string   { return "tenant-" + a.self.id }
func root(scene) string       { return "projects" }

// podsRefused waits for a ReplicaSet that cannot create its pods.
func podsRefused(message string) func(context.Context, scene) (string, error) {
	return func(ctx context.Context, a scene) (string, error) {
		var sets appsv1.ReplicaSetList
		if err := fleet.Client.List(ctx, &sets, client.InNamespace(a.namespace())); err != nil {
			return "", err
		}
		for _, set := range sets.Items {
			for _, c := range set.Status.Conditions {
				if c.Type == appsv1.ReplicaSetReplicaFailure && strings.Contains(c.Message, message) {
					return "ReplicaSet: … " + message + " …", nil
				}
			}
		}
		return "", fmt.Errorf("no ReplicaSet in %s says %q", a.namespace(), message)
	}
}
