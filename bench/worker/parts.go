package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/sops"
)

// parts does one step of a creation, named by the line, some times over.
func parts(fleet string) (round, error) {
	text, err := os.ReadFile(filepath.Join(fleet, "berth.key"))
	if err != nil {
		return nil, err
	}
	key, err := sops.ParseKey(text)
	if err != nil {
		return nil, err
	}
	doc, err := os.ReadFile(filepath.Join(fleet, "berth.yaml"))
	if err != nil {
		return nil, err
	}
	platform, err := generator.ParsePlatform(generator.PlatformPath, doc)
	if err != nil {
		return nil, err
	}
	sealer := sops.NewSealer(key, nil)
	steps := map[string]func() error{
		"render": func() error {
			_, _, err := plan(platform, sampleID)
			return err
		},
		"key": func() error {
			_, err := sealer.ProjectKey(nil, sops.KeyRequest{
				Path: "tenants/dev/shop/project-key.sops.yaml", Name: "sops-shop", Namespace: generator.PlatformNamespace,
				Project: "shop", Owner: "alice", Recipients: platform.Spec.Clusters[0].Recipients,
			})
			return err
		},
		"secret": func() error {
			_, err := sealer.PullSecret(nil, sops.SecretRequest{
				Path: "projects/shop/overlays/dev/ghcr-secret.sops.yaml", Name: "ghcr-secret", Namespace: "project-shop-dev",
				Project: "shop", Environment: "dev", Owner: "alice", Registry: "ghcr.io", Username: "alice",
				Recipient: platform.Spec.Clusters[0].Recipients[0],
			}, token())
			return err
		},
	}
	return func(_ context.Context, line string) (int, error) {
		step, ok := steps[line]
		if !ok {
			return 0, fmt.Errorf("no step %q", line)
		}
		for range repeat {
			if err := step(); err != nil {
				return 0, err
			}
		}
		return repeat, nil
	}, nil
}

// repeat is how often a step is done in a round, because one is too short for the clock.
const repeat = 50
