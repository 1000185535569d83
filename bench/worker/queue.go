package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/internal/project"
	"github.com/berth-gitops/berth/sops"
)

// queue lets many goroutines make one project after another through one queue. A line
// is the prefix of the names, and how many projects each goroutine makes.
func queue(ctx context.Context, url, fleet string, writers int) (round, error) {
	steps, err := open(ctx, url, fleet)
	if err != nil {
		return nil, err
	}
	q := gitrepo.NewQueue(ctx, steps.Repo, steps.Branch, gitrepo.QueueOptions{})
	return inParallel(writers, func(ctx context.Context, _ int, id string) error {
		_, err := q.Update(ctx, func(tip fs.FS) (*gitrepo.Change, error) { return change(tip, steps.Key, id) })
		return err
	}), nil
}

// retry is the same without the queue: every goroutine has a client of its own, which
// fetches, commits and pushes until it has won.
func retry(ctx context.Context, url, fleet string, writers int) (round, error) {
	clients := make([]*project.Steps, writers)
	for i := range clients {
		var err error
		if clients[i], err = open(ctx, url, fleet); err != nil {
			return nil, err
		}
	}
	return inParallel(writers, func(ctx context.Context, writer int, id string) error {
		for {
			if err := create(ctx, clients[writer], id); !errors.Is(err, gitrepo.ErrMoved) {
				return err
			}
		}
	}), nil
}

// bulk makes many projects in one go, in a repository that it has not seen before. A
// line is the address, the prefix of the names, and the number of projects.
func bulk(fleet string) round {
	return func(ctx context.Context, line string) (int, error) {
		var url, prefix string
		var projects int
		if _, err := fmt.Sscan(line, &url, &prefix, &projects); err != nil {
			return 0, err
		}
		steps, err := open(ctx, url, fleet)
		if err != nil {
			return 0, err
		}
		requests := make([]project.Request, projects)
		for i := range requests {
			if requests[i], err = request(fmt.Sprintf("%s-%04d", prefix, i)); err != nil {
				return 0, err
			}
		}
		var bad error
		steps.CreateAll(ctx, requests, func(_ int, _ *project.Result, err error) { bad = errors.Join(bad, err) })
		return projects, errors.Join(bad, steps.Repo.Close())
	}
}

// change is a creation as [project.Steps] makes it, for the queue.
func change(tip fs.FS, key *sops.Key, id string) (*gitrepo.Change, error) {
	doc, err := fs.ReadFile(tip, generator.PlatformPath)
	if err != nil {
		return nil, err
	}
	platform, err := generator.ParsePlatform(generator.PlatformPath, doc)
	if err != nil {
		return nil, err
	}
	if _, err := fs.Stat(tip, generator.ProjectPath(id)); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("project %s is there already: %w", id, err)
	}
	files, err := render(platform, key, id)
	return &gitrepo.Change{Files: files, Message: "Create project " + id}, err
}

func inParallel(writers int, do func(ctx context.Context, writer int, id string) error) round {
	return func(ctx context.Context, line string) (int, error) {
		var prefix string
		var each int
		if _, err := fmt.Sscan(line, &prefix, &each); err != nil {
			return 0, err
		}
		errs := make([]error, writers)
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				for i := range each {
					if errs[w] = do(ctx, w, fmt.Sprintf("%s-%02d-%03d", prefix, w, i)); errs[w] != nil {
						return
					}
				}
			})
		}
		group.Wait()
		return writers * each, errors.Join(errs...)
	}
}
