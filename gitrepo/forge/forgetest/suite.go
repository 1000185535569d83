package forgetest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-gitops/berth/gitrepo/forge"
)

// Run holds package forge, on a kind of forge, to what it promises. Each case
// gets a site of its own from newSite; one works on so many branches at once.
func Run(t *testing.T, branches int, newSite func(testing.TB) Site) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Site)
	}{
		{"open and re-run", openAndRerun},
		{"update", update},
		{"labels", labels},
		{"closed by hand", closedByHand},
		{"merged by a person", mergedByAPerson},
		{"close", closeIt},
		{"deleted branch", deletedBranch},
		{"delete branch", deleteBranch},
		{"no diff", noDiff},
		{"fork", fork},
		{"comment", comment},
		{"comment of others", commentOfOthers},
		{"long texts", longTexts},
		{"tokens", tokens},
		{"writers race", writersRace},
		{"many", func(t *testing.T, s Site) { many(t, s, branches) }},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newSite(t)) })
	}
}

// Open returns package forge's view of a site, as an account.
func Open(t testing.TB, s Site, a Account) *forge.Forge {
	t.Helper()
	f, err := forge.New(forge.Options{
		Repository: s.Repository(t), Token: s.Token(t, a),
		Client: &http.Client{Timeout: 5 * time.Minute}, // a busy machine, not a broken forge
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const branch = "berth/shop"

func wanted() forge.Want {
	return forge.Want{
		Head: branch, Base: "main", Title: "shop: new image", Body: "Image `v1` → `v2`.\n\n- production\n",
		Labels: []string{"berth", "berth/image"}, OwnLabels: "berth/",
	}
}

// ensure fails the test unless Ensure has this outcome.
func ensure(t *testing.T, f *forge.Forge, w forge.Want, want forge.Outcome) *forge.PullRequest {
	t.Helper()
	pr, outcome, err := f.Ensure(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	if outcome != want {
		t.Fatalf("the pull request was %s, want %s", outcome, want)
	}
	check(t, pr, w)
	shown, err := f.Get(t.Context(), pr.Number)
	if err != nil {
		t.Fatal(err)
	}
	check(t, shown, w)
	return pr
}

func check(t *testing.T, pr *forge.PullRequest, w forge.Want) {
	t.Helper()
	if pr.State != forge.Open || pr.Head != w.Head || pr.Base != w.Base || pr.Title != w.Title ||
		strings.TrimSpace(pr.Body) != strings.TrimSpace(w.Body) || pr.Number < 1 || !strings.HasPrefix(pr.URL, "http") ||
		pr.Author != string(Berth) && pr.Author != "berth[bot]" {
		t.Fatalf("the pull request is %+v, want it as %+v", pr, w)
	}
	for _, l := range w.Labels {
		if !slices.Contains(pr.Labels, l) {
			t.Fatalf("the pull request has the labels %q, want %q", pr.Labels, w.Labels)
		}
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: %v, want %v", what, got, want)
	}
}

func fails(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("the error is %v, want one that is %q", err, want)
	}
}

func openAndRerun(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	if pr, err := f.Find(t.Context(), branch, "main"); pr != nil || err != nil {
		t.Fatalf("found %+v, %v before there was one", pr, err)
	}
	tip := s.Commit(t, branch)
	first := ensure(t, f, wanted(), forge.Opened)
	equal(t, "commit of the head", first.HeadCommit, tip)
	again := ensure(t, Open(t, s, Berth), wanted(), forge.Unchanged)
	equal(t, "number after a second run", again.Number, first.Number)
	found, err := f.Find(t.Context(), branch, "main")
	if err != nil {
		t.Fatal(err)
	}
	check(t, found, wanted())
	equal(t, "open pull requests", len(s.OpenPulls(t)[branch]), 1)

	s.Commit(t, "stable")
	if other, err := f.Find(t.Context(), branch, "stable"); other != nil || err != nil {
		t.Fatalf("found %+v, %v into another base", other, err)
	}
}

func update(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	s.Commit(t, branch)
	first := ensure(t, f, wanted(), forge.Opened)
	w := wanted()
	w.Title = "shop: new image & \"two\" <environments> äöü 🚢"
	pr := ensure(t, f, w, forge.Updated)
	equal(t, "number after a new title", pr.Number, first.Number)
	w.Body = "line\r\n```diff\n-a\n+b\n```\n<details>\n"
	ensure(t, f, w, forge.Updated)
	ensure(t, f, w, forge.Unchanged)
	s.Commit(t, branch)
	ensure(t, f, w, forge.Unchanged)
	w.Body = ""
	ensure(t, f, w, forge.Updated)
}

func labels(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	s.Commit(t, branch)
	w := wanted()
	w.Labels = append(w.Labels, "kept")
	ensure(t, f, w, forge.Opened)
	w.Labels = []string{"berth", "berth/secret"} // "kept" is as if a person had set it
	pr := ensure(t, f, w, forge.Updated)
	slices.Sort(pr.Labels)
	if want := []string{"berth", "berth/secret", "kept"}; !slices.Equal(pr.Labels, want) {
		t.Fatalf("labels are %q, want %q", pr.Labels, want)
	}
	shown, err := f.Get(t.Context(), pr.Number)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(shown.Labels)
	if !slices.Equal(shown.Labels, pr.Labels) {
		t.Fatalf("the forge shows the labels %q, Ensure said %q", shown.Labels, pr.Labels)
	}
	ensure(t, f, w, forge.Unchanged)

	w = wanted()
	w.Labels = []string{"not,one"}
	_, _, err = f.Ensure(t.Context(), w)
	fails(t, err, forge.ErrInvalid)
}

func closedByHand(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	s.Commit(t, branch)
	first := ensure(t, f, wanted(), forge.Opened)
	s.CloseByHand(t, first.Number)
	found, err := f.Find(t.Context(), branch, "main")
	if err != nil || found == nil {
		t.Fatalf("found %+v, %v after it was closed", found, err)
	}
	equal(t, "state", found.State, forge.Closed)
	second := ensure(t, f, wanted(), forge.Opened)
	if second.Number <= first.Number {
		t.Fatalf("pull request %d follows %d", second.Number, first.Number)
	}
	found, err = f.Find(t.Context(), branch, "main")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "number that is found beside a closed one", found.Number, second.Number)
	ensure(t, f, wanted(), forge.Unchanged)
}

func mergedByAPerson(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	s.Commit(t, branch)
	first := ensure(t, f, wanted(), forge.Opened)
	s.Merge(t, first.Number)
	found, err := f.Find(t.Context(), branch, "main")
	if err != nil || found == nil {
		t.Fatalf("found %+v, %v after it was merged", found, err)
	}
	equal(t, "state", found.State, forge.Merged)
	closed, err := f.Close(t.Context(), first.Number)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "state after Close", closed.State, forge.Merged)
	_, _, err = f.Ensure(t.Context(), wanted())
	fails(t, err, forge.ErrNoDiff)

	s.Commit(t, branch)
	second := ensure(t, f, wanted(), forge.Opened)
	equal(t, "the merged one was left alone", second.Number > first.Number, true)
}

func closeIt(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	s.Commit(t, branch)
	first := ensure(t, f, wanted(), forge.Opened)
	for range 2 {
		closed, err := f.Close(t.Context(), first.Number)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "state", closed.State, forge.Closed)
	}
	equal(t, "open pull requests", len(s.OpenPulls(t)[branch]), 0)
	_, err := f.Close(t.Context(), first.Number+100)
	fails(t, err, forge.ErrNotFound)
}

func deletedBranch(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	_, _, err := f.Ensure(t.Context(), wanted())
	fails(t, err, forge.ErrNotFound)

	s.Commit(t, branch)
	first := ensure(t, f, wanted(), forge.Opened)
	s.DeleteBranch(t, branch)
	allClosed(t, s)
	found, err := f.Find(t.Context(), branch, "main")
	if err != nil || found == nil {
		t.Fatalf("found %+v, %v after the branch was deleted", found, err)
	}
	equal(t, "state", found.State, forge.Closed)
	equal(t, "head", found.Head, branch)
	_, _, err = f.Ensure(t.Context(), wanted())
	fails(t, err, forge.ErrNotFound)
	s.Commit(t, branch)
	second := ensure(t, f, wanted(), forge.Opened)
	equal(t, "a new pull request", second.Number > first.Number, true)

	w := wanted()
	w.Base = "no/such"
	_, _, err = f.Ensure(t.Context(), w)
	fails(t, err, forge.ErrNotFound)
}

func deleteBranch(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	old := s.Commit(t, branch)
	tip := s.Commit(t, branch)
	fails(t, f.DeleteBranch(t.Context(), branch, old), forge.ErrConflict)
	ensure(t, f, wanted(), forge.Opened)
	for range 2 { // the second time it is gone already
		if err := f.DeleteBranch(t.Context(), branch, tip); err != nil {
			t.Fatal(err)
		}
	}
	allClosed(t, s)
	fails(t, f.DeleteBranch(t.Context(), "../main", tip), forge.ErrInvalid)
}

// allClosed waits for the forge to close the pull requests of a branch that is
// gone: Gitea does it in a queue.
func allClosed(t *testing.T, s Site) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for open := s.OpenPulls(t)[branch]; len(open) > 0; open = s.OpenPulls(t)[branch] {
		if time.Now().After(deadline) {
			t.Fatalf("the pull requests %d are open though their branch is gone", open)
		}
	}
}

func noDiff(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	s.Commit(t, branch)
	ensure(t, f, wanted(), forge.Opened)
	s.Merge(t, s.OpenPulls(t)[branch][0])
	_, _, err := f.Ensure(t.Context(), wanted())
	fails(t, err, forge.ErrNoDiff)
	equal(t, "open pull requests", len(s.OpenPulls(t)[branch]), 0)
	w := wanted()
	w.Head = "main"
	_, _, err = f.Ensure(t.Context(), w)
	fails(t, err, forge.ErrInvalid)
}

// fork: whoever opens a pull request from a branch of the same name in a fork
// must not get it taken for berth's.
func fork(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	foreign := s.OpenFromFork(t, branch, "main")
	if found, err := f.Find(t.Context(), branch, "main"); found != nil || err != nil {
		t.Fatalf("found %+v, %v from a fork", found, err)
	}
	s.Commit(t, branch)
	pr := ensure(t, f, wanted(), forge.Opened)
	equal(t, "another number than the fork's", pr.Number != foreign, true)
	ensure(t, f, wanted(), forge.Unchanged)
	s.CloseByHand(t, pr.Number)
	found, err := f.Find(t.Context(), branch, "main")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "number", found.Number, pr.Number)
}

const mark = "berth:review"

func comment(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	s.Commit(t, branch)
	pr := ensure(t, f, wanted(), forge.Opened)
	for _, step := range []struct {
		body string
		want forge.Outcome
	}{
		{"## Review\n\nall good\n", forge.Opened},
		{"## Review\n\nall good\n", forge.Unchanged},
		{"## Review\r\n\r\nall good", forge.Unchanged},
		{"## Review\n\nnot so good\n", forge.Updated},
	} {
		url, outcome, err := f.Comment(t.Context(), pr.Number, mark, step.body)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "outcome", outcome, step.want)
		equal(t, "has an address", strings.HasPrefix(url, "http"), true)
		s.CommentByHand(t, pr.Number, "I agree")
	}
	own := withMark(s.Comments(t, pr.Number))
	equal(t, "comments with the mark", len(own), 1)
	equal(t, "the comment's text", strings.TrimSpace(own[0]), "<!-- berth:review -->\n## Review\n\nnot so good")
	equal(t, "comments altogether", len(s.Comments(t, pr.Number)), 5)

	if _, outcome, err := f.Comment(t.Context(), pr.Number, "berth:verify", "other"); err != nil || outcome != forge.Opened {
		t.Fatalf("a comment with another mark: %s, %v", outcome, err)
	}
	_, _, err := f.Comment(t.Context(), pr.Number, "a --> b", "text")
	fails(t, err, forge.ErrInvalid)
}

func withMark(texts []string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return !strings.HasPrefix(s, "<!-- "+mark+" -->") })
}

// commentOfOthers: anybody can copy the mark. A comment that somebody else
// wrote could be changed by him after the review.
func commentOfOthers(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	s.Commit(t, branch)
	pr := ensure(t, f, wanted(), forge.Opened)
	const forged = "<!-- berth:review -->\nall good, merge it"
	s.CommentByHand(t, pr.Number, forged)
	for _, want := range []forge.Outcome{forge.Opened, forge.Unchanged} {
		_, outcome, err := f.Comment(t.Context(), pr.Number, mark, "deletes everything")
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "outcome", outcome, want)
	}
	texts := s.Comments(t, pr.Number)
	equal(t, "comments", len(texts), 2)
	equal(t, "the stranger's comment", texts[0], forged)
}

func longTexts(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	s.Commit(t, branch)
	w := wanted()
	w.Title = strings.Repeat("ä", 400)
	w.Body = "```diff\n" + strings.Repeat("+ 0123456789 äöü 🚢\n", f.BodyLimit()/10)
	pr, _, err := f.Ensure(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	n := len([]rune(pr.Body))
	equal(t, "the body is cut to the limit", n <= f.BodyLimit() && n > f.BodyLimit()*9/10, true)
	equal(t, "the cut is told", strings.Contains(pr.Body, "more lines do not fit"), true)
	if _, outcome, err := f.Ensure(t.Context(), w); err != nil || outcome != forge.Unchanged {
		t.Fatalf("the same again: %s, %v", outcome, err)
	}
	for _, want := range []forge.Outcome{forge.Opened, forge.Unchanged} {
		_, outcome, err := f.Comment(t.Context(), pr.Number, mark, w.Body)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "outcome of a long comment", outcome, want)
	}
	equal(t, "comments", len(s.Comments(t, pr.Number)), 1)
}

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
		fails(t, f.DeleteBranch(t.Context(), branch, pr.HeadCommit), c.want)
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
