package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-gitops/berth/e2e/stand"
)

// A user without a registry: a public image, no Secret, no imagePullSecrets.
// He connects one later and takes it back, on the running cluster.
func TestPublicImage(t *testing.T) {
	const image = "nginx:1.27"
	lena := newUser("lena")
	queue := newProject(lena, "queue", "production")
	private := queue.image
	namespace := queue.namespace("production")
	t.Cleanup(func() { removeAll(t, []project{queue}) })

	queue.image = image
	berth(t, "", "create", "project", queue.id, "--template", "worker", "--owner", lena.name, "--image", image, "--env", "production")
	settle(t, queue)
	checkNamespace(t, queue, "production")
	checkNoPullSecret(t, queue)

	queue.image = private
	berth(t, lena.token+"\n", "create", "project", queue.id, "--image", private,
		"--registry", fleet.Registry.Host, "--username", lena.name, "--password-stdin")
	settle(t, queue)
	checkDeployment(t, queue, "production")
	checkPullSecret(t, queue, "production")

	queue.image = image
	file := filepath.Join(t.TempDir(), "queue.yaml")
	must(t, os.WriteFile(file, []byte("apiVersion: berth/v1alpha1\nkind: Project\nmetadata: {name: queue}\nspec:\n"+
		"  owner: lena\n  template: worker\n  image: "+image+"\n  environments:\n  - {name: production}\n"), 0o600))
	berth(t, "", "create", "project", "--filename", file)
	settle(t, queue)
	eventually(t, func(ctx context.Context) error { return podRuns(ctx, namespace, image) })
	checkNoPullSecret(t, queue)
}

// checkNoPullSecret wants no trace of a credential, and an app all the same.
func checkNoPullSecret(t *testing.T, p project) {
	t.Helper()
	namespace := p.namespace("production")
	deployment := get(t, namespace, "app", &appsv1.Deployment{})
	account := get(t, namespace, "app", &corev1.ServiceAccount{})
	if pod := deployment.Spec.Template.Spec; len(pod.ImagePullSecrets)+len(account.ImagePullSecrets) > 0 || pod.Containers[0].Image != p.image {
		t.Errorf("the pod is %+v, the ServiceAccount %+v", pod, account)
	}
	eventually(t, func(ctx context.Context) error { return somePod(ctx, namespace) })
	var secrets corev1.SecretList
	must(t, fleet.Client.List(t.Context(), &secrets, client.InNamespace(namespace)))
	for _, s := range secrets.Items {
		t.Errorf("the namespace holds the Secret %s", s.Name)
	}
	must(t, absent(t.Context(), &corev1.Secret{}, stand.Namespace, "sops-"+p.id))
}
