package project

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/internal/build"
)

// Export returns both halves of one environment as the branch holds them, built
// into one YAML stream: the platform half first, as Flux applies them. Secrets stay
// sealed.
func (s *Steps) Export(ctx context.Context, id, environment string) ([]byte, error) {
	tip, err := s.Repo.Tip(ctx, s.Branch)
	if err != nil {
		return nil, err
	}
	if err := prefetch(ctx, tip, generator.PlatformPath, "projects/"+id+"/"); err != nil {
		return nil, err
	}
	platform, err := s.platform(tip)
	if err != nil {
		return nil, err
	}
	_, project, err := committed(tip, id)
	if err != nil {
		return nil, err
	}
	if project == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoProject, id)
	}
	plan, err := newGenerator().Plan(platform, project)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(plan.Targets, func(t generator.Target) bool { return t.Environment == environment })
	if i < 0 {
		return nil, fmt.Errorf("%w: %s of project %s", ErrNoEnvironment, environment, id)
	}
	target := plan.Targets[i]
	if err := prefetch(ctx, tip, path.Dir(target.Tenant)+"/"); err != nil {
		return nil, err
	}
	platformHalf, err := exportPlatformHalf(tip, target)
	if err != nil {
		return nil, err
	}
	workloadHalf, err := build.Kustomize(tip, target.Overlay)
	if err != nil {
		return nil, err
	}
	return slices.Concat(platformHalf, []byte("---\n"), workloadHalf), nil
}

// exportPlatformHalf prints the environment's file, after the project key when there
// is one. Neither is changed by its kustomization.yaml, which only lists them.
func exportPlatformHalf(tip fs.FS, target generator.Target) ([]byte, error) {
	key, err := readFile(tip, path.Dir(target.Tenant)+"/project-key.sops.yaml")
	if err != nil {
		return nil, err
	}
	env, err := fs.ReadFile(tip, target.Tenant)
	if err != nil {
		return nil, err
	}
	if key == nil {
		return env, nil
	}
	return slices.Concat(bytes.TrimRight(key, "\n"), []byte("\n---\n"), env), nil
}

// ExportCluster returns the one file that makes a cluster ready.
func (s *Steps) ExportCluster(ctx context.Context, cluster string) ([]byte, error) {
	tip, err := s.Repo.Tip(ctx, s.Branch)
	if err != nil {
		return nil, err
	}
	if err := prefetch(ctx, tip, generator.PlatformPath, clusterFile(cluster)); err != nil {
		return nil, err
	}
	if _, err := s.platform(tip); err != nil {
		return nil, err
	}
	file, err := fs.ReadFile(tip, clusterFile(cluster))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoCluster, cluster)
	}
	return file, err
}

func clusterFile(cluster string) string { return "clusters/" + cluster + "/flux-projects.yaml" }
