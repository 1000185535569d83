package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// fault is what happens to one request.
type fault int

const (
	noFault     fault = iota
	cutBefore         // the connection breaks before the server sees anything
	fail500           // the server fails before it does anything
	stall             // nothing ever comes back
	cutRequest        // the server gets half of the request
	cutAnswer         // the client gets half of the answer
	lostAnswer        // everything happens, and the client never hears of it
	lateArrival       // as cutBefore for the client, but the server acts later
	heldLock          // somebody holds the lock of the branch
	refusal           // a hook says no
	moveFirst         // somebody else pushes in the last moment
	moveAfter         // … or right after it was applied, and the answer is lost
	diskFull          // the server cannot write anything
	faultKinds
)

// faultServer is git http-backend behind a bad network and beside other users.
type faultServer struct {
	t    testing.TB
	dir  string // of the repository
	rate float64

	program string // git's http-backend itself, without the process of git before it

	mu      sync.Mutex
	rnd     *rand.Rand
	foreign int
	counts  [faultKinds]int

	late sync.WaitGroup // pushes that arrive after their client has gone
}

func (s *faultServer) draw(push bool) (fault, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := noFault
	if s.rnd.Float64() < s.rate {
		if f = fault(1 + s.rnd.IntN(int(faultKinds)-1)); !push && f > cutAnswer {
			f = cutBefore + fault(s.rnd.IntN(int(cutAnswer)))
		}
		if f == stall && s.rnd.IntN(4) > 0 {
			f = cutBefore // the time-out is slow
		}
	}
	s.counts[f]++
	return f, time.Duration(s.rnd.IntN(60)) * time.Millisecond
}

func (s *faultServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	push := strings.HasSuffix(r.URL.Path, receivePack)
	f, delay := s.draw(push)
	switch f {
	case cutBefore:
		panic(http.ErrAbortHandler)
	case fail500:
		http.Error(w, "out of luck", http.StatusInternalServerError)
	case stall:
		<-r.Context().Done()
	case cutRequest:
		s.answer(w, s.backend(r, body[:len(body)/2], false), -1)
	case cutAnswer:
		rec := s.backend(r, body, false)
		s.answer(w, rec, rec.Body.Len()/2)
	case lostAnswer:
		s.backend(r, body, false)
		panic(http.ErrAbortHandler)
	case lateArrival:
		s.late.Go(func() {
			time.Sleep(delay) // is the fault itself: an arrival at any later moment
			s.backend(r, body, false)
		})
		panic(http.ErrAbortHandler)
	case heldLock:
		defer s.hold("refs/heads/main.lock")()
		s.answer(w, s.backend(r, body, false), -1)
	case refusal:
		defer s.refuse()()
		s.answer(w, s.backend(r, body, false), -1)
	case moveFirst:
		s.move()
		s.answer(w, s.backend(r, body, false), -1)
	case moveAfter:
		s.backend(r, body, false)
		s.move()
		panic(http.ErrAbortHandler)
	case diskFull:
		s.answer(w, s.backend(r, body, true), -1)
	default:
		s.answer(w, s.backend(r, body, false), -1)
	}
}

// backend lets git handle a request, whatever happens to the client.
func (s *faultServer) backend(r *http.Request, body []byte, full bool) *httptest.ResponseRecorder {
	h, _ := backend(filepath.Dir(s.dir)).(*cgi.Handler)
	h.Path, h.Args = s.program, nil
	if full {
		h.Path, h.Args = "/bin/sh", []string{"-c", `ulimit -f 0; exec "$0"`, s.program}
	}
	r = r.Clone(context.WithoutCancel(r.Context()))
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// answer sends a recorded answer, or its first n bytes and then breaks.
func (s *faultServer) answer(w http.ResponseWriter, rec *httptest.ResponseRecorder, n int) {
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", fmt.Sprint(rec.Body.Len()))
	w.WriteHeader(rec.Code)
	b := rec.Body.Bytes()
	if n < 0 {
		_, _ = w.Write(b)
		return
	}
	_, _ = w.Write(b[:n])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// hold creates a file and returns what removes it. Another request may hold it
// already.
func (s *faultServer) hold(name string) func() {
	name = filepath.Join(s.dir, filepath.FromSlash(name))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return func() {}
	}
	_ = f.Close()
	return func() { _ = os.Remove(name) }
}

// refuse installs a hook that says no and returns what removes it.
func (s *faultServer) refuse() func() {
	hook := filepath.Join(s.dir, "hooks", "pre-receive")
	script := filepath.Join(s.t.TempDir(), "hook")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho 'the rule says no' >&2\nexit 1\n"), 0o755); err != nil {
		s.t.Error(err)
	}
	if os.Link(script, hook) != nil {
		return func() {} // another request holds it already
	}
	return func() { _ = os.Remove(hook) }
}

// move makes a commit of somebody else's.
func (s *faultServer) move() {
	s.mu.Lock()
	s.foreign++
	n := s.foreign
	s.mu.Unlock()
	script := fmt.Sprintf(`set -e
old=$(git rev-parse -q --verify main || true)
blob=$(echo foreign | git hash-object -w --stdin)
export GIT_INDEX_FILE=$(mktemp -u)
[ -z "$old" ] || git read-tree "$old"
git update-index --add --cacheinfo 100644,$blob,foreign/%d
new=$(git commit-tree ${old:+-p} $old -m foreign-%d $(git write-tree))
rm -f "$GIT_INDEX_FILE"
git update-ref refs/heads/main "$new" "${old:-0000000000000000000000000000000000000000}"`, n, n)
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = s.dir
	cmd.Env = append(gitEnv(os.Environ()), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_AUTHOR_NAME=f", "GIT_AUTHOR_EMAIL=f@f", "GIT_COMMITTER_NAME=f", "GIT_COMMITTER_EMAIL=f@f")
	_ = cmd.Run() // it loses races as everybody does
}
