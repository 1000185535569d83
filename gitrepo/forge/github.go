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
	hub
	owner string
}

func newGitHub(c *client, path string) (*github, error) {
	c.header.Set("Accept", "application/vnd.github+json")
	c.header.Set("X-GitHub-Api-Version", "2022-11-28")
	h, err := newHub(c, GitHub, path, func(b hubBranch) string { return b.Ref })
	owner, _, _ := strings.Cut(path, "/")
	return &github{hub: h, owner: owner}, err
}

// bodyLimit is GitHub's own.
func (g *github) bodyLimit() int { return 65536 }

func (g *github) escape(body string) string { return body }

func (g *github) current(ctx context.Context, head, base string) (*PullRequest, error) {
	return first(g.open(ctx, head, base))
}

func (g *github) past(ctx context.Context, head, base string) (*PullRequest, error) {
	return first(g.pulls(ctx, head, base, g.query(head, base, "closed", "desc"), func(found int) bool { return found > 0 }))
}

func (g *github) open(ctx context.Context, head, base string) ([]PullRequest, error) {
	return g.pulls(ctx, head, base, g.query(head, base, "open", "asc"), func(int) bool { return false })
}

// query asks for few at once: only forks of the same owner can be among them.
func (g *github) query(head, base, state, direction string) url.Values {
	return url.Values{"head": {g.owner + ":" + head}, "base": {base}, "state": {state},
		"sort": {"created"}, "direction": {direction}, "per_page": {"20"}}
}

// ahead leaves it to create: GitHub refuses a pull request without commits.
func (g *github) ahead(context.Context, string, string) (bool, error) { return true, nil }

func (g *github) create(ctx context.Context, w Want) (*PullRequest, error) {
	pr, err := g.hub.create(ctx, w)
	switch {
	case says(err, "a pull request already exists"):
		return nil, because(err, ErrConflict)
	case says(err, "no commits between"):
		return nil, because(err, ErrNoDiff)
	case errors.Is(err, ErrInvalid) && (says(err, "head: invalid") || says(err, "base: invalid")):
		return nil, because(err, ErrNotFound) // the branch does not exist
	}
	return pr, err
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

// account asks the GraphQL API where the token is an app's, as in GitHub
// Actions: such a token may not ask the other one.
func (g *github) account(ctx context.Context) (string, error) {
	login, err := g.hub.account(ctx)
	if !errors.Is(err, ErrAuthorization) {
		return login, err
	}
	var answer struct {
		Data struct {
			Viewer hubUser `json:"viewer"`
		} `json:"data"`
	}
	base := *g.c.base
	base.Path = strings.TrimSuffix(base.Path, "/v3") // Enterprise Server: /api/v3 and /api/graphql
	_, err = g.c.do(ctx, request{method: http.MethodPost, base: &base, path: "/graphql", in: map[string]any{"query": "{viewer{login}}"}, out: &answer})
	return answer.Data.Viewer.Login, err
}
