package gitrepo

import (
	"context"
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

// fail gives an error to all jobs that have none of their own. What a job found
// wrong after another had changed something was perhaps that, which is not so now.
func (t *transaction) fail(err error) {
	changed := false
	for _, j := range t.jobs {
		if j.err == nil || changed {
			changed = changed || j.result.Changed
			j.result, j.err = Result{}, err
		}
	}
}

func (t *transaction) attempt(ctx context.Context) (again bool, err error) {
	if !t.fresh && slices.ContainsFunc(t.jobs, (*job).unsettled) {
		now, err := t.repo.readTip(ctx, t.branch)
		if err != nil {
			for _, j := range t.jobs {
				j.err = nil // the plan's rested on a tip that is only remembered
			}
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
