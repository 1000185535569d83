package gitea

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/gitrepo/forge"
	"github.com/berth-gitops/berth/gitrepo/forge/forgetest"
)

// Repository is a private repository of acme's with a branch main. It is a
// [forgetest.Site].
type Repository struct {
	g    *Gitea
	name string
	path string // "/repos/acme/name"
}

// NewRepository makes a repository of its own for a test.
func (g *Gitea) NewRepository(t testing.TB) *Repository {
	t.Helper()
	name := fmt.Sprintf("gitops-%d", g.count.Add(1))
	r := &Repository{g: g, name: name, path: "/repos/" + owner + "/" + name}
	r.must(t, owner, http.MethodPost, "/user/repos", map[string]any{"name": name, "private": true, "auto_init": true, "default_branch": "main"}, nil)
	for _, user := range []string{berth, person} {
		r.must(t, owner, http.MethodPut, r.path+"/collaborators/"+user, map[string]any{"permission": "write"}, nil)
	}
	return r
}

// Address is the repository's address over HTTP.
func (r *Repository) Address() string { return r.g.URL + "/" + owner + "/" + r.name + ".git" }

// SSHAddress is the repository's address over SSH.
func (r *Repository) SSHAddress() string {
	return "ssh://git@" + r.g.SSHAddress + "/" + owner + "/" + r.name + ".git"
}

// AddKey lets an SSH key, as in authorized_keys, log in as berth.
func (r *Repository) AddKey(t testing.TB, key string) {
	t.Helper()
	if err := r.g.callAs(t.Context(), basic(berth), http.MethodPost, "/user/keys", map[string]any{"title": t.Name(), "key": key}, nil); err != nil {
		t.Fatal(err)
	}
}

// Protect lets nobody push to a branch: changes come in by pull requests.
func (r *Repository) Protect(t testing.TB, branch string) {
	t.Helper()
	r.must(t, owner, http.MethodPost, r.path+"/branch_protections", map[string]any{"rule_name": branch, "enable_push": false}, nil)
}

func (r *Repository) must(t testing.TB, account, method, path string, in, out any) {
	t.Helper()
	if err := r.g.call(t.Context(), account, method, path, in, out); err != nil {
		t.Fatal(err)
	}
}

// Repository is a [forgetest.Site]'s.
func (r *Repository) Repository(t testing.TB) forge.Repository {
	t.Helper()
	found, err := forge.Locate(r.Address(), forge.Gitea, "")
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// Token is a [forgetest.Site]'s. The reader's is a token of berth's that may
// only read.
func (r *Repository) Token(_ testing.TB, a forgetest.Account) gitrepo.Secret {
	return gitrepo.NewSecret(r.TokenText(a))
}

// TokenText is the same token as a text, to look for it where it must not be.
func (r *Repository) TokenText(a forgetest.Account) string {
	if a == forgetest.Nobody {
		return "0123456789abcdef0123456789abcdef01234567"
	}
	return r.g.tokens[string(a)]
}

// NewLabel makes a label in the repository.
func (r *Repository) NewLabel(t testing.TB, name string) {
	t.Helper()
	r.must(t, person, http.MethodPost, r.path+"/labels", map[string]any{"name": name, "color": "#aabbcc"}, nil)
}

// NewBranch makes a branch at the tip of main.
func (r *Repository) NewBranch(t testing.TB, branch string) {
	t.Helper()
	r.must(t, person, http.MethodPost, r.path+"/branches", map[string]any{"new_branch_name": branch, "old_branch_name": "main"}, nil)
}

// Commit is a [forgetest.Site]'s.
func (r *Repository) Commit(t testing.TB, branch string) string {
	t.Helper()
	return r.commit(t, r.path, branch)
}

func (r *Repository) commit(t testing.TB, repo, branch string) string {
	t.Helper()
	in := map[string]any{
		"message": "change", "content": base64.StdEncoding.EncodeToString([]byte("text")), "branch": branch,
	}
	var status *statusError
	if err := r.g.call(t.Context(), person, http.MethodGet, repo+"/branches/"+url.PathEscape(branch), nil, nil); errors.As(err, &status) && status.status == http.StatusNotFound {
		in["branch"], in["new_branch"] = "main", branch
	}
	var made struct {
		Commit struct {
			SHA string `json:"sha"`
		} `json:"commit"`
	}
	file := fmt.Sprintf("change-%d.txt", r.g.count.Add(1))
	r.must(t, person, http.MethodPost, repo+"/contents/"+file, in, &made)
	return made.Commit.SHA
}

// DeleteBranch is a [forgetest.Site]'s.
func (r *Repository) DeleteBranch(t testing.TB, branch string) {
	t.Helper()
	r.must(t, person, http.MethodDelete, r.path+"/branches/"+url.PathEscape(branch), nil, nil)
}

// Merge is a [forgetest.Site]'s. Who looks at a pull request makes Gitea check
// whether it can be merged; until that is known, merging is a 405.
func (r *Repository) Merge(t testing.TB, number int64) {
	t.Helper()
	path := fmt.Sprintf("%s/pulls/%d", r.path, number)
	deadline := time.Now().Add(2 * time.Minute)
	for {
		r.must(t, person, http.MethodGet, path, nil, nil)
		err := r.g.call(t.Context(), person, http.MethodPost, path+"/merge", map[string]any{"Do": "merge"}, nil)
		var status *statusError
		if err == nil {
			return
		}
		if !errors.As(err, &status) || status.status != http.StatusMethodNotAllowed || time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// CloseByHand is a [forgetest.Site]'s.
func (r *Repository) CloseByHand(t testing.TB, number int64) {
	t.Helper()
	r.must(t, person, http.MethodPatch, fmt.Sprintf("%s/pulls/%d", r.path, number), map[string]any{"state": "closed"}, nil)
}

// Retitle is a [forgetest.Site]'s.
func (r *Repository) Retitle(t testing.TB, number int64, title string) {
	t.Helper()
	r.must(t, person, http.MethodPatch, fmt.Sprintf("%s/pulls/%d", r.path, number), map[string]any{"title": title}, nil)
}

// CommentByHand is a [forgetest.Site]'s.
func (r *Repository) CommentByHand(t testing.TB, number int64, body string) {
	t.Helper()
	r.must(t, person, http.MethodPost, fmt.Sprintf("%s/issues/%d/comments", r.path, number), map[string]any{"body": body}, nil)
}

// OpenFromFork is a [forgetest.Site]'s.
func (r *Repository) OpenFromFork(t testing.TB, branch, base string) int64 {
	t.Helper()
	r.must(t, person, http.MethodPost, r.path+"/forks", map[string]any{}, nil)
	r.commit(t, "/repos/"+person+"/"+r.name, branch)
	var made pull
	r.must(t, person, http.MethodPost, r.path+"/pulls", map[string]any{"title": "from a fork", "head": person + ":" + branch, "base": base}, &made)
	return made.Number
}

type pull struct {
	Number int64 `json:"number"`
	Head   struct {
		Label  string `json:"label"`
		RepoID int64  `json:"repo_id"`
	} `json:"head"`
	Base struct {
		RepoID int64 `json:"repo_id"`
	} `json:"base"`
}

// OpenPulls is a [forgetest.Site]'s.
func (r *Repository) OpenPulls(t testing.TB) map[string][]int64 {
	t.Helper()
	numbers := map[string][]int64{}
	for _, p := range all[pull](t, r, "/pulls?state=open") {
		if p.Head.RepoID == p.Base.RepoID {
			numbers[p.Head.Label] = append(numbers[p.Head.Label], p.Number)
		}
	}
	return numbers
}

// AskedToReview returns whose review of a pull request is asked for.
func (r *Repository) AskedToReview(t testing.TB, number int64) []string {
	t.Helper()
	var p struct {
		Reviewers []struct {
			Login string `json:"login"`
		} `json:"requested_reviewers"`
	}
	r.must(t, owner, http.MethodGet, fmt.Sprintf("%s/pulls/%d", r.path, number), nil, &p)
	var names []string
	for _, u := range p.Reviewers {
		names = append(names, u.Login)
	}
	return names
}

// all reads the pages of a list until one is empty.
func all[T any](t testing.TB, r *Repository, list string) []T {
	t.Helper()
	var found []T
	for page := 1; ; page++ {
		var items []T
		r.must(t, owner, http.MethodGet, fmt.Sprintf("%s%s&limit=50&page=%d", r.path, list, page), nil, &items)
		if len(items) == 0 {
			return found
		}
		found = append(found, items...)
	}
}

// Comments is a [forgetest.Site]'s.
func (r *Repository) Comments(t testing.TB, number int64) []string {
	t.Helper()
	var comments []struct {
		Body string `json:"body"`
	}
	r.must(t, owner, http.MethodGet, fmt.Sprintf("%s/issues/%d/comments", r.path, number), nil, &comments)
	var texts []string
	for _, c := range comments {
		texts = append(texts, c.Body)
	}
	return texts
}

// Labels is a [forgetest.Site]'s.
func (r *Repository) Labels(t testing.TB) []string {
	t.Helper()
	var names []string
	for _, l := range all[struct {
		Name string `json:"name"`
	}](t, r, "/labels?sort=") {
		names = append(names, l.Name)
	}
	return names
}
