package main

import (
	"context"
	"fmt"
)

// wallCell is one creation in a large repository against the least that the server
// takes.
type wallCell struct{}

func (wallCell) Name() string { return "wall" }

func (wallCell) Run(ctx context.Context, s *stand) ([]Row, error) {
	large, err := s.fleet(ctx, s.projects)
	if err != nil {
		return nil, err
	}
	leader, err := s.repository(large)
	if err != nil {
		return nil, err
	}
	inProcess, err := s.createInProcess(ctx, "berth, in process", leader)
	if err != nil {
		return nil, err
	}
	own, err := s.repository(large)
	if err != nil {
		return nil, err
	}
	prepared := &floor{stand: s, leader: leader, own: own}
	forCommand, err := s.repository(large)
	if err != nil {
		return nil, err
	}
	forCached, err := s.repository(large)
	if err != nil {
		return nil, err
	}
	costs, err := measure(ctx, s, inProcess, prepared, s.createCLI("berth, command", forCommand),
		s.createCLI("berth, command, --cache-dir", forCached, s.cacheFlag(forCached)))
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("one creation, %d projects", s.projects)
	library, floor, command, cached := wall(costs[0]), wall(costs[1]), wall(costs[2]), wall(costs[3])
	return []Row{
		{what + ", in process", library, "the floor: POST of the prepared pack", floor, Goal{atMost, 1.15}},
		{what + ", the command, --cache-dir", cached, "the floor", floor, Goal{}},
		{what + ", the command, nothing cached", command, "the floor", floor, Goal{}},
	}, nil
}
