package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bulkCell is many projects in one go against as many single creations. These are
// extrapolated from as many as there are rounds. The repository is a fresh one each time.
type bulkCell struct{}

func (bulkCell) Name() string { return "bulk" }

const (
	bulkProjects = 1000
	bulkMemory   = 300 << 20
)

func (bulkCell) Run(ctx context.Context, s *stand) ([]Row, error) {
	large, err := s.fleet(ctx, s.projects)
	if err != nil {
		return nil, err
	}
	repo, err := s.repository(large)
	if err != nil {
		return nil, err
	}
	single := s.createCLI("berth, command, one project", repo)
	library, err := s.client(ctx, fmt.Sprintf("berth, in process, %d projects", bulkProjects), func(n int) (string, error) {
		fresh, err := s.repository(large)
		return fmt.Sprintf("%s new-bulk-%03d %d", fresh.url, n, bulkProjects), err
	}, "bulk", large.dir)
	if err != nil {
		return nil, err
	}
	if repo, err = s.repository(large); err != nil {
		return nil, err
	}
	inProcess, err := s.createInProcess(ctx, "berth, in process, one project", repo)
	if err != nil {
		return nil, err
	}
	costs, err := measure(ctx, s, s.bulk(large), single, library, inProcess)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d projects × 3 environments in one go, the command, %d projects before", bulkProjects, s.projects)
	limit := Figure{bulkMemory, bulkMemory, bulkMemory, megabytes}
	return []Row{
		{what, wall(costs[0]), fmt.Sprintf("%d times the command for one (one was measured)", bulkProjects), wall(costs[1]).times(bulkProjects), Goal{smaller, 20}},
		{strings.Replace(what, "the command", "in process", 1), wall(costs[2]), fmt.Sprintf("%d times one in process (one was measured)", bulkProjects), wall(costs[3]).times(bulkProjects), Goal{}},
		{what + ": peak memory", peak(costs[0]), "the limit", limit, Goal{atMost, 1}},
		{what + ": client CPU", cpu(costs[0]), "", Figure{}, Goal{}},
	}, nil
}

// bulk is `berth create project -f FOLDER`, each time on a fresh repository.
func (s *stand) bulk(f fleet) Contender {
	return command{s, fmt.Sprintf("berth, command, %d projects", bulkProjects), func(ctx context.Context, _ int) (*exec.Cmd, error) {
		repo, err := s.repository(f)
		if err != nil {
			return nil, err
		}
		folder, credentials, err := s.bulkSpecs(f)
		if err != nil {
			return nil, err
		}
		cmd := s.berth(ctx, repo, "create", "project", "-f", folder, "--credentials-stdin")
		cmd.Stdin = strings.NewReader(credentials)
		return cmd, nil
	}}
}

// bulkSpecs writes a folder of specs, and returns the credentials of their owners.
func (s *stand) bulkSpecs(f fleet) (folder, credentials string, err error) {
	folder = filepath.Join(s.dir, "specs")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", "", err
	}
	spec, err := os.ReadFile(filepath.Join(f.dir, "sample", "projects", sampleID, "project.yaml"))
	if err != nil {
		return "", "", err
	}
	var lines strings.Builder
	for n := range bulkProjects {
		id := projectID(n)
		if err := os.WriteFile(filepath.Join(folder, id+".yaml"), []byte(asProject(string(spec), id)), 0o644); err != nil {
			return "", "", err
		}
		owner := "owner-of-" + id
		line, err := json.Marshal(map[string]string{"owner": owner, "registry": "ghcr.io", "username": owner, "token": token})
		if err != nil {
			return "", "", err
		}
		fmt.Fprintf(&lines, "%s\n", line)
	}
	return folder, lines.String(), nil
}
