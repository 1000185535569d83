package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	schedules    = flag.Int("schedules", 24, "number of random fault schedules")
	scheduleSeed = flag.Uint64("schedule-seed", 0, "run this one schedule")
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
		defer s.hold("refuse")()
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
	if full {
		h.Path, h.Args = "/bin/sh", []string{"-c", "ulimit -f 0; exec git http-backend"}
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

// quickRepo is a repository that does not wait for disks.
func quickRepo(t testing.TB) string {
	dir := newBare(t)
	for _, kv := range [][2]string{{"core.fsync", "none"}, {"receive.autogc", "false"}, {"gc.auto", "0"}} {
		git(t, dir, "config", kv[0], kv[1])
	}
	hook := "#!/bin/sh\n[ ! -e refuse ] || { echo 'the rule says no' >&2; exit 1; }\n"
	if err := os.WriteFile(filepath.Join(dir, "hooks", "pre-receive"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// outcome is what a writer was told about one update.
type outcome struct {
	id  string
	res Result
	err error
}

// TestRandomFaults: whatever happens between writers and server, every update
// that was acknowledged is in the branch exactly once, none is there twice,
// one that surely failed is not there, the history is linear and the
// repository whole.
func TestRandomFaults(t *testing.T) {
	seeds := []uint64{*scheduleSeed}
	if *scheduleSeed == 0 {
		seeds = nil
		for range *schedules {
			seeds = append(seeds, rand.Uint64())
		}
	}
	work := make(chan uint64)
	var wg sync.WaitGroup
	for range runtime.NumCPU() {
		wg.Go(func() {
			for seed := range work {
				t.Run(fmt.Sprint(seed), func(t *testing.T) { runSchedule(t, seed) })
			}
		})
	}
	for _, seed := range seeds {
		work <- seed
	}
	close(work)
	wg.Wait()
}

func runSchedule(t *testing.T, seedValue uint64) {
	rnd := rand.New(rand.NewPCG(seedValue, 0))
	dir := quickRepo(t)
	if rnd.IntN(3) > 0 {
		seed(t, dir, "main", map[string]string{"berth.yaml": "x", "projects/a/project.yaml": "a"})
	}
	s := &faultServer{t: t, dir: dir, rate: 0.1 + 0.5*rnd.Float64(), rnd: rand.New(rand.NewPCG(seedValue, 1))}
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = quietLog()
	server.Start()
	defer server.Close()
	url := server.URL + "/" + filepath.Base(dir)

	writers, updates := 1+rnd.IntN(4), 2+rnd.IntN(3)
	cache := t.TempDir()
	var mu sync.Mutex
	var told []outcome
	var all sync.WaitGroup
	for w := range writers {
		o := Options{IdleTimeout: 700 * time.Millisecond, Now: time.Now}
		if rnd.IntN(2) == 0 {
			o.CacheDir = cache
		}
		r := open(t, url, o)
		var update func(context.Context, func(fs.FS) (*Change, error)) (Result, error)
		lanes := 1
		if rnd.IntN(2) == 0 {
			q := NewQueue(context.Background(), r, "main", QueueOptions{MaxBatch: 1 + rnd.IntN(5)})
			defer q.Close()
			update, lanes = q.Update, 3
		} else {
			update = func(ctx context.Context, p func(fs.FS) (*Change, error)) (Result, error) {
				return r.Update(ctx, "main", p)
			}
		}
		for lane := range lanes {
			all.Go(func() {
				for n := range updates {
					id := fmt.Sprintf("w%d-%d-%d", w, lane, n)
					res, err := update(context.Background(), appendLine(id))
					mu.Lock()
					told = append(told, outcome{id, res, err})
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	s.late.Wait()
	in, doubt := 0, 0
	for _, o := range told {
		if o.err == nil {
			in++
		}
		if errors.Is(o.err, ErrUncertain) {
			doubt++
		}
	}
	t.Logf("%d updates: %d acknowledged, %d uncertain; faults %v, foreign commits %d", len(told), in, doubt, s.counts, s.foreign)
	if !verify(t, dir, told) {
		t.Logf("repeat with: go test ./gitrepo -run TestRandomFaults -schedule-seed=%d", seedValue)
	}
}

// appendLine adds a line to a file that all share, and a file of its own.
func appendLine(id string) Plan {
	return func(tip fs.FS) (*Change, error) {
		was, err := fs.ReadFile(tip, "log")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return &Change{Message: id, Files: map[string][]byte{"log": append(was, id+"\n"...), "projects/" + id + "/f": []byte(id)}}, nil
	}
}

func verify(t *testing.T, dir string, told []outcome) bool {
	t.Helper()
	ok := true
	fail := func(format string, args ...any) {
		ok = false
		t.Errorf(format, args...)
	}
	if git(t, dir, "for-each-ref") == "" {
		for _, o := range told {
			if o.err == nil {
				fail("%s was acknowledged, and the branch does not even exist", o.id)
			}
		}
		return ok
	}
	times := map[string]int{}
	commits := map[string]bool{}
	for _, line := range strings.Split(git(t, dir, "log", "--format=%H %P %s", "main"), "\n") {
		f := strings.Fields(line)
		if len(f) > 3 {
			fail("a merge: %s", line)
		}
		commits[f[0]] = true
		times[f[len(f)-1]]++
	}
	lines := map[string]int{}
	if git(t, dir, "ls-tree", "main", "log") != "" {
		for _, id := range strings.Fields(git(t, dir, "show", "main:log")) {
			lines[id]++
		}
	}
	for _, o := range told {
		n := times[o.id]
		if lines[o.id] != n {
			fail("%s: %d commits but %d lines", o.id, n, lines[o.id])
		}
		switch {
		case o.err == nil && (n != 1 || !commits[o.res.Commit.String()]):
			fail("%s was acknowledged as %v and is there %d times", o.id, o.res.Commit, n)
		case errors.Is(o.err, ErrUncertain) && n > 1, o.err != nil && !errors.Is(o.err, ErrUncertain) && n > 0:
			fail("%s is there %d times after: %v", o.id, n, o.err)
		}
	}
	fsck(t, dir)
	return ok && !t.Failed()
}
