package gitrepo

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	schedules    = flag.Uint64("schedules", 24, "number of random fault schedules")
	scheduleSeed = flag.Uint64("schedule-seed", 0, "seed of the first schedule, the others count on from it; 0: any")
)

// quickRepo is a repository that does not wait for disks.
func quickRepo(t testing.TB) string {
	dir := newBare(t)
	config, err := os.OpenFile(filepath.Join(dir, "config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = config.WriteString("[core]\n\tfsync = none\n[receive]\n\tautogc = false\n[gc]\n\tauto = 0\n")
	if err := errors.Join(err, config.Close()); err != nil {
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
	first := *scheduleSeed
	if first == 0 {
		first = rand.Uint64()
	}
	t.Logf("seeds from %d on", first)
	work := make(chan uint64)
	var wg sync.WaitGroup
	for range 2 * runtime.NumCPU() { // they wait a lot
		wg.Go(func() {
			for seed := range work {
				t.Run(fmt.Sprint(seed), func(t *testing.T) { runSchedule(t, seed) })
			}
		})
	}
	for n := range *schedules {
		work <- first + n
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
	program := filepath.Join(git(t, dir, "--exec-path"), "git-http-backend")
	s := &faultServer{t: t, dir: dir, program: program, rate: 0.1 + 0.5*rnd.Float64(), rnd: rand.New(rand.NewPCG(seedValue, 1))}
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = quietLog()
	server.Start()
	defer server.Close()
	url := server.URL + "/" + filepath.Base(dir)

	// Mostly few updates, so that many schedules can be run, and sometimes many.
	writers, updates, queued := 2+rnd.IntN(2), 1, 2
	if rnd.IntN(16) == 0 {
		writers, updates, queued = 1+rnd.IntN(4), 2+rnd.IntN(3), 3
	}
	cache := t.TempDir()
	var mu sync.Mutex
	var told []outcome
	var all sync.WaitGroup
	var queues []*Queue
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
			queues = append(queues, q)
			update, lanes = q.Update, queued
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
	for _, q := range queues {
		q.Close()
	}
	// A push whose client has given up may still be on its way: what it does
	// counts too, so everything has to come to rest before the verdict.
	server.Close()
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
		t.Logf("repeat with: go test ./gitrepo -run TestRandomFaults -schedules=1 -schedule-seed=%d", seedValue)
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
