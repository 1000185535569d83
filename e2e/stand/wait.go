package stand

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-gitops/berth/e2e/process"
)

// Patience is how long the proofs wait for what takes seconds on an idle machine.
const Patience = 4 * time.Minute

// Eventually calls try until it returns nil, and fails with its last error
// after the limit, or at once when a part of the control plane has died.
func (s *Stand) Eventually(ctx context.Context, limit time.Duration, try func(context.Context) error) error {
	return eventually(ctx, limit, s.processes(), try)
}

// eventually calls try until it returns nil. On the deadline it returns the
// last error that try had time to find, and it stops early when one of the
// processes has died.
func eventually(ctx context.Context, limit time.Duration, watch []*process.Process, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		for _, p := range watch {
			if dead := p.Ended(); dead != nil {
				return dead
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}
