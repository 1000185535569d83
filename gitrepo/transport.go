package gitrepo

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

// The two services of a Git server (gitprotocol-pack(5)).
const (
	uploadPack  = "git-upload-pack"
	receivePack = "git-receive-pack"
)

// transport reaches a Git server: over HTTP, SSH, or as a local process.
type transport interface {
	// open begins one conversation with a service. ctx ends it.
	open(ctx context.Context, service string) (conn, error)
	// stateless reports whether a request may be sent without having read
	// the server's advertisement in the same conversation.
	stateless() bool
	close() error
}

// conn is one conversation.
type conn interface {
	// advert returns what the server says first.
	advert() (*pktReader, error)
	// exchange sends one request and returns the answer. A conversation that
	// is not stateless must have read its advertisement.
	exchange(request ...[]byte) (*pktReader, error)
	// explain adds to a failure what else the server said about it.
	explain(err error) error
	// close ends the conversation, whatever state it is in.
	close()
}

// watchdog ends a conversation in which nothing moves. It runs only while
// the other side is being waited for.
type watchdog struct {
	ctx    context.Context
	idle   time.Duration
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	timer   *time.Timer
	waiting bool
}

func newWatchdog(ctx context.Context, idle time.Duration) *watchdog {
	w := &watchdog{idle: idle}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.timer = time.AfterFunc(idle, func() { w.cancel(failf(ErrTimeout, "nothing came for %v", idle)) })
	w.timer.Stop()
	return w
}

func (w *watchdog) begin() { w.set(true, true) }
func (w *watchdog) end()   { w.set(true, false) }

// touch says that something moved, if anybody is waiting.
func (w *watchdog) touch() { w.set(false, true) }

func (w *watchdog) set(force, run bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if force {
		w.waiting = run
	}
	if w.waiting {
		w.timer.Reset(w.idle)
	} else {
		w.timer.Stop()
	}
}

func (w *watchdog) stop() {
	w.end()
	w.cancel(context.Canceled)
}

// blame prefers the reason why the conversation was ended over the broken
// pipe that followed from it.
func (w *watchdog) blame(err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(w.ctx); cause != nil {
		return cause
	}
	return err
}

// watchedReader reads under a watchdog.
type watchedReader struct {
	w *watchdog
	r io.Reader
}

func (r watchedReader) Read(b []byte) (int, error) {
	r.w.begin()
	n, err := r.r.Read(b)
	r.w.end()
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.w.blame(err)
	}
	return n, err
}
