package forgetest

import (
	"errors"
	"net/http"
	"slices"
	"strings"
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
		{"draft", draft},
		{"labels", labels},
		{"closed by hand", closedByHand},
		{"merged by a person", mergedByAPerson},
		{"close", closeIt},
		{"deleted branch", deletedBranch},
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

// draft: GitLab, Gitea and Forgejo keep it in the title that a person has marked
// a pull request as not to be merged yet.
func draft(t *testing.T, s Site) {
	f := Open(t, s, Berth)
	s.Commit(t, branch)
	first := ensure(t, f, wanted(), forge.Opened)
	for _, mark := range []string{"Draft: ", "WIP: ", "[Draft] "} {
		s.Retitle(t, first.Number, mark+wanted().Title)
		if _, outcome, err := f.Ensure(t.Context(), wanted()); err != nil || outcome != forge.Unchanged {
			t.Fatalf("a draft: %s, %v", outcome, err)
		}
		w := wanted()
		w.Title = "shop: Draft: another image"
		pr, outcome, err := f.Ensure(t.Context(), w)
		if err != nil || outcome != forge.Updated || pr.Title != mark+w.Title {
			t.Fatalf("a draft was brought up to date: %s, %+v, %v", outcome, pr, err)
		}
	}
	s.Retitle(t, first.Number, wanted().Title)
	ensure(t, f, wanted(), forge.Unchanged)
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
