package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// job is one update, alone or in a batch.
type job struct {
	ctx    context.Context //nolint:containedctx // of the one who waits for it
	plan   Plan
	result Result
	err    error
}

// unsettled reports whether the job's outcome rests on the tip alone: it must
// not be believed while the tip is only remembered.
func (j *job) unsettled() bool { return j.err != nil || !j.result.Changed }

// tip is where a branch is.
type tip struct {
	commit, root Hash
}

// run brings all jobs into the branch with one push, each on the tree that the
// one before left. Every job gets its result or error.
func (r *Repo) run(ctx context.Context, branch string, jobs []*job) {
	t := &transaction{repo: r, branch: branch}
	err := t.begin(ctx)
	if err != nil {
		t.jobs = jobs
		t.fail(err)
		return
	}
	for _, j := range jobs {
		t.add(ctx, j)
	}
	t.finish(ctx)
}

// transaction is a batch of jobs on its way into a branch.
type transaction struct {
	repo   *Repo
	branch string
	jobs   []*job

	base  tip
	old   Hash   // where the branch must be: at base, unless it is a proposal
	under source // finds the objects of base
	fresh bool   // base was read from the server in this transaction
	last  tip    // after all jobs
	pack  *packWriter

	proposal      bool // of a [Repo.Propose]
	moved, failed int
	doubt         bool // a push of last may still arrive
}

const (
	// maxMoved is how often a plan is made again because others were faster.
	maxMoved = 100
	// maxFailed is how often the same push is tried again.
	maxFailed = 8
)

// begin starts from the tip that was heard of just now, or reads it.
func (t *transaction) begin(ctx context.Context) error {
	known, ok := t.repo.recent(t.branch)
	if !ok {
		var err error
		if known, err = t.repo.readTip(ctx, t.branch); err != nil {
			return err
		}
	}
	t.start(known, t.repo.store, !ok)
	return nil
}

// start forgets what was planned and begins again from a tip.
func (t *transaction) start(base tip, under source, fresh bool) {
	t.base, t.old, t.last, t.under, t.fresh = base, base.commit, base, under, fresh
	t.pack = newPackWriter(under)
	t.doubt, t.failed = false, 0
}

// add plans one more job.
func (t *transaction) add(ctx context.Context, j *job) {
	t.jobs = append(t.jobs, j)
	t.plan(ctx, j)
}

func (t *transaction) plan(ctx context.Context, j *job) {
	j.result, j.err = Result{}, context.Cause(ctx)
	if j.err == nil {
		j.err = context.Cause(j.ctx)
	}
	if j.err == nil {
		j.result, j.err = t.one(ctx, j)
	}
}

// replan begins anew with all jobs.
func (t *transaction) replan(ctx context.Context) error {
	if err := t.begin(ctx); err != nil {
		for _, j := range t.jobs {
			j.err = nil // it rested on a tip that never was
		}
		return err
	}
	for _, j := range t.jobs {
		t.plan(ctx, j)
	}
	return nil
}

// restart plans all jobs on another tip.
func (t *transaction) restart(ctx context.Context, base tip) {
	t.start(base, t.repo.store, true)
	for _, j := range t.jobs {
		t.plan(ctx, j)
	}
}

// finish delivers what was planned. Afterwards every job has its outcome.
func (t *transaction) finish(ctx context.Context) {
	for again := true; again; {
		var err error
		if again, err = t.attempt(ctx); err != nil {
			t.fail(err)
			return
		}
	}
}

// fail gives an error to all jobs that have none of their own.
func (t *transaction) fail(err error) {
	for _, j := range t.jobs {
		if j.err == nil {
			j.result, j.err = Result{}, err
		}
	}
}

func (t *transaction) attempt(ctx context.Context) (again bool, err error) {
	if !t.fresh && slices.ContainsFunc(t.jobs, (*job).unsettled) {
		now, err := t.repo.readTip(ctx, t.branch)
		if err != nil {
			return false, err
		}
		if t.fresh = true; now.commit != t.base.commit {
			t.restart(ctx, now)
		}
	}
	if t.last == t.base {
		return false, nil
	}
	return t.deliver(ctx)
}

// one plans a job on t.last and moves t.last to its commit.
func (t *transaction) one(ctx context.Context, j *job) (Result, error) {
	r := t.repo
	tree := r.tree(ctx, t.last)
	if tree.src = t.under; t.last != t.base {
		tree.src = t.pack
	}
	res := Result{Commit: t.last.commit, Base: t.last.commit}
	change, err := j.plan(tree)
	if err != nil {
		return Result{}, err
	}
	if change == nil || len(change.Files) == 0 {
		return res, nil
	}
	root, objects, err := makeTree(ctx, t.pack, t.last.root, change.Files)
	if err != nil {
		return Result{}, err
	}
	if root == t.last.root {
		return res, nil
	}
	c := newCommit{
		tree: root, parent: t.last.commit, author: r.opts.Author, committer: r.opts.Committer,
		at: r.opts.Now(), message: change.Message, trailers: change.Trailers,
	}
	o, err := c.encode(r.sign)
	if err != nil {
		return Result{}, err
	}
	objects = append(objects, staged{object: o, id: o.hash()})
	for _, s := range objects {
		if err := t.pack.add(s); err != nil {
			return Result{}, err
		}
	}
	t.last = tip{o.hash(), root}
	res.Commit, res.Changed = t.last.commit, true
	return res, nil
}

// emptyTree is the id of a tree without entries, which every Git knows.
var emptyTree = object{kind: kindTree}.hash()

// makeTree applies the files of a change to a tree.
func makeTree(ctx context.Context, src source, root Hash, files map[string][]byte) (Hash, []staged, error) {
	e, err := newEdit(files)
	if err != nil {
		return Hash{}, nil, err
	}
	if err := e.load(ctx, src, root); err != nil {
		return Hash{}, nil, err
	}
	s := newStage(src)
	now, err := e.apply(ctx, s, root, "")
	if err != nil {
		return Hash{}, nil, err
	}
	if now.IsZero() && !root.IsZero() {
		now = emptyTree
		if root != emptyTree {
			s.put(object{kind: kindTree}, Hash{})
		}
	}
	return now, s.objects, nil
}

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
	if t.doubt {
		in, err := t.repo.contains(ctx, now.commit, t.last.commit, t.base.commit)
		if err != nil {
			return false, t.lost(cause, err)
		}
		if in {
			t.repo.remember(t.branch, now)
			return false, nil
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
