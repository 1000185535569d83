package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/berth-gitops/berth/e2e/stand"
)

// Proof 3: deleting an environment, and then the project, leaves nothing behind
// and nothing hanging, and the neighbour does not notice.
func TestDelete(t *testing.T) {
	gina := newUser("gina")
	shop := create(t, gina, "leaver", "development", "staging", "production")
	neighbour := create(t, gina, "stayer", "production")
	settle(t, shop, neighbour)
	before, err := fleet.Snapshot(t.Context())
	must(t, err)

	berth(t, "", "delete", "project", shop.id, "--env", "staging", "--yes")
	rest := shop
	rest.environments = []string{"development", "production"}
	settle(t, rest, neighbour)
	eventually(t, func(ctx context.Context) error { return environmentGone(ctx, shop.namespace("staging")) })
	for _, env := range rest.environments {
		checkPullSecret(t, rest, env)
	}

	berth(t, "", "delete", "project", shop.id, "--yes")
	settle(t, neighbour)
	begin := time.Now()
	eventually(t, shop.gone)
	t.Logf("the namespaces are gone after %v", time.Since(begin).Round(10*time.Millisecond))

	after, err := fleet.Snapshot(t.Context())
	must(t, err)
	changed := strings.Join(before.Changed(after), "\n")
	if !strings.Contains(changed, shop.namespace("production")+"/ghcr-secret") || strings.Contains(changed, neighbour.id) {
		t.Errorf("wanted the project's objects to be gone and the neighbour's to be as they were; changed have\n%s", changed)
	}
	for _, tree := range []string{"projects", "tenants", "fleet"} {
		if files := listTree(t, tree); strings.Contains(files, shop.id) {
			t.Errorf("the repository still holds files of %s:\n%s", shop.id, files)
		}
	}
}

// gone is nil when the cluster holds nothing of the project any more.
func (p project) gone(ctx context.Context) error {
	errs := []error{
		absent(ctx, &kustomizev1.Kustomization{}, stand.Namespace, "tenant-"+p.id),
		absent(ctx, &corev1.Secret{}, stand.Namespace, "sops-"+p.id),
	}
	for _, env := range p.environments {
		errs = append(errs, environmentGone(ctx, p.namespace(env)))
	}
	return errors.Join(errs...)
}

func environmentGone(ctx context.Context, namespace string) error {
	return errors.Join(
		absent(ctx, &kustomizev1.Kustomization{}, stand.Namespace, namespace),
		absent(ctx, &corev1.ServiceAccount{}, stand.Namespace, namespace),
		absent(ctx, &corev1.Namespace{}, "", namespace),
	)
}

func listTree(t *testing.T, path string) string {
	t.Helper()
	out, err := fleet.Git(t.Context(), "ls-tree", "-r", "--name-only", "main", path+"/")
	must(t, err)
	return out
}
