package gitrepo

import (
	"context"
	"errors"
	"net/http"
	"testing"
)

func TestDeleteBranch(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			ctx := context.Background()
			dir := newBare(t)
			seed(t, dir, "main", map[string]string{"README": "hello"})
			r := road.open(t, dir)
			p, err := r.Propose(ctx, "berth/shop", "main", proposeFile("one"))
			if err != nil {
				t.Fatal(err)
			}
			pushed := seed(t, dir, "berth/shop", map[string]string{"a/file": "mine"})
			check(t, "over somebody's commit", r.DeleteBranch(ctx, "berth/shop", p.Commit), ErrForeignBranch)
			if now := git(t, dir, "rev-parse", "berth/shop"); now != pushed {
				t.Fatalf("the branch is at %s, want it at %s", now, pushed)
			}
			git(t, dir, "update-ref", "refs/heads/berth/shop", p.Commit.String())
			for range 2 { // the second time it is gone already
				if err := r.DeleteBranch(ctx, "berth/shop", p.Commit); err != nil {
					t.Fatal(err)
				}
			}
			if all := git(t, dir, "branch", "--format=%(refname)"); all != "refs/heads/main" {
				t.Errorf("branches: %s", all)
			}
			if p, err = r.Propose(ctx, "berth/shop", "main", proposeFile("two")); err != nil || !p.Changed {
				t.Errorf("proposed again: %+v, %v", p, err)
			}
			git(t, dir, "config", "receive.denyDeletes", "true")
			if err := r.DeleteBranch(ctx, "berth/shop", p.Commit); !errors.As(err, new(*RejectedError)) {
				t.Errorf("where the server forbids it: %v", err)
			}
		})
	}
}

// TestDeleteBranchAtTheWorstMoment: somebody pushes between the look and the deletion.
func TestDeleteBranchAtTheWorstMoment(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"README": "hello"})
	tip := seed(t, dir, "berth/shop", map[string]string{"a/file": "berth's"})
	pushed := ""
	s := serveHTTP(t, dir, scripted(func(n int, w http.ResponseWriter, r *http.Request, git http.Handler) {
		if n == 1 {
			pushed = seed(t, dir, "berth/shop", map[string]string{"a/file": "mine"})
		}
		git.ServeHTTP(w, r)
	}))
	at, err := ParseHash(tip)
	if err != nil {
		t.Fatal(err)
	}
	err = open(t, s.url(dir), Options{}).DeleteBranch(context.Background(), "berth/shop", at)
	check(t, "over a commit of a moment ago", err, ErrForeignBranch)
	if now := git(t, dir, "rev-parse", "berth/shop"); now != pushed || pushed == tip {
		t.Errorf("the branch is at %s, want it at %s", now, pushed)
	}
}

func TestDeletionWhoseAnswerIsLost(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"README": "hello"})
	at, err := ParseHash(seed(t, dir, "berth/shop", map[string]string{"a/file": "berth's"}))
	if err != nil {
		t.Fatal(err)
	}
	s := serveHTTP(t, dir, scripted(func(n int, w http.ResponseWriter, r *http.Request, git http.Handler) {
		if n == 1 {
			quietly(r, git)
			abort()
		}
		git.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = quietLog()
	if err := open(t, s.url(dir), Options{}).DeleteBranch(context.Background(), "berth/shop", at); err != nil {
		t.Error(err)
	}
}
