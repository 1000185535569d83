package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// frozenConn passes a number of bytes in both directions, then hangs without
// closing.
type frozenConn struct {
	net.Conn
	left   atomic.Int64
	thawed chan struct{}
}

func (c *frozenConn) spend(n int, err error) (int, error) {
	if c.left.Add(-int64(n)) < 0 {
		<-c.thawed
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *frozenConn) Read(b []byte) (int, error)  { return c.spend(c.Conn.Read(b)) }
func (c *frozenConn) Write(b []byte) (int, error) { return c.spend(c.Conn.Write(b)) }

// within fails when f does not return soon.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: does not return", what)
	}
}

// TestSSHServerFreezesAnywhere: a server that goes silent in whatever phase,
// while its connection stays open, is given up, by time or by the caller.
func TestSSHServerFreezesAnywhere(t *testing.T) {
	key := filepath.Join(t.TempDir(), "id")
	signer := newSSHKey(t, key, "")
	dir := quickRepo(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	for budget := 200; budget < 9000; budget += 1100 {
		s := serveSSH(t, signer.PublicKey(), true)
		thawed := make(chan struct{})
		s.mu.Lock()
		s.wrap = func(_ int, c net.Conn) net.Conn {
			f := &frozenConn{Conn: c, thawed: thawed}
			f.left.Store(int64(budget))
			return f
		}
		s.mu.Unlock()
		for name, cause := range map[string]error{"timeout": ErrTimeout, "interrupt": context.Canceled} {
			ctx, cancel := context.WithCancel(context.Background())
			o := Options{SSHKeyFile: key, KnownHostsFile: s.knownHosts(t), IdleTimeout: 100 * time.Millisecond}
			if errors.Is(cause, context.Canceled) {
				o.IdleTimeout = time.Minute
				time.AfterFunc(100*time.Millisecond, cancel)
			}
			r := open(t, s.url(dir), o)
			within(t, name, func() {
				_, err := r.Update(ctx, "main", write("x", map[string]string{"f": string(noise(64<<10, "y"))}))
				check(t, name, err, cause)
			})
			within(t, name+", close", func() { _ = r.Close() })
			cancel()
		}
		close(thawed)
	}
}

// TestSSHAgentHangs: an agent that asks nobody knows whom does not hold berth.
func TestSSHAgentHangs(t *testing.T) {
	dir := newBare(t)
	s := serveSSH(t, newSSHKey(t, "", "").PublicKey(), true)
	l, err := net.Listen("unix", filepath.Join(shortTemp(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // takes connections and says nothing
	r := open(t, s.url(dir), Options{SSHAgentSocket: l.Addr().String(), KnownHostsFile: s.knownHosts(t), IdleTimeout: 100 * time.Millisecond})
	within(t, "tip", func() {
		_, err := r.Tip(context.Background(), "main")
		check(t, "tip", err, ErrTimeout)
	})
}

// TestManyConversationsOverSSH: an sshd allows ten sessions on a connection,
// and one that it refuses must not cost the others theirs.
func TestManyConversationsOverSSH(t *testing.T) {
	dir := quickRepo(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	key := filepath.Join(t.TempDir(), "id")
	s := serveSSH(t, newSSHKey(t, key, "").PublicKey(), true)
	r := open(t, s.url(dir), Options{SSHKeyFile: key, KnownHostsFile: s.knownHosts(t)})
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			if _, err := r.Tip(context.Background(), "main"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count != 1 || s.refused != 0 {
		t.Errorf("%d connections, %d sessions refused", s.count, s.refused)
	}
}

// TestNothingIsLeftRunning: what an update started has ended when it returns, or
// soon after, also when it was interrupted.
func TestNothingIsLeftRunning(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := quickRepo(t)
			seed(t, dir, "main", map[string]string{"f": "x"})
			r := road.open(t, dir)
			before := runtime.NumGoroutine()
			q := NewQueue(context.Background(), r, "main", QueueOptions{})
			for n := range 6 {
				ctx, cancel := context.WithCancel(context.Background())
				if n%2 == 1 {
					time.AfterFunc(time.Duration(n)*4*time.Millisecond, cancel)
				}
				_, err := q.Update(ctx, ownFile(fmt.Sprint(n)))
				_, err2 := r.Update(ctx, "main", ownFile(fmt.Sprint("direct", n)))
				if n%2 == 0 && (err != nil || err2 != nil) {
					t.Error(err, err2)
				}
				cancel()
			}
			q.Close()
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			for begin := time.Now(); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
				if time.Since(begin) > 20*time.Second {
					stacks := make([]byte, 1<<16)
					t.Fatalf("%d goroutines, %d before: %s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
				}
			}
		})
	}
}
