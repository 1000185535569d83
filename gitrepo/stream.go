package gitrepo

import (
	"errors"
	"io"
	"strings"
	"sync"
	"time"
)

// process is a Git service that runs somewhere and talks over its pipes.
type process struct {
	in     io.WriteCloser
	out    io.Reader
	stderr *tail
	wait   func() error // after out is read; returns when stderr is complete
	kill   func()
}

// streamConn is a conversation with a process. The server speaks first.
type streamConn struct {
	w       *watchdog
	p       process
	pkt     *pktReader
	greeted bool
	once    sync.Once
}

func newStreamConn(w *watchdog, p process) *streamConn {
	return &streamConn{w: w, p: p, pkt: newPktReader(watchedReader{w, p.out})}
}

func (c *streamConn) advert() (*pktReader, error) {
	c.greeted = true
	return c.pkt, nil
}

func (c *streamConn) exchange(request ...[]byte) (*pktReader, error) {
	if !c.greeted {
		return nil, errors.New("internal error: request before the advertisement")
	}
	for _, part := range request {
		for len(part) > 0 {
			n := min(len(part), 64<<10)
			c.w.begin()
			_, err := c.p.in.Write(part[:n])
			c.w.end()
			if err != nil {
				// A server that refuses early closes its end; its answer
				// says why and is read next.
				if c.w.ctx.Err() != nil {
					return nil, networkError(c.w.blame(err))
				}
				return c.pkt, nil
			}
			part = part[n:]
		}
	}
	return c.pkt, nil
}

// explain turns a cut conversation into what the process said on stderr.
func (c *streamConn) explain(err error) error {
	if err == nil {
		return nil
	}
	if c.w.ctx.Err() != nil {
		return c.w.blame(err)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	c.close()
	if text := c.p.stderr.text(); text != "" {
		return classify(text)
	}
	return err
}

// closeGrace is how long a process may take to end by itself.
const closeGrace = 2 * time.Second

func (c *streamConn) close() {
	c.once.Do(func() {
		timer := time.AfterFunc(closeGrace, c.p.kill)
		_ = c.p.in.Close()
		_ = c.p.wait()
		timer.Stop()
		c.w.stop()
	})
}

// tail keeps the end of what a process prints on stderr.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const maxTail = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - maxTail; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.FieldsFunc(printable(string(t.buf)), func(r rune) bool { return r == '\n' })
	return strings.Join(lines, "; ")
}
