// Package capacity measures how a control plane bears many environments: how
// long a push takes to be applied, and what that costs Flux's controllers.
//
// [Grow] brings a stand to a size, [Measure] changes one project there.
package capacity

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berth-gitops/berth/e2e/process"
	"github.com/berth-gitops/berth/e2e/stand"
)

// limit is how long a measurement may take.
const limit = 20 * time.Minute

// PerProject is how many environments a project has; the last one has the rest.
const PerProject = 3

// Projects is how many projects so many environments make.
func Projects(size int) int { return (size + PerProject - 1) / PerProject }

// ID is the name of the i-th project.
func ID(i int) string { return fmt.Sprintf("load-%03d", i) }

// environments are those of the i-th project at a size.
func environments(i, size int) []string {
	return []string{"development", "staging", "production"}[:min(PerProject, size-i*PerProject)]
}

// workloads are the Kustomizations of the i-th project's environments.
func workloads(i, size int) []string {
	var names []string
	for _, env := range environments(i, size) {
		names = append(names, "project-"+ID(i)+"-"+env)
	}
	return names
}

// Grow adds projects until there are so many environments, in one go, and
// returns how long Flux takes from then on to apply them. Each project has a
// pull secret.
func Grow(ctx context.Context, s *stand.Stand, have, want int) (time.Duration, error) {
	specs := map[string]string{}
	for i := have / PerProject; i < Projects(want); i++ {
		specs[ID(i)] = spec(ID(i), stand.Cluster, environments(i, want))
	}
	if err := create(ctx, s, specs); err != nil {
		return 0, err
	}
	begin := time.Now()
	applied, err := look(ctx, s, want)
	return latest(begin, applied), err
}

// Elsewhere adds projects with so many environments that are on another
// cluster: nothing to apply, but files in the repository.
func Elsewhere(ctx context.Context, s *stand.Stand, size int) error {
	const other = "other"
	if _, err := s.Do(ctx, "", "init", "--cluster", other, "--flux-url", s.GitURL()); err != nil {
		return err
	}
	specs := map[string]string{}
	for i := range Projects(size) {
		id := "away-" + ID(i)
		specs[id] = spec(id, other, environments(i, size))
	}
	return create(ctx, s, specs)
}

func spec(id, cluster string, environments []string) string {
	text := "apiVersion: berth/v1alpha1\nkind: Project\nmetadata: {name: " + id + "}\nspec:\n" +
		"  owner: load\n  image: registry.example.com/load/app:v1\n  port: 8080\n" +
		"  pullSecret: {registry: registry.example.com, username: load}\n  environments:\n"
	for _, env := range environments {
		text += "  - {name: " + env + ", cluster: " + cluster + "}\n"
	}
	return text
}

// create writes projects, by their ids, in one go.
func create(ctx context.Context, s *stand.Stand, specs map[string]string) error {
	dir, err := os.MkdirTemp(s.Dir, "specs-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for id, text := range specs {
		if err := os.WriteFile(filepath.Join(dir, id+".yaml"), []byte(text), 0o600); err != nil {
			return err
		}
	}
	const credentials = `{"owner":"load","registry":"registry.example.com","username":"load","token":"a-token-of-some-length"}`
	_, err = s.Do(ctx, credentials, "create", "project", "--filename", dir, "--credentials-stdin")
	return err
}

// A Change is what one changed project costs.
type Change struct {
	// Applied and Quiet are from the push to the project's last environment, and
	// to everything reconciled.
	Applied, Quiet time.Duration
	// Kustomize, Source and API are what Flux's controllers and the API server
	// used: CPU time for this change, memory at most so far.
	Kustomize, Source, API process.Usage
	// Disturbed names objects of other projects that changed; there should be none.
	Disturbed []string
}

// Measure gives one project a new image and waits until Flux has looked at all.
// Flux takes them in the order of their names, so rounds change projects at
// different places of the alphabet.
func Measure(ctx context.Context, s *stand.Stand, size, round, rounds int) (*Change, error) {
	i := (2*round + 1) * Projects(size) / (2 * rounds)
	before, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	kustomize, source, api := s.Usage()
	image := fmt.Sprintf("registry.example.com/load/app:round-%d-%d", size, round)
	if _, err := s.Do(ctx, "", "create", "project", ID(i), "--image", image); err != nil {
		return nil, err
	}
	begin := time.Now()
	applied, err := look(ctx, s, size)
	if err != nil {
		return nil, err
	}
	c := &Change{Quiet: latest(begin, applied)}
	c.Kustomize, c.Source, c.API = s.Usage()
	c.Kustomize.CPU -= kustomize.CPU
	c.Source.CPU -= source.CPU
	c.API.CPU -= api.CPU
	own := workloads(i, size)
	c.Applied = latest(begin, applied, own...)
	after, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	seen := false
	for _, name := range before.Changed(after) {
		kustomization, _, _ := strings.Cut(name, "/")
		switch {
		case slices.Contains(own, kustomization):
			seen = true
		case strings.Contains(kustomization, "-load-"):
			c.Disturbed = append(c.Disturbed, name)
		}
	}
	if !seen {
		return nil, fmt.Errorf("no object of %s has changed", ID(i))
	}
	return c, nil
}

// look makes Flux fetch the tip and says when each Kustomization has applied it.
func look(ctx context.Context, s *stand.Stand, size int) (map[string]time.Time, error) {
	commit, err := s.Tip(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Fetch(ctx); err != nil {
		return nil, err
	}
	all := []string{"projects"}
	for i := range Projects(size) {
		all = append(append(all, "tenant-"+ID(i)), workloads(i, size)...)
	}
	return s.Follow(ctx, commit, all, limit)
}

// latest is how long after begin the last of some, or of all, was.
func latest(begin time.Time, applied map[string]time.Time, names ...string) time.Duration {
	var last time.Duration
	for name, at := range applied {
		if len(names) == 0 || slices.Contains(names, name) {
			last = max(last, at.Sub(begin))
		}
	}
	return last
}

// Ignore sets the GitRepository's spec.ignore: what Flux need not unpack.
func Ignore(ctx context.Context, s *stand.Stand, patterns string) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"ignore": patterns}})
	if err != nil {
		return err
	}
	_, err = s.Kubectl(ctx, "", "patch", "gitrepository", stand.Namespace, "--namespace", stand.Namespace,
		"--type=merge", "--patch", string(patch))
	return err
}
