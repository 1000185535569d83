package e2e

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Proof 2: a new token reaches the cluster and restarts nothing, a new image
// changes the Deployment, and a second run changes nothing at all.
func TestUpdate(t *testing.T) {
	erin := newUser("erin")
	shop := create(t, erin, "update", "staging", "production")
	first := settle(t, shop)
	podTemplate := func(env string) int64 {
		return get(t, shop.namespace(env), "app", &appsv1.Deployment{}).Generation
	}
	before := map[string]int64{}
	for _, env := range shop.environments {
		eventually(t, func(ctx context.Context) error { return somePod(ctx, shop.namespace(env)) })
		before[env] = podTemplate(env)
	}

	berth(t, erin.token+"\n", "create", "project", shop.id, "--password-stdin")
	if again := tip(t); again != first {
		t.Fatalf("the same token again makes commit %s", again)
	}

	erin.token = "ghp_new-token"
	fleet.Registry.Allow(erin.name, erin.token)
	shop.owner = erin
	berth(t, erin.token+"\n", "create", "project", shop.id, "--password-stdin")
	settle(t, shop)
	for _, env := range shop.environments {
		checkPullSecret(t, shop, env)
		if now := podTemplate(env); now != before[env] {
			t.Errorf("%s: a new token changes the Deployment: generation %d → %d", env, before[env], now)
		}
	}

	shop.image = fleet.Registry.Host + "/erin/update:v2"
	berth(t, "", "create", "project", shop.id, "--image", shop.image)
	settle(t, shop)
	for _, env := range shop.environments {
		checkDeployment(t, shop, env)
		eventually(t, func(ctx context.Context) error { return podRuns(ctx, shop.namespace(env), shop.image) })
	}
}

// podRuns is nil once a Pod with the image was admitted.
func podRuns(ctx context.Context, namespace, image string) error {
	var pods corev1.PodList
	if err := fleet.Client.List(ctx, &pods, client.InNamespace(namespace)); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if pod.Spec.Containers[0].Image == image {
			return nil
		}
	}
	return fmt.Errorf("no pod of %d in %s has the image %s", len(pods.Items), namespace, image)
}

// Proof 4: what is deleted by hand comes back with Flux's next reconciliation;
// nothing of berth's runs.
func TestRestore(t *testing.T) {
	frank := newUser("frank")
	shop := create(t, frank, "restore", "production")
	settle(t, shop)
	namespace := shop.namespace("production")
	old := get(t, namespace, "ghcr-secret", &corev1.Secret{}).UID
	kubectl(t, "delete", "secret", "ghcr-secret", "--namespace", namespace)

	k, err := fleet.Kustomization(t.Context(), namespace)
	must(t, err)
	must(t, fleet.Reconcile(t.Context(), k))
	eventually(t, func(ctx context.Context) error {
		var secret corev1.Secret
		return fleet.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "ghcr-secret"}, &secret)
	})
	checkPullSecret(t, shop, "production")
	if get(t, namespace, "ghcr-secret", &corev1.Secret{}).UID == old {
		t.Error("the Secret was never deleted")
	}
}
