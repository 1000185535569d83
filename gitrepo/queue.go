package gitrepo

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"
)

// ErrClosed is what a [Queue] answers after Close.
var ErrClosed = errors.New("the queue is closed")

// QueueOptions bounds a [Queue]. Zero values mean the defaults.
type QueueOptions struct {
	// MaxBatch is the most commits in one push; default 128.
	MaxBatch int
	// MaxPending is how many updates may wait; more block in Update. Default 256.
	MaxPending int
}

// Queue brings the updates of many goroutines into one branch: N updates
// become N commits, in the order in which they came, and few pushes. While one
// push is under way the next batch is planned on what that push will leave.
//
// Each update is planned on the tree that the one before it left. One that
// fails is reported alone; when a rule of the server refuses a push, the batch
// is split until only the refused ones fail. Batches follow the load: an update
// that comes alone is pushed at once.
type Queue struct {
	repo   *Repo
	branch string
	max    int
	ctx    context.Context //nolint:containedctx // ends the queue's own goroutine
	stop   context.CancelFunc
	travel time.Duration // of the last push

	pending chan *waiter
	closing chan struct{}
	once    sync.Once
	done    chan struct{}
}

// waiter is a job with somebody who waits for it.
type waiter struct {
	job
	done chan struct{}
}

// batchBytes is the pack size at which a batch is closed.
const batchBytes = 32 << 20

// NewQueue starts a queue for a branch. Close ends it; ctx ends it at once, and
// what was not pushed by then fails.
func NewQueue(ctx context.Context, r *Repo, branch string, o QueueOptions) *Queue {
	if o.MaxBatch <= 0 {
		o.MaxBatch = 128
	}
	if o.MaxPending <= 0 {
		o.MaxPending = 256
	}
	q := &Queue{
		repo: r, branch: branch, max: o.MaxBatch,
		pending: make(chan *waiter, o.MaxPending), closing: make(chan struct{}), done: make(chan struct{}),
	}
	q.ctx, q.stop = context.WithCancel(ctx)
	context.AfterFunc(q.ctx, q.refuse)
	go q.loop()
	return q
}

// Update is [Repo.Update] through the queue: it returns when the change is in
// the branch, or why not. When ctx ends while the change is under way, the
// error is also [ErrUncertain]; plan may then still be called. The plans of
// different updates may be called at the same time.
func (q *Queue) Update(ctx context.Context, plan func(tip fs.FS) (*Change, error)) (Result, error) {
	w := &waiter{job: job{ctx: ctx, plan: plan}, done: make(chan struct{})}
	select {
	case <-q.closing:
		return Result{}, ErrClosed
	default:
	}
	select {
	case q.pending <- w:
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	case <-q.closing:
		return Result{}, ErrClosed
	}
	var lost error
	select {
	case <-w.done:
		return w.result, w.err
	case <-ctx.Done():
		lost = &failure{kind: ErrUncertain, msg: "nobody waited for the result", err: context.Cause(ctx)}
	case <-q.done:
		lost = ErrClosed // it came in when the queue had already ended
	}
	select {
	case <-w.done:
		return w.result, w.err
	default:
		return Result{}, lost
	}
}

// Close waits until everything that was submitted is done. Updates that come
// later are refused.
func (q *Queue) Close() {
	q.refuse()
	<-q.done
	q.stop()
}

func (q *Queue) refuse() { q.once.Do(func() { close(q.closing) }) }

// batch is a transaction and those who wait for it.
type batch struct {
	*transaction
	waiters []*waiter
	began   time.Time
}

func (q *Queue) newBatch() *batch {
	return &batch{transaction: &transaction{repo: q.repo, branch: q.branch}}
}

func (b *batch) add(ctx context.Context, w *waiter) {
	if len(b.waiters) == 0 {
		b.began = time.Now()
	}
	b.waiters = append(b.waiters, w)
	b.transaction.add(ctx, &w.job)
}

func (q *Queue) full(b *batch) bool {
	return len(b.waiters) >= q.max || b.pack.size() >= batchBytes
}

// minGather is how long a batch may be planned at least before it leaves.
const minGather = 50 * time.Millisecond

// due reports whether a batch should leave although more are waiting: when
// plans are slow, the rest is planned while this one travels.
func (q *Queue) due(b *batch) bool {
	return q.full(b) || time.Since(b.began) > max(q.travel/2, minGather)
}

func (q *Queue) loop() {
	defer close(q.done)
	next := q.newBatch()
	for {
		// What was planned while the last push travelled leaves at once.
		if len(next.waiters) == 0 && !q.gather(next) {
			return
		}
		next = q.deliver(next)
	}
}

// gather plans what is waiting; false means that the queue is closed and empty.
func (q *Queue) gather(b *batch) bool {
	if !q.first(b) {
		return false
	}
	for !q.due(b) {
		select {
		case w := <-q.pending:
			b.add(q.ctx, w)
			continue
		default:
		}
		break
	}
	return true
}

// first waits for a job and begins a batch with it; false means that the queue
// is closed and empty.
func (q *Queue) first(b *batch) bool {
	for {
		var w *waiter
		select {
		case w = <-q.pending:
		case <-q.closing:
			select {
			case w = <-q.pending:
			default:
				return false
			}
		}
		err := b.begin(q.ctx)
		if err == nil {
			b.add(q.ctx, w)
			return true
		}
		q.turnAway(w, err)
	}
}

// turnAway fails a job, and all that wait behind it for the same server.
func (q *Queue) turnAway(w *waiter, err error) {
	for {
		w.err = err
		close(w.done)
		select {
		case w = <-q.pending:
		default:
			return
		}
	}
}

// deliver pushes a batch. Meanwhile it plans the next one as if that had
// succeeded, and returns it.
func (q *Queue) deliver(b *batch) *batch {
	next := q.newBatch()
	expected, pack := b.last, b.pack
	next.start(expected, pack, false)
	delivered := make(chan struct{})
	left := time.Now()
	go func() {
		b.finish(q.ctx)
		b.report()
		close(delivered)
	}()
	for {
		pending := q.pending
		if q.full(next) {
			pending = nil
		}
		select {
		case w := <-pending:
			next.add(q.ctx, w)
			continue
		case <-delivered:
		}
		q.travel = time.Since(left)
		return q.settle(next, expected)
	}
}

// report tells the waiters the outcome.
func (b *batch) report() {
	for _, w := range b.waiters {
		close(w.done)
	}
}

// settle checks what the next batch was planned on, and plans it again when
// the push before it ended otherwise.
func (q *Queue) settle(next *batch, expected tip) *batch {
	if now, ok := q.repo.known(q.branch); ok && now == expected && len(next.waiters) > 0 {
		next.under, next.fresh = q.repo.store, true
		next.pack.rebase(q.repo.store)
		return next
	}
	again := q.newBatch()
	if len(next.waiters) == 0 {
		return again
	}
	if err := again.begin(q.ctx); err != nil {
		for _, w := range next.waiters {
			w.err = err // and not the plan's: that rested on a tip that never was
		}
		next.report()
		return again
	}
	for _, w := range next.waiters {
		again.add(q.ctx, w)
	}
	return again
}
