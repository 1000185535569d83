package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// proposeFile plans one file, and keeps what the branch holds of another.
func proposeFile(text string) func(base, head fs.FS) (*Change, error) {
	return func(_, head fs.FS) (*Change, error) {
		c := &Change{Files: map[string][]byte{"a/file": []byte(text)}, Message: "Propose"}
		if head != nil {
			if kept, err := fs.ReadFile(head, "a/seal"); err == nil {
				c.Files["a/seal"] = kept
				return c, nil
			}
		}
		c.Files["a/seal"] = []byte("sealed for " + text)
		return c, nil
	}
}

func TestPropose(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			ctx := context.Background()
			dir := newBare(t)
			first := seed(t, dir, "main", map[string]string{"README": "hello", "b/other": "x"})
			r := road.open(t, dir)
			propose := func(text string) Proposal {
				t.Helper()
				p, err := r.Propose(ctx, "berth/shop", "main", proposeFile(text))
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			p := propose("one")
			if !p.Changed || p.Empty || p.Base.String() != first || git(t, dir, "rev-parse", "berth/shop^") != first {
				t.Errorf("the first proposal: %+v", p)
			}
			if again := propose("one"); again.Changed || again.Commit != p.Commit {
				t.Errorf("the same again: %+v", again)
			}

			two := propose("two") // replaces the commit, and keeps the seal that is there
			if git(t, dir, "rev-list", "--count", "main..berth/shop") != "1" || git(t, dir, "show", "berth/shop:a/seal") != "sealed for one" {
				t.Errorf("the second proposal: %+v", two)
			}

			second := seed(t, dir, "main", map[string]string{"b/other": "y"}) // planned again on it
			three := propose("two")
			if !three.Changed || git(t, dir, "rev-parse", "berth/shop^") != second || git(t, dir, "show", "berth/shop:b/other") != "y" ||
				git(t, dir, "show", "berth/shop:a/seal") != "sealed for one" {
				t.Errorf("after base moved: %+v", three)
			}

			git(t, dir, "update-ref", "refs/heads/main", three.Commit.String()) // merged
			if done := propose("two"); !done.Empty || done.Changed {
				t.Errorf("after the merge: %+v", done)
			}

			propose("four")
			seed(t, dir, "berth/shop", map[string]string{"a/file": "mine"})
			_, err := r.Propose(ctx, "berth/shop", "main", proposeFile("five"))
			check(t, "over a foreign commit", err, ErrForeignBranch)
			git(t, dir, "branch", "berth/other", "main")
			_, err = r.Propose(ctx, "berth/other", "main", proposeFile("five"))
			check(t, "over another proposal's commit", err, ErrForeignBranch)

			if _, err := r.Propose(ctx, "berth/below", "main", proposeFile("six")); err != nil {
				t.Fatal(err)
			}
			git(t, dir, "branch", "theirs", "main")
			theirs := seed(t, dir, "theirs", map[string]string{"a/file": "mine"})
			tree := git(t, dir, "rev-parse", "berth/below^{tree}")
			moved := git(t, dir, "commit-tree", tree, "-p", theirs, "-m", "Propose", "-m", "Berth-Proposal: berth/below")
			git(t, dir, "update-ref", "refs/heads/berth/below", moved)
			_, err = r.Propose(ctx, "berth/below", "main", proposeFile("seven"))
			check(t, "over a foreign commit below", err, ErrForeignBranch)
			seed(t, dir, "main", map[string]string{"b/other": "z"})
			_, err = r.Propose(ctx, "berth/below", "main", proposeFile("seven"))
			check(t, "over a foreign commit below, after base moved", err, ErrForeignBranch)
			fsck(t, dir)

			refused := errors.New("no")
			_, err = r.Propose(ctx, "berth/x", "main", func(fs.FS, fs.FS) (*Change, error) { return nil, refused })
			check(t, "the plan's error", err, refused)
			_, err = r.Propose(ctx, "berth/x", "nowhere", proposeFile("x"))
			check(t, "no such base", err, ErrRevisionNotFound)
			if _, err := r.Propose(ctx, "main", "main", proposeFile("x")); err == nil {
				t.Error("main was proposed to itself")
			}
		})
	}
}

// TestProposeAtOnce lets writers race for one branch: it ends one commit above base.
func TestProposeAtOnce(t *testing.T) {
	ctx := context.Background()
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"README": "hello"})
	var work sync.WaitGroup
	for i := range 4 {
		r := open(t, dir, Options{})
		work.Go(func() {
			if _, err := r.Propose(ctx, "berth/shop", "main", proposeFile(fmt.Sprint(i))); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if n := git(t, dir, "rev-list", "--count", "main..berth/shop"); n != "1" {
		t.Errorf("%s commits above base", n)
	}
	if message := git(t, dir, "log", "-1", "--format=%B", "berth/shop"); !strings.Contains(message, "Berth-Proposal: berth/shop") {
		t.Errorf("message: %s", message)
	}
}

func TestProposalWhoseAnswerIsLost(t *testing.T) {
	dir := newBare(t)
	first := seed(t, dir, "main", map[string]string{"README": "hello"})
	s := serveHTTP(t, dir, scripted(func(n int, w http.ResponseWriter, r *http.Request, git http.Handler) {
		switch n {
		case 1: // lost before it arrives
			abort()
		case 2: // lost after it was applied
			quietly(r, git)
			abort()
		}
		git.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = quietLog()
	p, err := open(t, s.url(dir), Options{}).Propose(context.Background(), "berth/shop", "main", proposeFile("x"))
	if err != nil || !p.Changed || git(t, dir, "rev-parse", "berth/shop") != p.Commit.String() || p.Base.String() != first {
		t.Errorf("%+v %v", p, err)
	}
}
