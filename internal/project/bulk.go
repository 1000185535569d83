package project

import (
	"context"
	"sync"

	"github.com/berth-gitops/berth/gitrepo"
)

const (
	inFlight             = 128 // creations that CreateAll keeps under way: enough to fill a push
	pullRequestsInFlight = 4   // the same for pull requests: forges do not like more
)

// CreateAll does for many requests what [Steps.Create] does for one. Each becomes a commit
// of its own; pushes are shared. One that fails is reported alone, and the rest go
// through. done is called once for each request, by one goroutine at a time, in no
// particular order; it may be nil.
func (s *Steps) CreateAll(ctx context.Context, requests []Request, done func(request int, r *Result, err error)) {
	write := func(req Request) func(planFunc) (written, error) {
		return func(plan planFunc) (written, error) { return s.write(ctx, req.Project, plan) }
	}
	workers := pullRequestsInFlight
	if s.Forge == nil {
		queue := gitrepo.NewQueue(ctx, s.Repo, s.Branch, gitrepo.QueueOptions{})
		defer queue.Close()
		write = func(Request) func(planFunc) (written, error) {
			return func(plan planFunc) (written, error) { return direct(ctx, queue.Update, plan) }
		}
		workers = inFlight
	}
	next := make(chan int)
	var report sync.Mutex
	var work sync.WaitGroup
	for range min(workers, len(requests)) {
		work.Go(func() {
			for i := range next {
				result, err := s.create(ctx, requests[i], write(requests[i]))
				report.Lock()
				if done != nil {
					done(i, result, err)
				}
				report.Unlock()
			}
		})
	}
	for i := range requests {
		next <- i
	}
	close(next)
	work.Wait()
}
