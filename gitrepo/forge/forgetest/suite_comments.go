package forgetest

import (
	"slices"
	"strings"
	"testing"

	"github.com/berth-gitops/berth/gitrepo/forge"
)

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
