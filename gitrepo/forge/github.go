package forge

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// github speaks GitHub's REST API, of github.com and of Enterprise Server:
// docs.github.com/rest.
type github struct {
	c     *client
	repo  string // "/repos/owner/name"
	owner string
}

func newGitHub(c *client, path string) (*github, error) {
	owner, name, ok := strings.Cut(path, "/")
	if !ok {
		return nil, checkPath(GitHub, path)
	}
	c.header.Set("Accept", "application/vnd.github+json")
	c.header.Set("X-GitHub-Api-Version", "2022-11-28")
	return &github{c: c, repo: "/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name), owner: owner}, nil
}

// bodyLimit is GitHub's own.
func (g *github) bodyLimit() int { return 65536 }

func (g *github) escape(body string) string { return body }

type githubPull struct {
	Number   int64   `json:"number"`
	HTMLURL  string  `json:"html_url"`
	State    string  `json:"state"`
	Title    string  `json:"title"`
	Body     *string `json:"body"`
	MergedAt *string `json:"merged_at"`
	Labels   []struct {
		Name string `json:"name"`
	} `json:"labels"`
	User *githubUser  `json:"user"`
	Head githubBranch `json:"head"`
	Base githubBranch `json:"base"`
}

type githubUser struct {
	Login string `json:"login"`
	Type  string `json:"type"`
}

type githubBranch struct {
	Ref  string `json:"ref"`
	SHA  string `json:"sha"`
	Repo *struct {
		ID int64 `json:"id"`
	} `json:"repo"` // null when a fork was deleted
}

func (p *githubPull) fork() bool {
	return p.Head.Repo == nil || p.Base.Repo == nil || p.Head.Repo.ID != p.Base.Repo.ID
}

func (p *githubPull) pullRequest() *PullRequest {
	pr := &PullRequest{
		Number: p.Number, URL: p.HTMLURL, State: Open, Title: p.Title,
		Head: p.Head.Ref, Base: p.Base.Ref, HeadCommit: p.Head.SHA,
	}
	switch {
	case p.MergedAt != nil:
		pr.State = Merged
	case p.State != "open":
		pr.State = Closed
	}
	if p.Body != nil {
		pr.Body = *p.Body
	}
	if p.User != nil {
		pr.Author = p.User.Login
	}
	for _, l := range p.Labels {
		pr.Labels = append(pr.Labels, l.Name)
	}
	return pr
}

func (g *github) find(ctx context.Context, head, base string) (*PullRequest, error) {
	open, err := g.open(ctx, head, base)
	if err != nil {
		return nil, err
	}
	if len(open) > 0 {
		return &open[0], nil
	}
	query := g.query(head, base)
	query.Set("state", "closed")
	query.Set("direction", "desc")
	query.Set("per_page", "20") // forks of the same owner may be among them
	var found *PullRequest
	err = list(ctx, g.c, g.repo+"/pulls", query, func(page []githubPull) bool {
		for _, p := range page {
			if !p.fork() {
				found = p.pullRequest()
				return true
			}
		}
		return false
	})
	return found, err
}

func (g *github) open(ctx context.Context, head, base string) ([]PullRequest, error) {
	query := g.query(head, base)
	query.Set("state", "open")
	query.Set("direction", "asc")
	query.Set("per_page", "100")
	var found []PullRequest
	err := list(ctx, g.c, g.repo+"/pulls", query, func(page []githubPull) bool {
		for _, p := range page {
			if !p.fork() {
				found = append(found, *p.pullRequest())
			}
		}
		return false
	})
	return found, err
}

func (g *github) query(head, base string) url.Values {
	return url.Values{"head": {g.owner + ":" + head}, "base": {base}, "sort": {"created"}}
}

func (g *github) get(ctx context.Context, number int64) (*PullRequest, error) {
	var p githubPull
	if err := g.c.get(ctx, g.repo+"/pulls/"+itoa(number), nil, &p); err != nil {
		return nil, err
	}
	return p.pullRequest(), nil
}

// ahead leaves it to create: GitHub refuses a pull request without commits.
func (g *github) ahead(context.Context, string, string) (bool, error) { return true, nil }

func (g *github) create(ctx context.Context, w Want) (*PullRequest, error) {
	in := map[string]any{"title": w.Title, "body": w.Body, "head": w.Head, "base": w.Base}
	var p githubPull
	err := g.c.send(ctx, http.MethodPost, g.repo+"/pulls", in, &p)
	switch {
	case err == nil:
		return p.pullRequest(), nil
	case says(err, "a pull request already exists"):
		return nil, because(err, ErrConflict)
	case says(err, "no commits between"):
		return nil, because(err, ErrNoDiff)
	case errors.Is(err, ErrInvalid) && (says(err, "head: invalid") || says(err, "base: invalid")):
		return nil, because(err, ErrNotFound) // the branch does not exist
	}
	return nil, err
}

func (g *github) edit(ctx context.Context, number int64, e edit) (*PullRequest, error) {
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
	var p githubPull
	if err := g.c.send(ctx, http.MethodPatch, g.repo+"/pulls/"+itoa(number), in, &p); err != nil {
		return nil, err
	}
	return p.pullRequest(), nil
}

// label sets labels; GitHub makes those that the repository lacks.
func (g *github) label(ctx context.Context, pr *PullRequest, add, remove []string) error {
	path := g.repo + "/issues/" + itoa(pr.Number) + "/labels"
	if len(add) > 0 {
		if err := g.c.send(ctx, http.MethodPost, path, map[string]any{"labels": add}, nil); err != nil {
			return err
		}
	}
	for _, l := range remove {
		err := g.c.send(ctx, http.MethodDelete, path+"/"+url.PathEscape(l), nil, nil)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// account is anyBot for an Actions or app token: it may not ask.
func (g *github) account(ctx context.Context) (string, error) {
	var u githubUser
	err := g.c.get(ctx, "/user", nil, &u)
	if errors.Is(err, ErrAuthorization) {
		return anyBot, nil
	}
	return u.Login, err
}

type githubComment struct {
	ID      int64       `json:"id"`
	Body    string      `json:"body"`
	HTMLURL string      `json:"html_url"`
	User    *githubUser `json:"user"`
}

func (c githubComment) comment() comment {
	got := comment{id: c.ID, body: c.Body, url: c.HTMLURL}
	if c.User != nil {
		got.author, got.bot = c.User.Login, c.User.Type == "Bot"
	}
	return got
}

func (g *github) comments(ctx context.Context, number int64) ([]comment, error) {
	var all []comment
	path := g.repo + "/issues/" + itoa(number) + "/comments"
	err := list(ctx, g.c, path, url.Values{"per_page": {"50"}}, func(page []githubComment) bool {
		for _, c := range page {
			all = append(all, c.comment())
		}
		return false
	})
	return all, err
}

func (g *github) addComment(ctx context.Context, number int64, body string) (comment, error) {
	var made githubComment
	err := g.c.send(ctx, http.MethodPost, g.repo+"/issues/"+itoa(number)+"/comments", map[string]any{"body": body}, &made)
	return made.comment(), err
}

func (g *github) editComment(ctx context.Context, _, id int64, body string) error {
	return g.c.send(ctx, http.MethodPatch, g.repo+"/issues/comments/"+itoa(id), map[string]any{"body": body}, nil)
}

func (g *github) deleteComment(ctx context.Context, _, id int64) error {
	return g.c.send(ctx, http.MethodDelete, g.repo+"/issues/comments/"+itoa(id), nil, nil)
}

func (g *github) tip(ctx context.Context, branch string) (string, error) {
	var ref struct {
		Object struct {
			SHA string `json:"sha"`
		} `json:"object"`
	}
	err := g.c.get(ctx, g.repo+"/git/ref/heads/"+segments(branch), nil, &ref)
	return ref.Object.SHA, err
}

func (g *github) deleteBranch(ctx context.Context, branch string) error {
	err := g.c.send(ctx, http.MethodDelete, g.repo+"/git/refs/heads/"+segments(branch), nil, nil)
	if says(err, "reference does not exist") {
		return because(err, ErrNotFound)
	}
	return err
}
