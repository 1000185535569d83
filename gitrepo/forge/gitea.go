package forge

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// gitea speaks the API of Gitea and Forgejo: docs.gitea.com/api.
type gitea struct {
	c    *client
	repo string // "/repos/owner/name"
}

func newGitea(c *client, path string) (*gitea, error) {
	owner, name, ok := strings.Cut(path, "/")
	if !ok {
		return nil, checkPath(Gitea, path)
	}
	return &gitea{c: c, repo: "/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name)}, nil
}

// bodyLimit is ours; Gitea sets none.
func (g *gitea) bodyLimit() int { return 262144 }

func (g *gitea) escape(body string) string { return body }

type giteaPull struct {
	Number  int64        `json:"number"`
	HTMLURL string       `json:"html_url"`
	State   string       `json:"state"`
	Merged  bool         `json:"merged"`
	Title   string       `json:"title"`
	Body    string       `json:"body"`
	Labels  []giteaLabel `json:"labels"`
	User    *giteaUser   `json:"user"`
	Head    giteaBranch  `json:"head"`
	Base    giteaBranch  `json:"base"`
}

type giteaLabel struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

type giteaUser struct {
	Login string `json:"login"`
}

type giteaBranch struct {
	Ref    string `json:"ref"`   // refs/pull/<n>/head once the branch is gone
	Label  string `json:"label"` // the branch's name, always
	SHA    string `json:"sha"`
	RepoID int64  `json:"repo_id"`
}

func (p *giteaPull) pullRequest() *PullRequest {
	pr := &PullRequest{
		Number: p.Number, URL: p.HTMLURL, State: Open, Title: p.Title, Body: p.Body,
		Head: p.Head.Label, Base: p.Base.Label, HeadCommit: p.Head.SHA,
	}
	switch {
	case p.Merged:
		pr.State = Merged
	case p.State != "open":
		pr.State = Closed
	}
	if p.User != nil {
		pr.Author = p.User.Login
	}
	for _, l := range p.Labels {
		pr.Labels = append(pr.Labels, l.Name)
	}
	return pr
}

// find asks for the pair of branches, which brings one pull request of any
// state and age. When that one is not open, another may be.
func (g *gitea) find(ctx context.Context, head, base string) (*PullRequest, error) {
	var p giteaPull
	err := g.c.get(ctx, g.repo+"/pulls/"+url.PathEscape(base)+"/"+segments(head), nil, &p)
	if errors.Is(err, ErrNotFound) {
		return nil, g.c.get(ctx, g.repo, nil, nil) // the pull request, or the repository?
	}
	if err != nil {
		return nil, err
	}
	pr := p.pullRequest()
	if pr.State == Open {
		return pr, nil
	}
	all, err := g.list(ctx, head, base, false)
	if err != nil {
		return nil, err
	}
	if len(all) > 0 {
		return &all[0], nil
	}
	return pr, nil
}

// open looks at the newest page only: Gitea cannot be asked by head branch,
// and what Ensure looks for was opened a moment ago.
func (g *gitea) open(ctx context.Context, head, base string) ([]PullRequest, error) {
	return g.list(ctx, head, base, true)
}

func (g *gitea) list(ctx context.Context, head, base string, newest bool) ([]PullRequest, error) {
	var found []PullRequest
	query := url.Values{"state": {"open"}, "base_branch": {base}, "limit": {"50"}} // newest first; 50 is the most by default
	err := list(ctx, g.c, g.repo+"/pulls", query, func(page []giteaPull) bool {
		for _, p := range page {
			if p.Head.RepoID == p.Base.RepoID && p.Head.Label == head && p.Base.Label == base {
				found = append(found, *p.pullRequest())
			}
		}
		return newest
	})
	slices.SortFunc(found, func(a, b PullRequest) int { return cmp.Compare(a.Number, b.Number) })
	return found, err
}

func (g *gitea) get(ctx context.Context, number int64) (*PullRequest, error) {
	var p giteaPull
	if err := g.c.get(ctx, g.repo+"/pulls/"+itoa(number), nil, &p); err != nil {
		return nil, err
	}
	return p.pullRequest(), nil
}

func (g *gitea) ahead(ctx context.Context, head, base string) (bool, error) {
	for _, branch := range []string{head, base} {
		if _, err := g.tip(ctx, branch); err != nil {
			return false, err
		}
	}
	query := url.Values{"sha": {head}, "not": {base}, "limit": {"1"},
		"stat": {"false"}, "verification": {"false"}, "files": {"false"}}
	var commits []struct{}
	err := g.c.get(ctx, g.repo+"/commits", query, &commits)
	return len(commits) > 0, err
}

func (g *gitea) create(ctx context.Context, w Want) (*PullRequest, error) {
	in := map[string]any{"title": w.Title, "body": w.Body, "head": w.Head, "base": w.Base}
	var p giteaPull
	if err := g.c.send(ctx, http.MethodPost, g.repo+"/pulls", in, &p); err != nil {
		return nil, err
	}
	return p.pullRequest(), nil
}

func (g *gitea) edit(ctx context.Context, number int64, e edit) (*PullRequest, error) {
	in := map[string]any{}
	if e.title != nil {
		in["title"] = *e.title
	}
	if e.body != nil {
		in["body"] = *e.body
	}
	if e.close {
		in["state"] = "closed"
	}
	var p giteaPull
	if err := g.c.send(ctx, http.MethodPatch, g.repo+"/pulls/"+itoa(number), in, &p); err != nil {
		return nil, err
	}
	return p.pullRequest(), nil
}

// label sets labels by number: Gitea drops names that it does not know without
// a word, and attaches all labels that share a name.
func (g *gitea) label(ctx context.Context, pr *PullRequest, add, remove []string) error {
	path := g.repo + "/issues/" + itoa(pr.Number) + "/labels"
	known, err := g.labels(ctx, g.repo+"/labels")
	if err != nil {
		return err
	}
	var ids []int64
	for _, name := range add {
		id, err := g.labelID(ctx, known, name)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if len(ids) > 0 {
		if err := g.c.send(ctx, http.MethodPost, path, map[string]any{"labels": ids}, nil); err != nil {
			return err
		}
	}
	if len(remove) == 0 {
		return nil
	}
	attached, err := g.labels(ctx, path)
	if err != nil {
		return err
	}
	for _, l := range attached {
		if !slices.Contains(remove, l.Name) {
			continue
		}
		if err := g.c.send(ctx, http.MethodDelete, path+"/"+itoa(l.ID), nil, nil); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// labels lists the labels at a path, oldest first.
func (g *gitea) labels(ctx context.Context, path string) ([]giteaLabel, error) {
	var all []giteaLabel
	err := list(ctx, g.c, path, url.Values{"limit": {"50"}}, func(page []giteaLabel) bool {
		all = append(all, page...)
		return false
	})
	slices.SortFunc(all, func(a, b giteaLabel) int { return cmp.Compare(a.ID, b.ID) })
	return all, err
}

// labelID finds a label of the repository or makes it. Gitea lets two writers
// make two of the same name: the older one stays.
func (g *gitea) labelID(ctx context.Context, known []giteaLabel, name string) (int64, error) {
	named := func(l giteaLabel) bool { return l.Name == name }
	if i := slices.IndexFunc(known, named); i >= 0 {
		return known[i].ID, nil
	}
	var made giteaLabel
	if err := g.c.send(ctx, http.MethodPost, g.repo+"/labels", map[string]any{"name": name, "color": "#1d76db"}, &made); err != nil {
		return 0, err
	}
	known, err := g.labels(ctx, g.repo+"/labels")
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(known, named)
	if i < 0 || known[i].ID >= made.ID {
		return made.ID, nil
	}
	err = g.c.send(ctx, http.MethodDelete, g.repo+"/labels/"+itoa(made.ID), nil, nil)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return known[i].ID, err
}

func (g *gitea) account(ctx context.Context) (string, error) {
	var u giteaUser
	err := g.c.get(ctx, "/user", nil, &u)
	return u.Login, err
}

type giteaComment struct {
	ID      int64      `json:"id"`
	Body    string     `json:"body"`
	HTMLURL string     `json:"html_url"`
	User    *giteaUser `json:"user"`
}

func (c giteaComment) comment() comment {
	got := comment{id: c.ID, body: c.Body, url: c.HTMLURL}
	if c.User != nil {
		got.author = c.User.Login
	}
	return got
}

// comments come in one answer: Gitea does not page them.
func (g *gitea) comments(ctx context.Context, number int64) ([]comment, error) {
	var page []giteaComment
	if err := g.c.get(ctx, g.repo+"/issues/"+itoa(number)+"/comments", nil, &page); err != nil {
		return nil, err
	}
	all := make([]comment, 0, len(page))
	for _, c := range page {
		all = append(all, c.comment())
	}
	return all, nil
}

func (g *gitea) addComment(ctx context.Context, number int64, body string) (comment, error) {
	var made giteaComment
	err := g.c.send(ctx, http.MethodPost, g.repo+"/issues/"+itoa(number)+"/comments", map[string]any{"body": body}, &made)
	return made.comment(), err
}

func (g *gitea) editComment(ctx context.Context, _, id int64, body string) error {
	return g.c.send(ctx, http.MethodPatch, g.repo+"/issues/comments/"+itoa(id), map[string]any{"body": body}, nil)
}

func (g *gitea) deleteComment(ctx context.Context, _, id int64) error {
	return g.c.send(ctx, http.MethodDelete, g.repo+"/issues/comments/"+itoa(id), nil, nil)
}

func (g *gitea) tip(ctx context.Context, branch string) (string, error) {
	var b struct {
		Commit struct {
			ID string `json:"id"`
		} `json:"commit"`
	}
	err := g.c.get(ctx, g.repo+"/branches/"+segments(branch), nil, &b)
	return b.Commit.ID, err
}

func (g *gitea) deleteBranch(ctx context.Context, branch string) error {
	return g.c.send(ctx, http.MethodDelete, g.repo+"/branches/"+segments(branch), nil, nil)
}
