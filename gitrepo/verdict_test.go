package gitrepo

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// TestLostAnswerUnderManyCommits: our commit is found under another queue's
// batch although a branch merged since leads past it.
func TestLostAnswerUnderManyCommits(t *testing.T) {
	dir := newBare(t)
	base := seed(t, dir, "main", map[string]string{"berth.yaml": "x"})
	git(t, dir, "branch", "side", base)
	seed(t, dir, "side", map[string]string{"foreign": "x"})
	s := serveHTTP(t, dir, scripted(func(n int, w http.ResponseWriter, r *http.Request, backend http.Handler) {
		if n > 1 {
			backend.ServeHTTP(w, r)
			return
		}
		quietly(r, backend)
		var others strings.Builder
		fmt.Fprintf(&others, "reset refs/heads/main\nfrom refs/heads/main^0\n\n")
		for range 2 * historyDepths[0] {
			fmt.Fprintf(&others, "commit refs/heads/main\ncommitter t <t@example.com> 1700000000 +0000\ndata 5\nother\n")
		}
		gitIn(t, dir, []byte(others.String()), "fast-import", "--quiet")
		merge(t, dir, "main", "side")
		abort()
	}))
	s.Config.ErrorLog = quietLog()
	res, err := open(t, s.url(dir), Options{}).Update(context.Background(), "main", appendLine("mine"))
	if err != nil {
		t.Error(err)
	}
	if got := git(t, dir, "log", "--format=%H", "--grep=^mine$", "main"); got != res.Commit.String() {
		t.Errorf("in the branch: %q, acknowledged %v", got, res.Commit)
	}
	fsck(t, dir)
}

// TestDenialInsteadOfAReport: a connection that ends in a complaint has not
// said what became of the push, whatever the complaint sounds like.
func TestDenialInsteadOfAReport(t *testing.T) {
	for _, words := range []string{"fatal: permission denied", "not a git repository", "out of memory"} {
		dir := newBare(t)
		seed(t, dir, "main", map[string]string{"berth.yaml": "x"})
		s := serveHTTP(t, dir, scripted(func(_ int, w http.ResponseWriter, r *http.Request, git http.Handler) {
			quietly(r, git)
			w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
			_, _ = w.Write(append(appendPkt(nil, "\x03"+words+"\n"), pktFlush...))
		}))
		res, err := open(t, s.url(dir), Options{}).Update(context.Background(), "main", appendLine("mine"))
		if err != nil {
			t.Errorf("%s: %v", words, err)
		}
		verify(t, dir, []outcome{{"mine", res, err}})
	}
}

func TestVerdict(t *testing.T) {
	const ref = "refs/heads/main"
	for report, want := range map[string]error{
		"unpack ok\nok " + ref:                                    nil,
		"unpack index-pack failed\nok " + ref:                     ErrBusy,
		"unpack index-pack failed\nng " + ref + " unpacker error": ErrBusy,
		"unpack ok\nok refs/heads/other":                          ErrNetwork,
		"unpack ok\nng " + ref + " failed to update ref":          ErrBusy,
		"unpack ok": ErrNetwork,
	} {
		rep := pushReport{words: printable}
		for line := range strings.SplitSeq(report, "\n") {
			rep.read(line, ref)
		}
		check(t, report, rep.verdict(pushRequest{ref: ref}), want)
	}
}

// noise is text that does not compress.
func noise(size int, seed string) []byte {
	var b []byte
	for sum := sha1.Sum([]byte(seed)); len(b) < size; sum = sha1.Sum(sum[:]) {
		b = append(b, sum[:]...)
	}
	return b
}

// TestBatchTooLargeForAProxy: updates that are too large together go through
// apart, and only the one that is too large alone fails.
func TestBatchTooLargeForAProxy(t *testing.T) {
	const limit = 50_000
	for name, most := range map[string]int64{"proxy": limit, "git": 1 << 30} {
		t.Run(name, func(t *testing.T) {
			dir := newBare(t)
			seed(t, dir, "main", map[string]string{"f": "x"})
			git(t, dir, "config", "receive.maxInputSize", fmt.Sprint(limit))
			proxy := func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.ContentLength > most {
						http.Error(w, "too large", http.StatusRequestEntityTooLarge)
						return
					}
					h.ServeHTTP(w, r)
				})
			}
			r := open(t, serveHTTP(t, dir, proxy).url(dir), Options{})
			var jobs []*job
			for i := range 5 {
				size := 20_000
				if i == 2 {
					size = 2 * limit
				}
				id := fmt.Sprint("p", i)
				jobs = append(jobs, &job{ctx: context.Background(), plan: func(fs.FS) (*Change, error) {
					return &Change{Message: id, Files: map[string][]byte{id: noise(size, id)}}, nil
				}})
			}
			r.run(context.Background(), "main", jobs)
			for i, j := range jobs {
				want := error(nil)
				if i == 2 {
					want = ErrTooLarge
				}
				check(t, fmt.Sprint(i), j.err, want)
			}
			if got := git(t, dir, "rev-list", "--count", "main"); got != "5" {
				t.Errorf("%s commits", got)
			}
			fsck(t, dir)
		})
	}
}

// TestObjectsThatTheServerRefuses: what git's own check finds wrong with an
// object is wrong the next time too.
func TestObjectsThatTheServerRefuses(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := newBare(t)
			seed(t, dir, "main", map[string]string{"f": "x"})
			git(t, dir, "config", "receive.fsckObjects", "true")
			_, err := road.open(t, dir).Update(context.Background(), "main", write("x", map[string]string{".gitmodules": "[submodule \"a\"]\n\tpath = a\n\turl = -x\n"}))
			var rejected *RejectedError
			if !errors.As(err, &rejected) || !strings.Contains(err.Error(), "gitmodulesUrl") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestProposalWhereNothingMayBeReplaced: a rule is told at once.
func TestProposalWhereNothingMayBeReplaced(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := newBare(t)
			seed(t, dir, "main", map[string]string{"f": "x"})
			git(t, dir, "config", "receive.denyNonFastForwards", "true")
			r := road.open(t, dir)
			if _, err := r.Propose(context.Background(), "berth/shop", "main", proposeFile("one")); err != nil {
				t.Fatal(err)
			}
			_, err := r.Propose(context.Background(), "berth/shop", "main", proposeFile("two"))
			var rejected *RejectedError
			if !errors.As(err, &rejected) || !strings.Contains(err.Error(), "non-fast-forward") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestQueueBeforeADeadServer: all that wait learn of it together, not one after
// the other.
func TestQueueBeforeADeadServer(t *testing.T) {
	const waiting = 8
	asked := make(chan struct{}, 9*waiting)
	release := make(chan struct{})
	s := serveHTTP(t, newBare(t), func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked <- struct{}{}
			<-release
			w.WriteHeader(http.StatusUnauthorized)
		})
	})
	q := NewQueue(context.Background(), open(t, s.URL+"/x.git", Options{}), "main", QueueOptions{})
	var all sync.WaitGroup
	for range waiting {
		all.Go(func() {
			_, err := q.Update(context.Background(), write("x", map[string]string{"f": "x"}))
			check(t, "update", err, ErrAuthentication)
		})
	}
	<-asked
	for len(q.pending) < waiting-1 {
		runtime.Gosched()
	}
	close(release)
	all.Wait()
	q.Close()
	if len(asked) != 0 {
		t.Errorf("asked %d times", 1+len(asked))
	}
}
