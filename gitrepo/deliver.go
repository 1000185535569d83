package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

const (
	// maxMoved is how often a plan is made again because others were faster.
	maxMoved = 100
	// maxFailed is how often the same push is tried again.
	maxFailed = 8
)

// deliver pushes and, when that fails, finds out what to do. again means that
// the jobs were planned anew.
func (t *transaction) deliver(ctx context.Context) (again bool, err error) {
	r := t.repo
	q := pushRequest{ref: "refs/heads/" + t.branch, old: t.old, new: t.last.commit, replaces: t.proposal, pack: t.pack.finish()}
	for {
		err := r.remote.push(ctx, q, r.message)
		if err == nil {
			t.settle()
			return false, nil
		}
		r.opts.Log.Debug("push failed", slog.String("branch", t.branch), slog.Any("error", err), slog.Bool("certain", certain(err)))
		t.doubt = t.doubt || !certain(err)
		if final(err) && !t.doubt {
			return false, t.refused(ctx, err)
		}
		if context.Cause(ctx) != nil {
			return false, t.lost(err, nil)
		}
		now, reread := t.read(ctx)
		switch {
		case reread != nil:
			return false, t.lost(err, reread)
		case now.commit == t.last.commit:
			t.settle()
			return false, nil
		case now.commit != t.old && t.proposal:
			return true, nil
		case now.commit != t.old:
			return t.overtaken(ctx, now, err)
		case final(err):
			return false, t.lost(err, nil)
		}
		if t.failed++; t.failed >= maxFailed {
			return false, t.lost(err, nil)
		}
		if pause(ctx, r.retryWait(t.failed-1)) != nil {
			return false, t.lost(err, context.Cause(ctx))
		}
	}
}

// read asks where the branch is.
func (t *transaction) read(ctx context.Context) (tip, error) {
	if !t.proposal {
		return t.repo.readTip(ctx, t.branch)
	}
	id, err := t.repo.readRef(ctx, t.branch)
	return tip{commit: id}, err
}

// refused ends with the server's no. Of several jobs only one may be the
// reason, or they may be too large together: then they are tried apart.
func (t *transaction) refused(ctx context.Context, err error) error {
	var rejected *RejectedError
	if len(t.jobs) > 1 && (errors.As(err, &rejected) || errors.Is(err, ErrTooLarge)) {
		t.split(ctx)
		return nil
	}
	return t.repo.wrap(err)
}

// split finds the job that a rule of the server refuses: the others go through.
func (t *transaction) split(ctx context.Context) {
	half := len(t.jobs) / 2
	t.repo.run(ctx, t.branch, t.jobs[:half])
	t.repo.run(ctx, t.branch, t.jobs[half:])
}

// lost words an end without success.
func (t *transaction) lost(err, reread error) error {
	if reread != nil {
		err = fmt.Errorf("%w; reading the branch again: %w", err, reread)
	}
	if t.doubt {
		return &failure{kind: ErrUncertain, msg: fmt.Sprintf("commit %v may or may not be on %s", t.last.commit, t.branch), err: err}
	}
	return t.repo.wrap(err)
}

// overtaken handles a branch that somebody else has moved. If our push got
// there first, under theirs, it has succeeded.
func (t *transaction) overtaken(ctx context.Context, now tip, cause error) (again bool, err error) {
	if t.doubt || !t.base.commit.IsZero() {
		var ours Hash
		if t.doubt {
			ours = t.last.commit
		}
		d, err := t.repo.descentOf(ctx, now.commit, ours, t.base.commit)
		switch {
		case err != nil:
			return false, t.lost(cause, err)
		case d == includes:
			t.repo.remember(t.branch, now)
			return false, nil
		case d == unrelated && !t.base.commit.IsZero():
			t.repo.remember(t.branch, now)
			return false, t.lost(failf(ErrRewritten, "%v, which %s was at a moment ago, is not in the history of %v, where it is now",
				t.base.commit, t.branch, now.commit), nil)
		}
	}
	if t.moved++; t.moved >= maxMoved {
		return false, t.repo.wrap(failf(ErrMoved, "%s moved %d times while the change was being made", t.branch, t.moved))
	}
	if pause(ctx, t.repo.movedWait(min(t.moved-1, 6))) != nil {
		return false, context.Cause(ctx)
	}
	t.restart(ctx, now)
	return true, nil
}

func (t *transaction) settle() {
	t.pack.settle(t.repo.store, t.last)
	t.repo.remember(t.branch, t.last)
}
