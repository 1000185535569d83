package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/internal/project"
	"github.com/berth-gitops/berth/sops"
)

// open returns what berth's commands work with, for a repository of the fleet.
func open(ctx context.Context, url, fleet string) (*project.Steps, error) {
	text, err := os.ReadFile(filepath.Join(fleet, "berth.key"))
	if err != nil {
		return nil, err
	}
	key, err := sops.ParseKey(text)
	if err != nil {
		return nil, err
	}
	repo, err := gitrepo.Open(ctx, url, gitrepo.Options{})
	if err != nil {
		return nil, err
	}
	return &project.Steps{Repo: repo, Branch: "main", Key: key}, nil
}

// creator makes one project for each line, all in one open repository.
func creator(ctx context.Context, url, fleet string) (round, error) {
	steps, err := open(ctx, url, fleet)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, id string) (int, error) {
		return 1, create(ctx, steps, id)
	}, nil
}

func create(ctx context.Context, steps *project.Steps, id string) error {
	req, err := request(id)
	if err != nil {
		return err
	}
	_, err = steps.Create(ctx, req)
	return err
}

// request asks for a project as the command does that gets its spec in a file.
func request(id string) (project.Request, error) {
	want, err := generator.ParseProject(generator.ProjectPath(id), spec(id))
	return project.Request{
		Project: id,
		Edit:    func(*generator.Project) (*generator.Project, error) { return want, nil },
		Token:   token(),
	}, err
}
