package main

import (
	"context"
	"fmt"
	"os/exec"
)

// reviewCell is a review of a change to one project in a large repository against the
// same in a small one.
type reviewCell struct{}

func (reviewCell) Name() string { return "review" }

// reviewFleet is the number of projects in the small repository.
const reviewFleet = 10

func (reviewCell) Run(ctx context.Context, s *stand) ([]Row, error) {
	commands := []string{"review", "verify"}
	var contenders []Contender
	for _, projects := range []int{s.projects, reviewFleet} {
		f, err := s.fleet(ctx, projects)
		if err != nil {
			return nil, err
		}
		repo, err := s.repository(f)
		if err != nil {
			return nil, err
		}
		if err := s.propose(ctx, repo); err != nil {
			return nil, err
		}
		for _, name := range commands {
			contenders = append(contenders, s.judge(name, repo))
		}
	}
	costs, err := measure(ctx, s, contenders...)
	if err != nil {
		return nil, err
	}
	against := fmt.Sprintf("%d projects", reviewFleet)
	var rows []Row
	for i, name := range commands {
		large, small := costs[i], costs[len(commands)+i]
		what := fmt.Sprintf("berth %s of one changed project, %d projects: ", name, s.projects)
		rows = append(rows,
			Row{what + "wall time", wall(large), against, wall(small), Goal{atMost, 2}},
			Row{what + "client CPU", cpu(large), against, cpu(small), Goal{atMost, 2}})
	}
	return rows, nil
}

// change is the branch that is reviewed.
const change = "change"

// propose adds a project to the repository, and a branch on which it has a new image.
func (s *stand) propose(ctx context.Context, r repository) error {
	if _, err := s.createCLI("add the project", r).Round(ctx, 0); err != nil {
		return err
	}
	tip, err := s.tip(ctx, r)
	if err != nil {
		return err
	}
	if _, err := s.output(ctx, "", "git", "-C", r.path, "branch", change, tip); err != nil {
		return err
	}
	update := command{s, "change its image", func(ctx context.Context, n int) (*exec.Cmd, error) {
		return s.berth(ctx, r, "create", "project", projectID(n), "--image", "ghcr.io/someone/else:v2", "--branch", change), nil
	}}
	_, err = update.Round(ctx, 0)
	return err
}

// judge looks at the change as CI does: with public keys alone and nothing cached.
func (s *stand) judge(name string, r repository) Contender {
	return command{s, fmt.Sprintf("berth %s, %d projects", name, r.projects), func(ctx context.Context, _ int) (*exec.Cmd, error) {
		cmd := exec.CommandContext(ctx, berthProgram, name, "--base", "main", "--head", change)
		cmd.Env = []string{"BERTH_REPO=" + r.url}
		return cmd, nil
	}}
}
