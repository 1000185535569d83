package forge

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
)

// gitea speaks the API of Gitea and Forgejo: docs.gitea.com/api.
type gitea struct{ hub }

// newGitea reads a branch's name from its label: its ref is another one once
// the branch is gone.
func newGitea(c *client, path string) (*gitea, error) {
	h, err := newHub(c, Gitea, path, func(b hubBranch) string { return b.Label })
	return &gitea{h}, err
}

// bodyLimit is ours; Gitea sets none.
func (g *gitea) bodyLimit() int { return 262144 }

func (g *gitea) escape(body string) string { return body }

// past asks for the pair of branches, which brings one pull request of any
// state and age.
func (g *gitea) past(ctx context.Context, head, base string) (*PullRequest, error) {
	var p hubPull
	err := g.c.get(ctx, g.repo+"/pulls/"+url.PathEscape(base)+"/"+segments(head), nil, &p)
	if errors.Is(err, ErrNotFound) {
		return nil, g.c.get(ctx, g.repo, nil, nil) // the pull request, or the repository?
	}
	if err != nil {
		return nil, err
	}
	return g.pullRequest(&p), nil
}

// current looks through all that are open only where the pair of branches has
// another one.
func (g *gitea) current(ctx context.Context, head, base string) (*PullRequest, error) {
	pr, err := g.past(ctx, head, base)
	if err != nil || pr == nil || pr.State == Open && pr.between(head, base) {
		return pr, err
	}
	return first(g.list(ctx, head, base, false))
}

// open looks at the newest page only: Gitea cannot be asked by head branch,
// and what Ensure looks for was opened a moment ago.
func (g *gitea) open(ctx context.Context, head, base string) ([]PullRequest, error) {
	return g.list(ctx, head, base, true)
}

func (g *gitea) list(ctx context.Context, head, base string, newest bool) ([]PullRequest, error) {
	query := url.Values{"state": {"open"}, "base_branch": {base}, "limit": {"50"}} // newest first; 50 is the most by default
	found, err := g.pulls(ctx, head, base, query, func(int) bool { return newest })
	slices.SortFunc(found, func(a, b PullRequest) int { return cmp.Compare(a.Number, b.Number) })
	return found, err
}

func (g *gitea) ahead(ctx context.Context, head, base string) (bool, error) {
	for _, branch := range []string{head, base} {
		if err := g.c.get(ctx, g.repo+"/branches/"+segments(branch), nil, nil); err != nil {
			return false, err
		}
	}
	query := url.Values{"sha": {head}, "not": {base}, "limit": {"1"},
		"stat": {"false"}, "verification": {"false"}, "files": {"false"}}
	var commits []struct{}
	err := g.c.get(ctx, g.repo+"/commits", query, &commits)
	return len(commits) > 0, err
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
func (g *gitea) labels(ctx context.Context, path string) ([]hubLabel, error) {
	var all []hubLabel
	err := list(ctx, g.c, path, url.Values{"limit": {"50"}}, func(page []hubLabel) bool {
		all = append(all, page...)
		return false
	})
	slices.SortFunc(all, func(a, b hubLabel) int { return cmp.Compare(a.ID, b.ID) })
	return all, err
}

// labelID finds a label of the repository or makes it. Gitea lets two writers
// make two of the same name: the older one stays.
func (g *gitea) labelID(ctx context.Context, known []hubLabel, name string) (int64, error) {
	named := func(l hubLabel) bool { return l.Name == name }
	if i := slices.IndexFunc(known, named); i >= 0 {
		return known[i].ID, nil
	}
	var made hubLabel
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
