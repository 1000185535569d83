package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// roadsCell is one creation in a large repository against other ways to make the same
// commit. These get the files rendered and sealed, and a clone that is kept.
type roadsCell struct{}

func (roadsCell) Name() string { return "roads" }

func (roadsCell) Run(ctx context.Context, s *stand) ([]Row, error) {
	large, err := s.fleet(ctx, s.projects)
	if err != nil {
		return nil, err
	}
	repo, err := s.repository(large)
	if err != nil {
		return nil, err
	}
	inProcess, err := s.createInProcess(ctx, "berth, in process", repo)
	if err != nil {
		return nil, err
	}
	raw, _, err := s.plumbing(ctx, large)
	if err != nil {
		return nil, err
	}
	goGit, err := s.goGit(ctx, large)
	if err != nil {
		return nil, err
	}
	costs, err := measure(ctx, s, inProcess, raw, goGit)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("one creation, %d projects, in process", s.projects)
	return []Row{
		{what, wall(costs[0]), "raw git, kept bare clone: fast-import and push", wall(costs[1]), Goal{}},
		{what, wall(costs[0]), "go-git, kept clone and work tree: Add, Commit, Push", wall(costs[2]), Goal{}},
		{what + ": client CPU", cpu(costs[0]), "go-git", cpu(costs[2]), Goal{}},
		{what + ": peak memory", peak(costs[0]), "go-git", peak(costs[2]), Goal{}},
	}, nil
}

// goGit is worker/gogit.go with a clone of its own.
func (s *stand) goGit(ctx context.Context, f fleet) (Contender, error) {
	repo, err := s.repository(f)
	if err != nil {
		return nil, err
	}
	clone := repo.path + "-clone"
	if _, err := s.output(ctx, "", "git", "clone", "-q", "--depth", "1", repo.url, clone); err != nil {
		return nil, err
	}
	return s.client(ctx, "go-git", newProject, "gogit", clone, f.dir)
}

// plumbing is plumbing.sh with a clone of its own, and the repository it pushes to.
func (s *stand) plumbing(ctx context.Context, f fleet) (Contender, repository, error) {
	repo, err := s.repository(f)
	if err != nil {
		return nil, repo, err
	}
	script, err := filepath.Abs("plumbing.sh")
	if err != nil {
		return nil, repo, err
	}
	clone := repo.path + "-clone"
	if err := linkAll(repo.path, clone); err != nil {
		return nil, repo, err
	}
	if _, err := s.output(ctx, "", "git", "-C", clone, "remote", "add", "origin", repo.url); err != nil {
		return nil, repo, err
	}
	return command{s, "raw git", func(ctx context.Context, n int) (*exec.Cmd, error) {
		files, err := f.files(projectID(n))
		if err != nil {
			return nil, err
		}
		prepared := filepath.Join(s.dir, "prepared")
		if err := os.RemoveAll(prepared); err != nil {
			return nil, err
		}
		for name, data := range files {
			name = filepath.Join(prepared, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return nil, err
			}
			if err := os.WriteFile(name, data, 0o644); err != nil {
				return nil, err
			}
		}
		return exec.CommandContext(ctx, script, clone, prepared, projectID(n)), nil
	}}, repo, nil
}
