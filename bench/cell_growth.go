package main

import (
	"context"
	"fmt"
)

// growthCell is what one creation costs its client in a large repository against a
// small one.
type growthCell struct{}

func (growthCell) Name() string { return "growth" }

func (growthCell) Run(ctx context.Context, s *stand) ([]Row, error) {
	var contenders []Contender
	for _, projects := range []int{s.projects, smallFleet} {
		f, err := s.fleet(ctx, projects)
		if err != nil {
			return nil, err
		}
		repo, err := s.repository(f)
		if err != nil {
			return nil, err
		}
		library, err := s.createInProcess(ctx, fmt.Sprintf("berth, in process, %d projects", projects), repo)
		if err != nil {
			return nil, err
		}
		if repo, err = s.repository(f); err != nil {
			return nil, err
		}
		contenders = append(contenders, library, s.createCLI(fmt.Sprintf("berth, command, %d projects", projects), repo))
	}
	costs, err := measure(ctx, s, contenders...)
	if err != nil {
		return nil, err
	}
	against := fmt.Sprintf("%d projects", smallFleet)
	what := fmt.Sprintf("one creation, %d projects: ", s.projects)
	return []Row{
		{what + "client CPU, in process", cpu(costs[0]), against, cpu(costs[2]), Goal{atMost, 1.5}},
		{what + "client CPU, the command, nothing cached", cpu(costs[1]), against, cpu(costs[3]), Goal{atMost, 1.5}},
		{what + "peak memory, in process", peak(costs[0]), against, peak(costs[2]), Goal{atMost, 1.2}},
		{what + "peak memory, the command, nothing cached", peak(costs[1]), against, peak(costs[3]), Goal{atMost, 1.2}},
	}, nil
}
