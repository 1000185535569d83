package forge

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// hub is what GitHub's API and Gitea's, which was made after it, have in common.
type hub struct {
	c    *client
	repo string // "/repos/owner/name"
	// branch is where a pull request tells the name of a branch.
	branch func(hubBranch) string
}

func newHub(c *client, kind Kind, path string, branch func(hubBranch) string) (hub, error) {
	owner, name, _ := strings.Cut(path, "/")
	return hub{c: c, repo: "/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name), branch: branch}, checkPath(kind, path)
}

type hubPull struct {
	Number   int64      `json:"number"`
	HTMLURL  string     `json:"html_url"`
	State    string     `json:"state"`
	Title    string     `json:"title"`
	Body     string     `json:"body"`
	MergedAt *string    `json:"merged_at"`
	Labels   []hubLabel `json:"labels"`
	User     *hubUser   `json:"user"`
	Head     hubBranch  `json:"head"`
	Base     hubBranch  `json:"base"`
}

type hubLabel struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

type hubUser struct {
	Login string `json:"login"`
}

type hubBranch struct {
	Ref   string `json:"ref"`
	Label string `json:"label"`
	SHA   string `json:"sha"`
	Repo  *struct {
		ID int64 `json:"id"`
	} `json:"repo"` // null when a fork was deleted
}

func (h hub) pullRequest(p *hubPull) *PullRequest {
	pr := &PullRequest{
		Number: p.Number, URL: p.HTMLURL, State: Open, Title: p.Title, Body: p.Body,
		Head: h.branch(p.Head), Base: h.branch(p.Base), HeadCommit: p.Head.SHA, Author: p.User.login(),
		fork: p.Head.Repo == nil || p.Base.Repo == nil || p.Head.Repo.ID != p.Base.Repo.ID,
	}
	switch {
	case p.MergedAt != nil:
		pr.State = Merged
	case p.State != "open":
		pr.State = Closed
	}
	for _, l := range p.Labels {
		pr.Labels = append(pr.Labels, l.Name)
	}
	return pr
}

// login is empty for an account that was deleted.
func (u *hubUser) login() string {
	if u == nil {
		return ""
	}
	return u.Login
}

// pulls lists the pull requests of head into base that a query finds, page by
// page until there are enough.
func (h hub) pulls(ctx context.Context, head, base string, query url.Values, enough func(found int) bool) (found []PullRequest, err error) {
	err = list(ctx, h.c, h.repo+"/pulls", query, func(page []hubPull) bool {
		for i := range page {
			if pr := h.pullRequest(&page[i]); pr.between(head, base) {
				found = append(found, *pr)
			}
		}
		return enough(len(found))
	})
	return found, err
}

func (h hub) get(ctx context.Context, number int64) (*PullRequest, error) {
	var p hubPull
	if err := h.c.get(ctx, h.repo+"/pulls/"+itoa(number), nil, &p); err != nil {
		return nil, err
	}
	return h.pullRequest(&p), nil
}

func (h hub) create(ctx context.Context, w Want) (*PullRequest, error) {
	return h.put(ctx, http.MethodPost, "/pulls", map[string]any{"title": w.Title, "body": w.Body, "head": w.Head, "base": w.Base})
}

func (h hub) edit(ctx context.Context, number int64, e edit) (*PullRequest, error) {
	return h.put(ctx, http.MethodPatch, "/pulls/"+itoa(number), e.fields("body", "state", "closed"))
}

func (h hub) put(ctx context.Context, method, path string, in any) (*PullRequest, error) {
	var p hubPull
	if err := h.c.send(ctx, method, h.repo+path, in, &p); err != nil {
		return nil, err
	}
	return h.pullRequest(&p), nil
}

func (h hub) account(ctx context.Context) (string, error) {
	var u hubUser
	err := h.c.get(ctx, "/user", nil, &u)
	return u.Login, err
}

type hubComment struct {
	ID      int64    `json:"id"`
	Body    string   `json:"body"`
	HTMLURL string   `json:"html_url"`
	User    *hubUser `json:"user"`
}

func (c hubComment) comment() comment {
	return comment{id: c.ID, author: c.User.login(), body: c.Body, url: c.HTMLURL}
}

// comments come in pages from GitHub, and all at once from Gitea.
func (h hub) comments(ctx context.Context, number int64) ([]comment, error) {
	var all []comment
	path := h.repo + "/issues/" + itoa(number) + "/comments"
	err := list(ctx, h.c, path, url.Values{"per_page": {"20"}}, func(page []hubComment) bool {
		for _, c := range page {
			all = append(all, c.comment())
		}
		return false
	})
	return all, err
}

func (h hub) addComment(ctx context.Context, number int64, body string) (comment, error) {
	var made hubComment
	err := h.c.send(ctx, http.MethodPost, h.repo+"/issues/"+itoa(number)+"/comments", map[string]any{"body": body}, &made)
	return made.comment(), err
}

func (h hub) editComment(ctx context.Context, _, id int64, body string) error {
	return h.c.send(ctx, http.MethodPatch, h.repo+"/issues/comments/"+itoa(id), map[string]any{"body": body}, nil)
}

func (h hub) deleteComment(ctx context.Context, _, id int64) error {
	return h.c.send(ctx, http.MethodDelete, h.repo+"/issues/comments/"+itoa(id), nil, nil)
}
