package main

import (
	"context"
	"fmt"
	"strconv"
)

// queueCell is many creators at once, in a large repository, through the queue, against
// the server's own time for the same pushes.
type queueCell struct{}

func (queueCell) Name() string { return "queue" }

const (
	writers     = 32
	perWriter   = 8 // projects of each writer in a round
	perRetrying = 1 // the same without the queue, where it takes long
)

func (queueCell) Run(ctx context.Context, s *stand) ([]Row, error) {
	large, err := s.fleet(ctx, s.projects)
	if err != nil {
		return nil, err
	}
	leader, err := s.repository(large)
	if err != nil {
		return nil, err
	}
	own, err := s.repository(large)
	if err != nil {
		return nil, err
	}
	queue, err := s.writers(ctx, "queue", leader, perWriter)
	if err != nil {
		return nil, err
	}
	costs, err := measure(ctx, s, queue, &floor{stand: s, leader: leader, own: own})
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d concurrent creators, %d projects, through the queue", writers, s.projects)
	return []Row{
		{what, rate(costs[0]), "the floor: the same commits as prepared packs, batch by batch", rate(costs[1]), Goal{atLeast, 0.5}},
	}, nil
}

// retryCell is the same creators against others who know of no queue: every one
// fetches, commits and pushes, and tries again when another was faster. That takes
// minutes, so there is one round, which nothing warms up.
type retryCell struct{}

func (retryCell) Name() string { return "retry" }

func (retryCell) Run(ctx context.Context, s *stand) ([]Row, error) {
	large, err := s.fleet(ctx, s.projects)
	if err != nil {
		return nil, err
	}
	var contenders []Contender
	for _, job := range []string{"queue", "retry"} {
		repo, err := s.repository(large)
		if err != nil {
			return nil, err
		}
		c, err := s.writers(ctx, job, repo, map[string]int{"queue": perWriter, "retry": perRetrying}[job])
		if err != nil {
			return nil, err
		}
		contenders = append(contenders, c)
	}
	costs, err := takeTurns(ctx, s, 1, contenders...)
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("%d concurrent creators, %d projects, through the queue, one round", writers, s.projects)
	return []Row{{what, rate(costs[0]), "every one fetches, commits, pushes and tries again", rate(costs[1]), Goal{}}}, nil
}

// writers is a process with many creators.
func (s *stand) writers(ctx context.Context, job string, r repository, each int) (Contender, error) {
	line := func(n int) (string, error) { return fmt.Sprintf("%c-batch-%03d %d", 'a'+n*7%26, n, each), nil }
	return s.client(ctx, fmt.Sprintf("%d creators, %s", writers, job), line, job, r.url, r.dir, strconv.Itoa(writers))
}
