package forgetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/berth-gitops/berth/gitrepo/forge"
)

func tokens(t *testing.T, s Site) {
	s.Commit(t, branch)
	pr := ensure(t, Open(t, s, Berth), wanted(), forge.Opened)
	changed := wanted()
	changed.Title = "another"
	for _, c := range []struct {
		account Account
		want    error
	}{{Reader, forge.ErrAuthorization}, {Nobody, forge.ErrAuthentication}} {
		f := Open(t, s, c.account)
		_, _, err := f.Ensure(t.Context(), changed)
		fails(t, err, c.want)
		_, err = f.Close(t.Context(), pr.Number)
		fails(t, err, c.want)
		_, _, err = f.Comment(t.Context(), pr.Number, mark, "text")
		fails(t, err, c.want)
	}
	if found, err := Open(t, s, Reader).Find(t.Context(), branch, "main"); err != nil || found.Number != pr.Number {
		t.Fatalf("who may read found %+v, %v", found, err)
	}

	r := s.Repository(t)
	r.Path = "acme/nothing"
	f, err := forge.New(forge.Options{Repository: r, Token: s.Token(t, Berth)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Find(t.Context(), branch, "main")
	fails(t, err, forge.ErrNotFound)
	_, _, err = f.Ensure(t.Context(), wanted())
	fails(t, err, forge.ErrNotFound)
	_, err = f.Get(t.Context(), 1)
	fails(t, err, forge.ErrNotFound)
}

// rusher is a stand-in, which can be made to open several at once.
type rusher interface{ Rush(n int) }

func writersRace(t *testing.T, s Site) {
	const writers = 6
	s.Commit(t, branch)
	if r, ok := s.(rusher); ok {
		r.Rush(writers)
	}
	numbers := make([]int64, writers)
	inParallel(t, writers, func(i int) error {
		pr, _, err := Open(t, s, Berth).Ensure(t.Context(), wanted())
		if err != nil {
			return err
		}
		numbers[i] = pr.Number
		return nil
	})
	open := s.OpenPulls(t)[branch]
	if len(open) != 1 || slices.ContainsFunc(numbers, func(n int64) bool { return n != open[0] }) {
		t.Fatalf("the pull requests %d are open, the writers got %d", open, numbers)
	}
	inParallel(t, writers, func(int) error {
		_, _, err := Open(t, s, Berth).Comment(t.Context(), open[0], mark, "the same from all")
		return err
	})
	// Each deletes the younger ones that it sees: one more call sees all.
	if _, _, err := Open(t, s, Berth).Comment(t.Context(), open[0], mark, "the same from all"); err != nil {
		t.Fatal(err)
	}
	equal(t, "comments with the mark", len(withMark(s.Comments(t, open[0]))), 1)
}

// many: pull requests of different branches at the same time do not disturb
// each other, and make each label once.
func many(t *testing.T, s Site, n int) {
	want := func(i int) forge.Want {
		w := wanted()
		w.Head = fmt.Sprintf("berth/shop%02d", i)
		w.Title = w.Head
		return w
	}
	for i := range n {
		s.Commit(t, want(i).Head)
	}
	f := Open(t, s, Berth)
	inParallel(t, n, func(i int) error {
		pr, outcome, err := f.Ensure(t.Context(), want(i))
		if err == nil && (outcome != forge.Opened || pr.Title != want(i).Title) {
			err = fmt.Errorf("%s: %s %+v", want(i).Head, outcome, pr)
		}
		return err
	})
	open := s.OpenPulls(t)
	for i := range n {
		equal(t, "open pull requests of "+want(i).Head, len(open[want(i).Head]), 1)
		ensure(t, f, want(i), forge.Unchanged)
	}
	all := s.Labels(t)
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Fatalf("labels were made twice: %q", all)
	}
}

func inParallel(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			if err := do(i); err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
}
