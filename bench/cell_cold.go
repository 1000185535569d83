package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// coldCell is a creation in a large repository by a process that knows nothing of it,
// from its start to the end of the push, against getting a clone and doing nothing.
type coldCell struct{}

func (coldCell) Name() string { return "cold" }

func (coldCell) Run(ctx context.Context, s *stand) ([]Row, error) {
	large, err := s.fleet(ctx, s.projects)
	if err != nil {
		return nil, err
	}
	repo, err := s.repository(large)
	if err != nil {
		return nil, err
	}
	bare, checkedOut := s.clone(repo, "--bare"), s.clone(repo)
	costs, err := measure(ctx, s, s.createCLI("berth, command", repo), bare, checkedOut)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("cold start and one creation, %d projects", s.projects)
	return []Row{
		{what, wall(costs[0]), "git clone --depth 1 --bare", wall(costs[1]), Goal{smaller, 5}},
		{what, wall(costs[0]), "git clone --depth 1, with its work tree", wall(costs[2]), Goal{smaller, 5}},
	}, nil
}

func (s *stand) clone(r repository, flags ...string) Contender {
	target := filepath.Join(s.dir, "cold-clone")
	return command{s, fmt.Sprint("git clone --depth 1 ", flags), func(ctx context.Context, _ int) (*exec.Cmd, error) {
		args := append([]string{"clone", "-q", "--depth", "1"}, flags...)
		return exec.CommandContext(ctx, "git", append(args, r.url, target)...), os.RemoveAll(target)
	}}
}
