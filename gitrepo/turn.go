package gitrepo

import "context"

// turn lets one or a few at a time go on, and others wait no longer than they
// want to.
type turn chan struct{}

func newTurn(atOnce int) turn { return make(turn, atOnce) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t turn) give() { <-t }
