package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/berth-gitops/berth/e2e/stand"
)

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

// newProject has a private image of its owner's.
func newProject(owner user, id string, environments ...string) project {
	image := fleet.Registry.Host + "/" + owner.name + "/" + id + ":v1"
	return project{id: id, owner: owner, image: image, environments: environments}
}

// create makes a project and deletes it after the test. Nobody waits for Flux.
func create(t *testing.T, owner user, id string, environments ...string) project {
	t.Helper()
	p := newProject(owner, id, environments...)
	t.Cleanup(func() { removeAll(t, []project{p}) })
	args := []string{"create", "project", id, "--owner", owner.name, "--image", p.image, "--port", "8080",
		"--registry", fleet.Registry.Host, "--username", owner.name, "--password-stdin"}
	for _, env := range environments {
		args = append(args, "--env", env)
	}
	berth(t, owner.token+"\n", args...)
	return p
}

// createTogether makes many projects in one go, from a folder of specs with the
// credentials on stdin, and deletes them after the test.
func createTogether(t *testing.T, projects ...project) {
	t.Helper()
	t.Cleanup(func() { removeAll(t, projects) })
	specs := t.TempDir()
	credentials := map[string]string{} // by owner
	for _, p := range projects {
		must(t, os.WriteFile(filepath.Join(specs, p.id+".yaml"), []byte(p.spec()), 0o600))
		line, err := json.Marshal(map[string]string{
			"owner": p.owner.name, "registry": fleet.Registry.Host, "username": p.owner.name, "token": p.owner.token,
		})
		must(t, err)
		credentials[p.owner.name] = string(line)
	}
	lines := strings.Join(slices.Collect(maps.Values(credentials)), "\n")
	berth(t, lines, "create", "project", "--filename", specs, "--credentials-stdin")
}

// spec is the project as a file; its production environment has a host.
func (p project) spec() string {
	var text strings.Builder
	fmt.Fprintf(&text, `apiVersion: berth/v1alpha1
kind: Project
metadata: {name: %s}
spec:
  owner: %s
  image: %s
  port: 8080
  pullSecret: {registry: "%s", username: %[2]s}
  environments:
`, p.id, p.owner.name, p.image, fleet.Registry.Host)
	for _, env := range p.environments {
		fmt.Fprintf(&text, "  - {name: %s%s}\n", env, map[string]string{"production": ", host: " + p.host()}[env])
	}
	return text.String()
}

func (p project) host() string { return p.id + ".example.com" }

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
