package gitrepo

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// scripted lets a test decide about each push, counted from 1.
func scripted(push func(n int, w http.ResponseWriter, r *http.Request, git http.Handler)) func(http.Handler) http.Handler {
	var n atomic.Int64
	return func(git http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, receivePack) {
				git.ServeHTTP(w, r)
				return
			}
			push(int(n.Add(1)), w, r, git)
		})
	}
}

func abort() { panic(http.ErrAbortHandler) }

// quietly lets git handle a request without the client hearing of it.
func quietly(r *http.Request, git http.Handler) { git.ServeHTTP(httptest.NewRecorder(), r) }

func TestWhatAPushCanMeet(t *testing.T) {
	foreign := map[string]string{"foreign": "x"}
	type env struct {
		t   *testing.T
		dir string
	}
	lock := func(e env) string { return filepath.Join(e.dir, "refs", "heads", "main.lock") }
	for name, tt := range map[string]struct {
		push    func(e env, n int, w http.ResponseWriter, r *http.Request, git http.Handler)
		pushes  int
		plans   int
		want    error // nil: success
		also    error
		commits string // subjects, newest first
	}{
		"nothing": {
			push:   func(_ env, _ int, w http.ResponseWriter, r *http.Request, git http.Handler) { git.ServeHTTP(w, r) },
			pushes: 1, plans: 1, commits: "mine seed",
		},
		"answer lost": {
			push: func(_ env, _ int, _ http.ResponseWriter, r *http.Request, git http.Handler) {
				quietly(r, git)
				abort()
			},
			pushes: 1, plans: 1, commits: "mine seed",
		},
		"answer lost, then others push": {
			push: func(e env, _ int, _ http.ResponseWriter, r *http.Request, git http.Handler) {
				quietly(r, git)
				seed(e.t, e.dir, "main", foreign)
				seed(e.t, e.dir, "main", map[string]string{"foreign": "y"})
				abort()
			},
			pushes: 1, plans: 1, commits: "seed seed mine seed",
		},
		"answer lost, then others merge": {
			push: func(e env, _ int, _ http.ResponseWriter, r *http.Request, git http.Handler) {
				quietly(r, git)
				seed(e.t, e.dir, "side", foreign)
				merge(e.t, e.dir, "main", "side")
				abort()
			},
			pushes: 1, plans: 1, commits: "merge seed mine seed",
		},
		"lost before it arrived, then others merge": {
			push: func(e env, n int, w http.ResponseWriter, r *http.Request, git http.Handler) {
				if n == 1 {
					seed(e.t, e.dir, "side", foreign)
					merge(e.t, e.dir, "main", "side")
					abort()
				}
				git.ServeHTTP(w, r)
			},
			pushes: 2, plans: 2, commits: "mine merge seed seed",
		},
		"answer lost, then history rewritten": {
			push: func(e env, _ int, _ http.ResponseWriter, r *http.Request, git http.Handler) {
				quietly(r, git)
				seed(e.t, e.dir, "other", foreign)
				gitRun(e.t, e.dir, "update-ref", "refs/heads/main", "other")
				abort()
			},
			pushes: 1, plans: 1, want: ErrRewritten, also: ErrUncertain, commits: "seed",
		},
		"others first": {
			push: func(e env, n int, w http.ResponseWriter, r *http.Request, git http.Handler) {
				if n <= 3 {
					seed(e.t, e.dir, "main", map[string]string{"foreign": strings.Repeat("x", n)})
				}
				git.ServeHTTP(w, r)
			},
			pushes: 4, plans: 4, commits: "mine seed seed seed seed",
		},
		"history rewritten first": {
			push: func(e env, n int, w http.ResponseWriter, r *http.Request, git http.Handler) {
				if n == 1 {
					seed(e.t, e.dir, "other", foreign)
					gitRun(e.t, e.dir, "update-ref", "refs/heads/main", "other")
				}
				git.ServeHTTP(w, r)
			},
			pushes: 1, plans: 1, want: ErrRewritten, commits: "seed",
		},
		"branch deleted first": {
			push: func(e env, _ int, w http.ResponseWriter, r *http.Request, git http.Handler) {
				seed(e.t, e.dir, "other", foreign)
				gitRun(e.t, e.dir, "update-ref", "-d", "refs/heads/main")
				git.ServeHTTP(w, r)
			},
			pushes: 1, plans: 1, want: ErrRevisionNotFound, commits: "",
		},
		"cut twice": {
			push: func(_ env, n int, w http.ResponseWriter, r *http.Request, git http.Handler) {
				if n <= 2 {
					abort()
				}
				git.ServeHTTP(w, r)
			},
			pushes: 3, plans: 1, commits: "mine seed",
		},
		"always 500": {
			push: func(_ env, _ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				http.Error(w, "out of memory", http.StatusInternalServerError)
			},
			pushes: maxFailed, plans: 1, want: ErrNetwork, also: ErrUncertain, commits: "seed",
		},
		"lock held for a while": {
			push: func(e env, n int, w http.ResponseWriter, r *http.Request, git http.Handler) {
				if n == 1 {
					writeText(e.t, lock(e), "")
				}
				git.ServeHTTP(w, r)
				if n == 2 {
					_ = os.Remove(lock(e))
				}
			},
			pushes: 3, plans: 1, commits: "mine seed",
		},
		"lock held for ever": {
			push: func(e env, n int, w http.ResponseWriter, r *http.Request, git http.Handler) {
				writeText(e.t, lock(e), "")
				git.ServeHTTP(w, r)
				_ = os.Remove(lock(e))
			},
			pushes: maxFailed, plans: 1, want: ErrBusy, commits: "seed",
		},
		"credential withdrawn": {
			push: func(_ env, _ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				http.Error(w, "token expired", http.StatusUnauthorized)
			},
			pushes: 1, plans: 1, want: ErrAuthentication, commits: "seed",
		},
		"too large for a proxy": {
			push: func(_ env, _ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
				http.Error(w, "no", http.StatusRequestEntityTooLarge)
			},
			pushes: 1, plans: 1, want: ErrTooLarge, commits: "seed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newBare(t)
			seed(t, dir, "main", map[string]string{"berth.yaml": "x"})
			e, pushes := env{t, dir}, 0
			s := serveHTTP(t, dir, scripted(func(n int, w http.ResponseWriter, r *http.Request, git http.Handler) {
				pushes = n
				tt.push(e, n, w, r, git)
			}))
			s.Config.ErrorLog = quietLog()
			r := open(t, s.url(dir), Options{})
			plans := 0
			res, err := r.Update(context.Background(), "main", func(fs.FS) (*Change, error) {
				plans++
				return &Change{Message: "mine", Files: map[string][]byte{"mine": []byte("x")}}, nil
			})
			check(t, "update", err, tt.want)
			if tt.also != nil {
				check(t, "update", err, tt.also)
			} else if errors.Is(err, ErrUncertain) {
				t.Errorf("is certain: %v", err)
			}
			if pushes != tt.pushes || plans != tt.plans {
				t.Errorf("%d pushes and %d plans, want %d and %d", pushes, plans, tt.pushes, tt.plans)
			}
			if tt.commits != "" {
				got := strings.Join(strings.Fields(git(t, dir, "log", "--topo-order", "--format=%s", "main")), " ")
				if got != tt.commits {
					t.Errorf("log %q, want %q", got, tt.commits)
				}
			}
			if err == nil {
				gitRun(t, dir, "merge-base", "--is-ancestor", res.Commit.String(), "main")
				again, err := r.Update(context.Background(), "main", write("mine", map[string]string{"mine": "x"}))
				if err != nil || again.Changed {
					t.Errorf("once more: %+v %v", again, err)
				}
			}
			fsck(t, dir)
		})
	}
}

var errSecondTime = errors.New("planned a second time")

func gitRun(t *testing.T, dir string, args ...string) { _ = git(t, dir, args...) }

// merge makes a merge commit of two branches with the files of both.
func merge(t *testing.T, dir, into, from string) {
	t.Helper()
	a, b := git(t, dir, "rev-parse", into), git(t, dir, "rev-parse", from)
	c := git(t, dir, "commit-tree", "-p", a, "-p", b, "-m", "merge", git(t, dir, "rev-parse", into+"^{tree}"))
	git(t, dir, "update-ref", "refs/heads/"+into, c)
}

func TestPlanErrorsRestOnTheNewestTip(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"owner": "bob"})
	r := open(t, serveHTTP(t, dir, nil).url(dir), Options{})
	plan := func(tip fs.FS) (*Change, error) {
		owner, err := fs.ReadFile(tip, "owner")
		if err != nil || string(owner) != "alice" {
			return nil, errors.New("not alice's: " + string(owner))
		}
		return &Change{Message: "x", Files: map[string][]byte{"f": []byte("x")}}, nil
	}
	if _, err := r.Update(context.Background(), "main", plan); err == nil || !strings.Contains(err.Error(), "bob") {
		t.Fatal(err)
	}
	seed(t, dir, "main", map[string]string{"owner": "alice"})
	if _, err := r.Update(context.Background(), "main", plan); err != nil {
		t.Errorf("a remembered tip decided: %v", err)
	}
	seed(t, dir, "main", map[string]string{"f": "changed"})
	if res, err := r.Update(context.Background(), "main", plan); err != nil || !res.Changed {
		t.Errorf("a remembered tip decided: %+v %v", res, err)
	}
}

// TestStalePlanErrorBehindADeadServer: a plan's no that rests on a remembered
// tip is not believed when the branch cannot be read.
func TestStalePlanErrorBehindADeadServer(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"owner": "bob"})
	down := false
	s := serveHTTP(t, dir, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if down {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	r := open(t, s.url(dir), Options{})
	if _, err := r.Update(context.Background(), "main", write("x", map[string]string{"f": "x"})); err != nil {
		t.Fatal(err)
	}
	down = true
	_, err := r.Update(context.Background(), "main", func(fs.FS) (*Change, error) { return nil, errSecondTime })
	check(t, "update", err, ErrAuthentication)
}

// TestErrorsThatRestOnAFailedPush: a job that is in the way of another in its batch
// is not when the push of both fails.
func TestErrorsThatRestOnAFailedPush(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	s := serveHTTP(t, dir, scripted(func(_ int, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		http.Error(w, "no", http.StatusUnauthorized)
	}))
	create := func(tip fs.FS) (*Change, error) {
		if _, err := fs.Stat(tip, "new"); err == nil {
			return nil, errors.New("it exists")
		}
		return &Change{Message: "x", Files: map[string][]byte{"new": []byte("x")}}, nil
	}
	broken := errors.New("broken by itself")
	ctx := context.Background()
	jobs := []*job{
		{ctx: ctx, plan: func(fs.FS) (*Change, error) { return nil, broken }}, {ctx: ctx, plan: create}, {ctx: ctx, plan: create},
	}
	open(t, s.url(dir), Options{}).run(ctx, "main", jobs)
	check(t, "first", jobs[0].err, broken)
	check(t, "second", jobs[1].err, ErrAuthentication)
	check(t, "third", jobs[2].err, ErrAuthentication)
}

// TestQueueGoesOnAfterARewrite: the batch that met it fails, the next one does not.
func TestQueueGoesOnAfterARewrite(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	s := serveHTTP(t, dir, scripted(func(n int, w http.ResponseWriter, r *http.Request, git http.Handler) {
		if n == 1 {
			seed(t, dir, "other", map[string]string{"g": "x"})
			gitRun(t, dir, "update-ref", "refs/heads/main", "other")
		}
		git.ServeHTTP(w, r)
	}))
	q := NewQueue(context.Background(), open(t, s.url(dir), Options{}), "main", QueueOptions{})
	defer q.Close()
	_, err := q.Update(context.Background(), write("first", map[string]string{"a": "1"}))
	check(t, "first", err, ErrRewritten)
	if _, err := q.Update(context.Background(), write("second", map[string]string{"b": "1"})); err != nil {
		t.Error(err)
	}
	if got := strings.Fields(git(t, dir, "log", "--format=%s", "main")); strings.Join(got, " ") != "second seed" {
		t.Errorf("log %q", got)
	}
}

// TestBranchAppearsWhileItIsLookedFor: the first commit of an empty repository, between
// the question where the branch is and the question which there are.
func TestBranchAppearsWhileItIsLookedFor(t *testing.T) {
	for name, wrap := range map[string]func(http.Handler) http.Handler{
		"v2": func(h http.Handler) http.Handler { return h }, "v0": dropGitProtocol,
	} {
		dir := newBare(t)
		asked := 0
		s := serveHTTP(t, dir, func(h http.Handler) http.Handler {
			h = wrap(h)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r)
				if refs := r.Method == http.MethodPost || name == "v0"; refs {
					if asked++; asked == 1 {
						seed(t, dir, "main", map[string]string{"f": "x"})
					}
				}
			})
		})
		tree, err := open(t, s.url(dir), Options{}).Tip(context.Background(), "main")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := read(t, tree); got["f"] != "x" {
			t.Errorf("%s: holds %q", name, got)
		}
	}
}
