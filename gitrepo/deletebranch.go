package gitrepo

import (
	"context"
	"fmt"
)

// DeleteBranch deletes a branch that is at a commit. When it is elsewhere,
// somebody has pushed to it: it stays, and the error is [ErrForeignBranch]. A
// branch that does not exist is no error.
func (r *Repo) DeleteBranch(ctx context.Context, branch string, at Hash) error {
	q := pushRequest{ref: "refs/heads/" + branch, old: at}
	for n := 0; ; n++ {
		now, err := r.readRef(ctx, branch)
		switch {
		case err != nil:
			return err
		case now.IsZero():
			r.forget(branch)
			return nil
		case now != at:
			return r.wrap(failf(ErrForeignBranch, "%s is at %v, not at %v", branch, now, at))
		}
		err = r.remote.push(ctx, q, r.message)
		if err == nil {
			r.forget(branch)
			return nil
		}
		if final(err) || n+1 == maxFailed {
			return r.wrap(fmt.Errorf("delete %s: %w", branch, err))
		}
		if err := pause(ctx, r.retryWait(n)); err != nil {
			return err
		}
	}
}

func (r *Repo) forget(branch string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tips, branch)
}
