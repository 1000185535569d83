package project

import (
	"context"
	"sync"

	"github.com/berth-gitops/berth/gitrepo"
)

// inFlight is how many creations CreateAll keeps under way: enough to fill a push.
const inFlight = 128

// CreateAll does for many requests what [Steps.Create] does for one. Each becomes a commit
// of its own; pushes are shared. One that fails is reported alone, and the rest go
// through. done is called once for each request, by one goroutine at a time, in no
// particular order; it may be nil.
func (s *Steps) CreateAll(ctx context.Context, requests []Request, done func(request int, r *Result, err error)) {
	queue := gitrepo.NewQueue(ctx, s.Repo, s.Branch, gitrepo.QueueOptions{})
	defer queue.Close()
	next := make(chan int)
	var report sync.Mutex
	var work sync.WaitGroup
	for range min(inFlight, len(requests)) {
		work.Go(func() {
			for i := range next {
				result, err := s.create(ctx, queue.Update, requests[i])
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
