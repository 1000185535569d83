package gitrepo

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Proposal says what became of a [Repo.Propose].
type Proposal struct {
	Commit  Hash // the tip of the proposal's branch; zero when there is none
	Base    Hash // the commit of base that it was planned on
	Changed bool // whether the branch was moved
	Empty   bool // there is nothing to propose; the branch was left as it is
}

// proposalTrailer marks the commits that Propose may replace.
const proposalTrailer = "Berth-Proposal"

// Propose is [Repo.Update] for pull requests: it makes branch one commit on top
// of base. The plan gets what base holds and what branch holds now, so that it
// can keep what is right there; head is nil when there is no branch yet. A
// branch that already proposes the same on the same base stays as it is. Else
// the commit is replaced, on the condition that nobody moved the branch
// meanwhile.
//
// The commit carries a trailer that names the branch. A branch whose last
// commit has none, or that has other commits below it which are not in base, is
// somebody's work, and [ErrForeignBranch].
func (r *Repo) Propose(ctx context.Context, branch, base string, plan func(base, head fs.FS) (*Change, error)) (Proposal, error) {
	if base == branch {
		return Proposal{}, r.wrap(fmt.Errorf("%s cannot be proposed to itself", branch))
	}
	for n := range maxMoved {
		p, again, err := r.propose(ctx, branch, base, plan)
		if err != nil || !again {
			return p, err
		}
		if pause(ctx, r.movedWait(min(n, 6))) != nil {
			return Proposal{}, context.Cause(ctx)
		}
	}
	return Proposal{}, r.wrap(failf(ErrMoved, "%s moved %d times while the change was being made", branch, maxMoved))
}

func (r *Repo) propose(ctx context.Context, branch, base string, plan func(base, head fs.FS) (*Change, error)) (p Proposal, again bool, err error) {
	from, err := r.readTip(ctx, base)
	if err == nil && from.commit.IsZero() {
		err = r.wrap(failf(ErrRevisionNotFound, "there is no branch %q to propose to", base))
	}
	if err != nil {
		return p, false, err
	}
	r.remember(base, from)
	head, parent, err := r.proposed(ctx, branch)
	if err == nil && !head.commit.IsZero() && parent != from.commit {
		err = r.checkBelow(ctx, branch, base, from, head, parent)
	}
	if err != nil {
		return p, false, err
	}
	var headFS fs.FS
	if !head.commit.IsZero() {
		headFS = r.tree(ctx, head)
	}
	t := &transaction{repo: r, branch: branch, proposal: true}
	t.start(from, r.store, true)
	t.old = head.commit
	j := &job{ctx: ctx, plan: func(tip fs.FS) (*Change, error) {
		c, err := plan(tip, headFS)
		if err != nil || c == nil {
			return nil, err
		}
		marked := *c
		marked.Trailers = append(slices.Clone(c.Trailers), Trailer{proposalTrailer, branch})
		return &marked, nil
	}}
	t.add(ctx, j)
	p = Proposal{Commit: head.commit, Base: from.commit}
	switch {
	case j.err != nil:
		return Proposal{}, false, j.err
	case !j.result.Changed:
		p.Empty = true
		return p, false, nil
	case head.root == t.last.root && parent == from.commit:
		return p, false, nil
	}
	if again, err = t.deliver(ctx); err != nil {
		return Proposal{}, false, err
	}
	p.Commit, p.Changed = t.last.commit, true
	return p, again, nil
}

// proposed reads the branch of a proposal and the commit it was made on; both
// are zero when there is no branch.
func (r *Repo) proposed(ctx context.Context, branch string) (tip, Hash, error) {
	id, err := r.readRef(ctx, branch)
	if err != nil || id.IsZero() {
		return tip{}, Hash{}, err
	}
	if _, err := r.rootOf(ctx, id, Hash{}); err != nil {
		return tip{}, Hash{}, err
	}
	data, err := get(ctx, r.store, id, kindCommit)
	if err != nil {
		return tip{}, Hash{}, r.wrap(err)
	}
	c, err := parseCommit(data)
	if err != nil {
		return tip{}, Hash{}, r.wrap(err)
	}
	mark := proposalTrailer + ": " + branch
	if len(c.parents) != 1 || !slices.Contains(strings.Split(c.message, "\n"), mark) {
		return tip{}, Hash{}, r.wrap(failf(ErrForeignBranch, "the last commit of %s has no line %q", branch, mark))
	}
	return tip{id, c.tree}, c.parents[0], nil
}

// checkBelow makes sure that the commit under a proposal is one of base's: what is
// somebody's work would be lost.
func (r *Repo) checkBelow(ctx context.Context, branch, base string, from, head tip, parent Hash) error {
	shared, err := r.MergeBase(ctx, from.commit, head.commit)
	if err != nil || shared == parent || shared == head.commit { // or it was merged
		return err
	}
	return r.wrap(failf(ErrForeignBranch, "%s has commits below its last one that are not in %s", branch, base))
}
