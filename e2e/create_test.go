package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Proof 1: the projects of two users are created in one go, Flux applies both,
// and each pull secret holds its own user's token and pulls its own user's
// image, no other.
func TestCreate(t *testing.T) {
	shop := newProject(newUser("alice"), "shop", "development", "staging", "production")
	blog := newProject(newUser("bob"), "blog", "development", "staging", "production")
	createTogether(t, shop, blog)
	begin := time.Now()
	settle(t, shop, blog)
	t.Logf("pushed to applied, 2 projects with 3 environments: %v", time.Since(begin).Round(10*time.Millisecond))

	for _, p := range []project{shop, blog} {
		_, err := fleet.Registry.Push(p.owner.name+"/"+p.id, "v1")
		must(t, err)
	}
	for _, p := range []project{shop, blog} {
		for _, env := range p.environments {
			t.Run(p.namespace(env), func(t *testing.T) {
				checkNamespace(t, p, env)
				checkDeployment(t, p, env)
				checkIngress(t, p, env)
				credential := checkPullSecret(t, p, env)
				pull(t, credential, p.image, "")
				for _, other := range []project{shop, blog} {
					if other.id != p.id {
						pull(t, credential, other.image, "DENIED")
					}
				}
			})
		}
	}
}

func checkNamespace(t *testing.T, p project, env string) {
	t.Helper()
	namespace := get(t, "", p.namespace(env), &corev1.Namespace{})
	for label, want := range map[string]string{
		"berth/project": p.id, "berth/environment": env,
		"pod-security.kubernetes.io/enforce": "baseline",
	} {
		if got := namespace.Labels[label]; got != want {
			t.Errorf("label %s is %q, want %q", label, got, want)
		}
	}
	if got := namespace.Annotations["berth/owner"]; got != p.owner.name {
		t.Errorf("owner is %q", got)
	}
}

func checkDeployment(t *testing.T, p project, env string) {
	t.Helper()
	deployment := get(t, p.namespace(env), "app", &appsv1.Deployment{})
	pod := deployment.Spec.Template.Spec
	if len(pod.ImagePullSecrets) != 1 || pod.ImagePullSecrets[0].Name != "ghcr-secret" {
		t.Errorf("imagePullSecrets are %v", pod.ImagePullSecrets)
	}
	if got := pod.Containers[0].Image; got != p.image {
		t.Errorf("image is %s, want %s", got, p.image)
	}
	eventually(t, func(ctx context.Context) error { return somePod(ctx, p.namespace(env)) })
}

// checkIngress wants one in production, which has a host, and nowhere else.
func checkIngress(t *testing.T, p project, env string) {
	t.Helper()
	if env != "production" {
		must(t, absent(t.Context(), &networkingv1.Ingress{}, p.namespace(env), "app"))
		return
	}
	ingress := get(t, p.namespace(env), "app", &networkingv1.Ingress{})
	if rules := ingress.Spec.Rules; len(rules) != 1 || rules[0].Host != p.host() {
		t.Errorf("the Ingress has the rules %v, want the host %s", rules, p.host())
	}
}

// somePod is nil once a Pod of the app was admitted.
func somePod(ctx context.Context, namespace string) error {
	var pods corev1.PodList
	err := fleet.Client.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels{"app.kubernetes.io/name": "app"})
	if err == nil && len(pods.Items) == 0 {
		err = fmt.Errorf("no pod in %s", namespace)
	}
	return err
}

// checkPullSecret wants the decrypted Secret, and returns the credential in it.
func checkPullSecret(t *testing.T, p project, env string) authn.AuthConfig {
	t.Helper()
	secret := get(t, p.namespace(env), "ghcr-secret", &corev1.Secret{})
	if secret.Type != corev1.SecretTypeDockerConfigJson {
		t.Errorf("the Secret's type is %s", secret.Type)
	}
	var config struct {
		Auths map[string]authn.AuthConfig `json:"auths"`
	}
	must(t, json.Unmarshal(secret.Data[corev1.DockerConfigJsonKey], &config))
	credential, ok := config.Auths[fleet.Registry.Host]
	if !ok || len(config.Auths) != 1 {
		t.Fatalf("the Secret holds %d credentials, wanted one for %s", len(config.Auths), fleet.Registry.Host)
	}
	if credential.Username != p.owner.name || credential.Password != p.owner.token {
		t.Errorf("the Secret is not %s's credential", p.owner.name)
	}
	return credential
}

// pull fetches the manifest as a kubelet would; want is "" or a part of the refusal.
func pull(t *testing.T, credential authn.AuthConfig, image, want string) {
	t.Helper()
	ref, err := name.ParseReference(image)
	must(t, err)
	_, err = remote.Get(ref, remote.WithAuth(authn.FromConfig(credential)))
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("pulling %s as %s: %v, want %q", image, credential.Username, err, want)
	}
}
