package project

import (
	"context"
	"errors"
	"io/fs"

	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/gitrepo/forge"
)

// PullRequest is where a change waits for review.
type PullRequest struct {
	Number  int64  `json:"number"`
	URL     string `json:"url"`
	Outcome string `json:"outcome"` // opened, updated, unchanged or closed
}

// written is what became of a change: in the branch, or in a pull request.
type written struct {
	commit  string
	changed bool
	pull    *PullRequest
}

// planFunc plans on tip. proposed is what the branch of a pull request holds already, whose
// seals are kept while they are right, and whose changes to the spec while it is open; it
// is tip itself when there is none.
type planFunc func(tip, proposed fs.FS) (*gitrepo.Change, error)

// updater is [gitrepo.Repo.Update] or a queue's.
type updater func(context.Context, func(fs.FS) (*gitrepo.Change, error)) (gitrepo.Result, error)

// write brings a change to the branch or, with a forge, to the pull request of topic.
func (s *Steps) write(ctx context.Context, topic string, plan planFunc) (written, error) {
	if s.Forge != nil {
		return s.propose(ctx, topic, plan)
	}
	return direct(ctx, func(ctx context.Context, plan func(fs.FS) (*gitrepo.Change, error)) (gitrepo.Result, error) {
		return s.Repo.Update(ctx, s.Branch, plan)
	}, plan)
}

func direct(ctx context.Context, update updater, plan planFunc) (written, error) {
	done, err := update(ctx, func(tip fs.FS) (*gitrepo.Change, error) { return plan(tip, tip) })
	return written{commit: done.Commit.String(), changed: done.Changed}, err
}

// proposalBranch is where what is proposed for a topic stands.
func proposalBranch(topic string) string { return "berth/" + topic }

// propose keeps the branch berth/<topic> one commit above the base and its pull request
// open and current, or closed when base holds all of it.
func (s *Steps) propose(ctx context.Context, topic string, plan planFunc) (written, error) {
	branch := proposalBranch(topic)
	var change *gitrepo.Change
	done, err := s.Repo.Propose(ctx, branch, s.Branch, func(base, head fs.FS) (*gitrepo.Change, error) {
		if head == nil {
			head = base
		}
		var err error
		change, err = plan(base, head)
		return change, err
	})
	if err != nil {
		return written{}, err
	}
	if done.Empty {
		pull, err := s.withdraw(ctx, branch, done.Commit)
		return written{commit: done.Base.String(), pull: pull}, err
	}
	title, body := pullText(change)
	pull, outcome, err := s.Forge.Ensure(ctx, forge.Want{
		Head: branch, Base: s.Branch, Title: title, Body: body, Labels: pullLabels(change), OwnLabels: pullLabel + "/",
	})
	w := written{commit: done.Commit.String(), changed: done.Changed || outcome == forge.Opened}
	if pull != nil {
		if done.Changed && outcome == forge.Unchanged {
			outcome = forge.Updated // by the new commit
		}
		w.pull = &PullRequest{Number: pull.Number, URL: pull.URL, Outcome: string(outcome)}
	}
	return w, err
}

// withdraw closes the pull request of a branch that has nothing left to change, and
// deletes the branch if it still is at tip.
func (s *Steps) withdraw(ctx context.Context, branch string, tip gitrepo.Hash) (*PullRequest, error) {
	if tip.IsZero() {
		return nil, nil
	}
	pull, err := s.Forge.Find(ctx, branch, s.Branch)
	if err != nil || pull == nil || pull.State != forge.Open {
		return nil, err
	}
	closed, err := s.Forge.Close(ctx, pull.Number)
	if err != nil {
		return nil, err
	}
	err = s.Repo.DeleteBranch(ctx, branch, tip)
	if errors.Is(err, gitrepo.ErrForeignBranch) {
		err = nil // somebody has pushed to it: it is not ours to delete
	}
	return &PullRequest{Number: closed.Number, URL: closed.URL, Outcome: "closed"}, err
}
