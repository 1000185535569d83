package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-gitops/berth/e2e/stand"
)

var update = flag.Bool("update", false, "write the tables in docs/ from the results")

// fleet is the control plane that all tests share.
var fleet *stand.Stand

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if fleet, err = stand.Start(ctx, stand.Options{Log: os.Stderr}); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		return 1
	}
	defer func() {
		fleet.Stop(code != 0)
		if code != 0 {
			fmt.Fprintln(os.Stderr, "logs:", fleet.Logs())
		}
	}()
	if err := fleet.Init(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		return 1
	}
	if code := m.Run(); code != 0 {
		return code
	}
	if err := leftBehind(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "✗ after all projects were deleted:", err)
		return 1
	}
	return 0
}

// leftBehind is nil once the cluster holds nothing of any project.
func leftBehind(ctx context.Context) error {
	return fleet.Eventually(ctx, stand.Patience, func(ctx context.Context) error {
		out, err := fleet.Kubectl(ctx, "", "get", "namespaces,clusterrolebindings,kustomizations,secrets,serviceaccounts",
			"--all-namespaces", "--output", `jsonpath={range .items[*]}{.kind}/{.metadata.name}{"\n"}{end}`)
		if err != nil {
			return err
		}
		for line := range strings.Lines(out) {
			_, name, _ := strings.Cut(strings.TrimSpace(line), "/")
			if strings.HasPrefix(name, "project-") || strings.HasPrefix(name, "tenant-") || strings.HasPrefix(name, "sops-") && name != "sops-age" {
				return fmt.Errorf("%s is still there", strings.TrimSpace(line))
			}
		}
		return nil
	})
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// berth runs a command that must succeed and returns its standard output.
func berth(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := fleet.Do(t.Context(), stdin, args...)
	must(t, err)
	return out
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := fleet.Kubectl(t.Context(), "", args...)
	must(t, err)
	return out
}

func tip(t *testing.T) string {
	t.Helper()
	commit, err := fleet.Tip(t.Context())
	must(t, err)
	return commit
}

// A user has an account at the registry.
type user struct{ name, token string }

func newUser(name string) user {
	u := user{name, "token-of-" + name + "-" + strings.Repeat("x", 20)}
	fleet.Registry.Allow(u.name, u.token)
	return u
}

// A project was made by `berth create project`.
type project struct {
	id           string
	owner        user
	image        string
	environments []string
}

// create makes a project with a private image and deletes it after the test.
// Nobody waits for Flux.
func create(t *testing.T, owner user, id string, environments ...string) project {
	t.Helper()
	p := push(t, owner, id, environments...)
	t.Cleanup(func() { removeAll(t, []project{p}) })
	return p
}

// push makes a project that the caller removes himself.
func push(t *testing.T, owner user, id string, environments ...string) project {
	t.Helper()
	p := project{id: id, owner: owner, environments: environments}
	p.image = fleet.Registry.Host + "/" + owner.name + "/" + id + ":v1"
	args := []string{"create", "project", id, "--owner", owner.name, "--image", p.image, "--port", "8080",
		"--registry", fleet.Registry.Host, "--username", owner.name, "--password-stdin"}
	for _, env := range environments {
		args = append(args, "--env", env)
	}
	berth(t, owner.token+"\n", args...)
	return p
}

// removeAll takes projects out of the repository after a test, with whatever it
// left in their folders. Flux clears the cluster while the next test runs; that
// it does is checked when all are done.
func removeAll(t *testing.T, projects []project) {
	ctx, cancel := context.WithTimeout(context.Background(), stand.Patience)
	defer cancel()
	commit, err := fleet.Edit(ctx, "Clean up after a test", func(dir string) error {
		for _, p := range projects {
			fleetEntry := filepath.Join(dir, "fleet", stand.Cluster, p.id+".yaml")
			for _, path := range []string{filepath.Join(dir, "projects", p.id), p.tenant(dir), fleetEntry} {
				if err := os.RemoveAll(path); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		err = fleet.Sync(ctx, commit)
	}
	if err != nil {
		t.Errorf("cleaning up: %v", err)
	}
}

// names are those of the project's Flux Kustomizations.
func (p project) names() []string {
	names := []string{"tenant-" + p.id}
	for _, env := range p.environments {
		names = append(names, p.namespace(env))
	}
	return names
}

func (p project) namespace(env string) string { return "project-" + p.id + "-" + env }

func (p project) overlay(dir, env string) string {
	return filepath.Join(dir, "projects", p.id, "overlays", env)
}

func (p project) tenant(dir string) string {
	return filepath.Join(dir, "tenants", stand.Cluster, p.id)
}

// settle makes Flux fetch the tip and waits until the projects have applied it.
func settle(t *testing.T, projects ...project) string {
	t.Helper()
	commit := tip(t)
	must(t, fleet.Sync(t.Context(), commit))
	for _, p := range projects {
		must(t, fleet.Ready(t.Context(), commit, p.names()...))
	}
	return commit
}

// get reads an object that must be there.
func get[T client.Object](t *testing.T, namespace, name string, into T) T {
	t.Helper()
	must(t, fleet.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, into))
	return into
}

// eventually polls until try succeeds.
func eventually(t *testing.T, try func(context.Context) error) {
	t.Helper()
	must(t, fleet.Eventually(t.Context(), stand.Patience, try))
}

// absent is nil when an object is not there.
func absent(ctx context.Context, obj client.Object, namespace, name string) error {
	err := fleet.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, obj)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%T %s/%s is still there", obj, namespace, name)
}
