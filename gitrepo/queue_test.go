package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestQueueMakesManyCommitsWithFewPushes(t *testing.T) {
	for _, start := range []string{"empty", "seeded"} {
		t.Run(start, func(t *testing.T) {
			dir := newBare(t)
			commits := 0
			if start == "seeded" {
				dir, commits = fleet(t, 50), 1
			}
			var c counter
			r := open(t, serveHTTP(t, dir, c.wrap).url(dir), Options{})
			q := NewQueue(context.Background(), r, "main", QueueOptions{MaxBatch: 20, MaxPending: 4})
			const n = 100
			var wg sync.WaitGroup
			results := make([]Result, n)
			for i := range n {
				wg.Go(func() {
					// Each adds a line to one shared file, so a lost or
					// doubled update shows.
					res, err := q.Update(context.Background(), func(tip fs.FS) (*Change, error) {
						was, err := fs.ReadFile(tip, "log")
						if err != nil && !errors.Is(err, fs.ErrNotExist) {
							return nil, err
						}
						id := fmt.Sprintf("p%03d", i)
						files := map[string][]byte{"log": append(was, id+"\n"...), "projects/" + id + "/project.yaml": []byte(id)}
						return &Change{Message: id, Files: files}, nil
					})
					if err != nil {
						t.Error(err)
					}
					results[i] = res
				})
			}
			wg.Wait()
			q.Close()
			if _, err := q.Update(context.Background(), write("late", map[string]string{"x": "y"})); !errors.Is(err, ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
			if got := git(t, dir, "rev-list", "--count", "--first-parent", "main"); got != fmt.Sprint(n+commits) {
				t.Errorf("%s commits", got)
			}
			lines := strings.Fields(git(t, dir, "show", "main:log"))
			if len(lines) != n {
				t.Errorf("%d lines", len(lines))
			}
			for i, res := range results {
				id := fmt.Sprintf("p%03d", i)
				if got := git(t, dir, "show", "-s", "--format=%s %P", res.Commit.String()); !res.Changed || got != strings.TrimSpace(id+" "+parent(res)) {
					t.Errorf("%s: %q, %+v", id, got, res)
				}
			}
			if pushes := c.push.Load(); pushes < n/20 || pushes > n/2 {
				t.Errorf("%d pushes", pushes)
			}
			fsck(t, dir)
		})
	}
}

func parent(res Result) string {
	if res.Base.IsZero() {
		return ""
	}
	return res.Base.String()
}

func TestQueueReportsFailuresAlone(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	hook := "#!/bin/sh\nread old new ref\nif git log --format=%s $old..$new | grep -q BAD; then echo 'no BAD here' >&2; exit 1; fi\n"
	if err := os.WriteFile(filepath.Join(dir, "hooks", "pre-receive"), []byte(hook), 0o755); err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	var once sync.Once
	s := serveHTTP(t, dir, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, receivePack) {
				once.Do(func() { <-hold }) // until all others wait
			}
			h.ServeHTTP(w, r)
		})
	})
	r := open(t, s.url(dir), Options{})
	q := NewQueue(context.Background(), r, "main", QueueOptions{})
	errPlan := errors.New("my own reason")
	type queued struct {
		plan  func(name string) (*Change, error)
		right func(Result, error) bool
	}
	one := func(path, more string) func(string) (*Change, error) {
		return func(name string) (*Change, error) {
			return &Change{Message: name + more, Files: map[string][]byte{path + name: []byte("x")}}, nil
		}
	}
	good := queued{one("", ""), func(res Result, err error) bool { return err == nil && res.Changed }}
	cases := [10]queued{
		good, good, good,
		{func(string) (*Change, error) { return nil, errPlan }, func(_ Result, err error) bool { return errors.Is(err, errPlan) }},
		good,
		{one("", " BAD"), func(_ Result, err error) bool {
			var rejected *RejectedError
			return errors.As(err, &rejected) && strings.Contains(err.Error(), "no BAD here")
		}},
		good,
		{func(string) (*Change, error) { return nil, nil }, func(res Result, err error) bool { return err == nil && !res.Changed }},
		{one(".git/", ""), func(_ Result, err error) bool { return errors.Is(err, ErrUnsafePath) }},
		good,
	}
	var wg sync.WaitGroup
	var submitted sync.WaitGroup
	for i := range 30 {
		submitted.Add(1)
		wg.Go(func() {
			name := fmt.Sprintf("p%02d", i)
			var announce sync.Once
			res, err := q.Update(context.Background(), func(fs.FS) (*Change, error) {
				announce.Do(submitted.Done)
				return cases[i%10].plan(name)
			})
			if !cases[i%10].right(res, err) {
				t.Errorf("%s: %+v %v", name, res, err)
			}
		})
	}
	submitted.Wait()
	close(hold)
	wg.Wait()
	q.Close()
	if got := git(t, dir, "rev-list", "--count", "main"); got != "19" {
		t.Errorf("%s commits", got)
	}
	fsck(t, dir)
}

func TestQueueHoldsBack(t *testing.T) {
	dir := newBare(t)
	r := open(t, dir, Options{})
	q := NewQueue(context.Background(), r, "main", QueueOptions{MaxBatch: 1, MaxPending: 1})
	running, release := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := q.Update(context.Background(), func(fs.FS) (*Change, error) {
			close(running)
			<-release
			return nil, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-running
	full, cancel := context.WithCancel(context.Background())
	q.pending <- &waiter{job: job{ctx: full, plan: write("x", nil)}, done: make(chan struct{})} // the only place
	cancel()
	if _, err := q.Update(full, write("x", map[string]string{"a": "b"})); !errors.Is(err, context.Canceled) {
		t.Errorf("a full queue: %v", err)
	}
	close(release)
	wg.Wait()
	q.Close()
}

func TestQueueEndsWithItsContext(t *testing.T) {
	dir := newBare(t)
	r := open(t, dir, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	q := NewQueue(ctx, r, "main", QueueOptions{})
	_, err := q.Update(context.Background(), func(fs.FS) (*Change, error) {
		cancel()
		return &Change{Message: "x", Files: map[string][]byte{"f": []byte("x")}}, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-q.done
	if _, err := q.Update(context.Background(), write("x", map[string]string{"f": "x"})); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
