package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-gitops/berth/e2e/stand"
)

// A rot is a fault in one project's files.
type rot struct {
	id     string
	commit func(a scene) error
	seen   func(ctx context.Context, a scene) (string, error)
}

// rots are faults in the workload half, then in the platform half.
func rots() []rot {
	const brokenYAML = "a: [broken\n  yaml: {"
	return []rot{
		{"workload-yaml", func(a scene) error {
			return addResource(a.overlay(), "rot.yaml", brokenYAML)
		}, refused(workload, "BuildFailed", "MalformedYAMLError")},
		{"workload-object", func(a scene) error {
			return addResource(a.overlay(), "rot.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: rot}\nspec: {ports: [{port: 99999}]}\n")
		}, refused(workload, "ReconciliationFailed", "must be between 1 and 65535")},
		{"workload-kind", func(a scene) error {
			return addResource(a.overlay(), "rot.yaml", "apiVersion: example.com/v1\nkind: Nothing\nmetadata: {name: rot}\n")
		}, refused(workload, "ReconciliationFailed", "no matches for kind")},
		{"workload-seal", func(a scene) error {
			return copyFile(filepath.Join(a.self.tenant(a.dir), "project-key.sops.yaml"), a.sealed())
		}, refused(workload, "BuildFailed", "identity did not match any of the recipients")},
		{"workload-gone", func(a scene) error {
			return os.RemoveAll(a.overlay())
		}, refused(workload, "ArtifactFailed", "kustomization path not found")},

		{"platform-yaml", func(a scene) error {
			return addResource(a.self.tenant(a.dir), "rot.yaml", brokenYAML)
		}, refused(tenant, "BuildFailed", "MalformedYAMLError")},
		{"platform-quota", func(a scene) error {
			return changeObject(a.tenantFile(), "ResourceQuota", func(d document) { d.at("spec", "hard")["pods"] = "-1" })
		}, refused(tenant, "ReconciliationFailed", "must be greater than or equal to 0")},
		{"platform-binding", func(a scene) error {
			return changeObject(a.tenantFile(), "RoleBinding", func(d document) { d.at("roleRef")["name"] = "cluster-admin" })
		}, refused(tenant, "ReconciliationFailed", "attempting to grant RBAC permissions not currently held")},
		{"platform-seal", func(a scene) error { // a key that is wrapped to somebody else
			return copyFile(a.sealed(), filepath.Join(a.self.tenant(a.dir), "project-key.sops.yaml"))
		}, refused(tenant, "BuildFailed", "identity did not match any of the recipients")},
		{"platform-twice", func(a scene) error {
			return addResource(a.self.tenant(a.dir), "rot.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+a.namespace()+"}\n")
		}, refused(tenant, "BuildFailed", "may not add resource with an already registered id")},
		{"platform-gone", func(a scene) error {
			return os.RemoveAll(a.self.tenant(a.dir))
		}, refused(tenant, "ArtifactFailed", "kustomization path not found")},
		{"terminating", func(a scene) error { // its Namespace hangs, see hang
			return changeObject(a.tenantFile(), "ResourceQuota", func(d document) { d.at("metadata")["name"] = "another" })
		}, refused(tenant, "ReconciliationFailed", "status: 'Terminating'")},
	}
}

// Proof 6: a project that is broken in any way stops no other: once all faults
// are there and Flux has met them, a change to a healthy project and a new one
// are applied.
func TestOneRottenProject(t *testing.T) {
	hank := newUser("hank")
	steady := create(t, hank, "steady", "dev")
	var projects []project
	var scenes []scene
	for _, r := range rots() {
		p := newProject(hank, r.id, "dev")
		projects = append(projects, p)
		scenes = append(scenes, scene{self: p})
	}
	createTogether(t, projects...)
	settle(t, append(projects, steady)...)
	hang(t, "project-terminating-dev")

	commit, err := fleet.Edit(t.Context(), "Every fault at once", func(dir string) error {
		for i, r := range rots() {
			here := scenes[i]
			here.dir = dir
			if err := r.commit(here); err != nil {
				return errors.Join(errors.New(r.id), err)
			}
		}
		return nil
	})
	must(t, err)
	must(t, fleet.Sync(t.Context(), commit))
	begin := time.Now()
	for i, r := range rots() {
		here := scenes[i]
		here.commit = commit
		t.Run(r.id, func(t *testing.T) {
			eventuallySince(t, begin, func(ctx context.Context) error {
				_, err := r.seen(ctx, here)
				return err
			})
		})
	}

	newcomer := create(t, hank, "newcomer", "dev")
	steady.image = fleet.Registry.Host + "/hank/steady:v2"
	berth(t, "", "create", "project", steady.id, "--image", steady.image)
	settle(t, steady, newcomer)
	checkDeployment(t, steady, "dev")
	checkPullSecret(t, newcomer, "dev")
}

// hang leaves a namespace Terminating until the test ends.
func hang(t *testing.T, namespace string) {
	t.Helper()
	obstacle := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: "obstacle", Finalizers: []string{"e2e.example.com/hang"},
	}}
	must(t, fleet.Client.Create(t.Context(), obstacle))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stand.Patience)
		defer cancel()
		_, err := fleet.Kubectl(ctx, "", "patch", "configmap", "obstacle", "--namespace", namespace,
			"--type=merge", "--patch", `{"metadata":{"finalizers":null}}`)
		must(t, err)
	})
	kubectl(t, "delete", "namespace", namespace, "--wait=false")
	eventually(t, func(ctx context.Context) error {
		if get(t, "", namespace, &corev1.Namespace{}).Status.Phase != corev1.NamespaceTerminating {
			return errors.New("the namespace is not Terminating")
		}
		return nil
	})
}

// The control of the proof above, and the limit of the layout: the fleet folder
// is one build. A broken entry there stops new projects (which is why only berth
// writes it) but none that is there, and mending it lets them in.
func TestRottenFleetEntry(t *testing.T) {
	iris := newUser("iris")
	steady := create(t, iris, "calm", "dev")
	rotten := create(t, iris, "rotten", "dev")
	settle(t, steady, rotten)
	commit, err := fleet.Edit(t.Context(), "Break a fleet entry", func(dir string) error {
		return os.WriteFile(filepath.Join(dir, "fleet", stand.Cluster, rotten.id+".yaml"), []byte("a: [broken\n"), 0o600)
	})
	must(t, err)
	newcomer := create(t, iris, "latecomer", "dev")
	steady.image = fleet.Registry.Host + "/iris/calm:v2"
	berth(t, "", "create", "project", steady.id, "--image", steady.image)

	settle(t, steady) // goes on
	checkDeployment(t, steady, "dev")
	eventually(t, func(ctx context.Context) error {
		_, err := refused(root, "BuildFailed", "MalformedYAMLError")(ctx, scene{commit: commit})
		return err
	})
	must(t, newcomer.gone(t.Context()))

	berth(t, "", "create", "project", rotten.id, "--overwrite")
	settle(t, steady, rotten, newcomer)
}
