package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// shellCell is the main job at home: one project with three environments, in a small
// repository, against the shell pipeline.
type shellCell struct{}

func (shellCell) Name() string { return "shell" }

func (shellCell) Run(ctx context.Context, s *stand) ([]Row, error) {
	small, err := s.fleet(ctx, smallFleet)
	if err != nil {
		return nil, err
	}
	var contenders []Contender
	for _, variant := range [][]string{nil, {"PARALLEL=1"}, {"PARALLEL=1", "SHARED_KEY="}} {
		repo, err := s.repository(small)
		if err != nil {
			return nil, err
		}
		c, err := s.shell(ctx, small, repo, variant)
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, c)
	}
	repo, err := s.repository(small)
	if err != nil {
		return nil, err
	}
	contenders = append(contenders, s.createCLI("berth, command", repo))
	if repo, err = s.repository(small); err != nil {
		return nil, err
	}
	contenders = append(contenders, s.createCLI("berth, command, --cache-dir", repo, s.cacheFlag(repo)))
	if repo, err = s.repository(small); err != nil {
		return nil, err
	}
	inProcess, err := s.createInProcess(ctx, "berth, in process", repo)
	if err != nil {
		return nil, err
	}
	own, err := s.repository(small)
	if err != nil {
		return nil, err
	}
	contenders = append(contenders, inProcess, &floor{stand: s, leader: repo, own: own})
	costs, err := measure(ctx, s, contenders...)
	if err != nil {
		return nil, err
	}
	const what = "one project × 3 environments, "
	pipeline, parallel, shared := wall(costs[0]), wall(costs[1]), wall(costs[2])
	command, cached, library, floor := wall(costs[3]), wall(costs[4]), wall(costs[5]), wall(costs[6])
	return []Row{
		{what + "in process, warm", library, "the shell pipeline", pipeline, Goal{smaller, 25}},
		{what + "the command, --cache-dir", cached, "the shell pipeline", pipeline, Goal{smaller, 20}},
		{what + "the command, nothing cached", command, "the shell pipeline", pipeline, Goal{}},
		{what + "the floor: POST of the prepared pack", floor, "the shell pipeline", pipeline, Goal{}},
		{what + "in process, warm", library, "the floor", floor, Goal{}},
		{what + "in process, warm", library, "the shell pipeline, environments in parallel", parallel, Goal{}},
		{what + "the command, --cache-dir", cached, "the shell pipeline, environments in parallel", parallel, Goal{}},
		{what + "the command, --cache-dir", cached, "the same without project keys: less than berth does", shared, Goal{}},
	}, nil
}

// smallFleet is the number of projects in the small repository.
const smallFleet = 100

// localCell is the same where the repository is a folder of this machine.
type localCell struct{}

func (localCell) Name() string { return "local" }

func (localCell) Run(ctx context.Context, s *stand) ([]Row, error) {
	small, err := s.fleet(ctx, smallFleet)
	if err != nil {
		return nil, err
	}
	var repos [2]repository
	for i := range repos {
		if repos[i], err = s.repository(small); err != nil {
			return nil, err
		}
		repos[i].url = repos[i].path
	}
	pipeline, err := s.shell(ctx, small, repos[0], nil)
	if err != nil {
		return nil, err
	}
	costs, err := measure(ctx, s, pipeline, s.createCLI("berth, command", repos[1]))
	if err != nil {
		return nil, err
	}
	return []Row{
		{"one project × 3 environments, the command, a local repository", wall(costs[1]), "the shell pipeline", wall(costs[0]), Goal{smaller, 20}},
	}, nil
}

// shell is shell.sh with a clone of its own.
func (s *stand) shell(ctx context.Context, f fleet, repo repository, env []string) (Contender, error) {
	tools, err := s.tools(ctx)
	if err != nil {
		return nil, err
	}
	script, err := filepath.Abs("shell.sh")
	if err != nil {
		return nil, err
	}
	env = append([]string{"PATH=" + tools + ":" + os.Getenv("PATH"), "KUBECONFIG=" + os.DevNull}, env...)
	if last := len(env) - 1; env[last] == "SHARED_KEY=" {
		env[last] += f.recipient
	}
	clone, sample := repo.path+"-clone", filepath.Join(f.dir, "sample")
	if _, err := s.output(ctx, "", script, "prepare", repo.url, clone, sample); err != nil {
		return nil, err
	}
	name := strings.TrimSpace("shell " + strings.Join(env[2:], " "))
	return command{s, name, func(ctx context.Context, n int) (*exec.Cmd, error) {
		cmd := exec.CommandContext(ctx, script, "create", clone, sample, projectID(n))
		cmd.Env = env
		cmd.Stdin = strings.NewReader(token + "\n")
		return cmd, nil
	}}, nil
}
