package forge

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/berth-gitops/berth/gitrepo"
)

// TestOtherBranches: what a list or an address brings counts only when it is of
// the branches that were asked for. GitHub ignores a filter that it cannot
// read, and Gitea finds what a stranger pushed to refs/for/main.
func TestOtherBranches(t *testing.T) {
	const hub = `{"number":5,"state":"open","title":"theirs","head":{"ref":%q,"repo":{"id":1}},"base":{"ref":%q,"repo":{"id":1}}}`
	const lab = `{"iid":5,"state":"opened","title":"theirs","source_branch":%q,"target_branch":%q,"source_project_id":1,"target_project_id":1}`
	const tea = `{"number":5,"state":"open","title":"theirs","head":{"label":%q,"repo":{"id":1}},"base":{"label":%q,"repo":{"id":1}}}`
	for _, kind := range []struct {
		kind Kind
		pull string
	}{{GitHub, hub}, {GitLab, lab}, {Gitea, tea}} {
		for _, c := range []struct {
			head, base string
			found      bool
		}{{"berth/shop", "main", true}, {"berth/blog", "main", false}, {"berth/shop", "stable", false}, {"", "main", false}} {
			rt := transport(func(r *http.Request) (*http.Response, error) {
				pull := fmt.Sprintf(kind.pull, c.head, c.base)
				if kind.kind != Gitea || r.URL.Path == "/repos/acme/gitops/pulls" {
					pull = "[" + pull + "]"
				}
				return answerWith(r, pull), nil
			})
			f, err := New(Options{
				Repository: Repository{Kind: kind.kind, API: "https://git.example.com", Path: "acme/gitops"},
				Token:      gitrepo.NewSecret(testToken), Client: &http.Client{Transport: rt},
			})
			if err != nil {
				t.Fatal(err)
			}
			pr, err := f.Find(t.Context(), "berth/shop", "main")
			if err != nil || (pr != nil) != c.found {
				t.Errorf("%s: a pull request of %q into %q: %+v, %v, want it found: %t", kind.kind, c.head, c.base, pr, err, c.found)
			}
		}
	}
}

// TestMerging: GitLab lists a merge request apart while it is being merged.
func TestMerging(t *testing.T) {
	rt := transport(func(r *http.Request) (*http.Response, error) {
		switch {
		case r.Method != http.MethodGet:
			t.Errorf("%s %s was sent", r.Method, r.URL)
		case r.URL.Query().Get("state") == "locked":
			return answerWith(r, `[{"iid":5,"state":"locked","title":"shop","source_branch":"berth/shop","target_branch":"main"}]`), nil
		}
		return answerWith(r, "[]"), nil
	})
	f, err := New(Options{
		Repository: Repository{Kind: GitLab, API: "https://git.example.com/api/v4", Path: "acme/gitops"},
		Token:      gitrepo.NewSecret(testToken), Client: &http.Client{Transport: rt},
	})
	if err != nil {
		t.Fatal(err)
	}
	pr, outcome, err := f.Ensure(t.Context(), Want{Head: "berth/shop", Base: "main", Title: "shop"})
	if err != nil || outcome != Unchanged || pr.Number != 5 {
		t.Errorf("%+v, %s, %v", pr, outcome, err)
	}
}
