package forge

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// gitlab speaks GitLab's REST API v4: docs.gitlab.com/api/rest.
type gitlab struct {
	c       *client
	project string // "/projects/group%2Fname"
}

func newGitLab(c *client, path string) (*gitlab, error) {
	if err := checkPath(GitLab, path); err != nil {
		return nil, err
	}
	return &gitlab{c: c, project: "/projects/" + url.PathEscape(path)}, nil
}

// bodyLimit is ours. GitLab would take a note of 1,000,000 characters, which no
// browser shows well and few of which fit into one answer.
func (g *gitlab) bodyLimit() int { return 262144 }

// quickAction is a line that GitLab would obey rather than show, with the
// rights of the token's account: docs.gitlab.com/user/project/quick_actions.
var quickAction = regexp.MustCompile(`(?m)^([ \t\r>]*)/([A-Za-z])`)

// escape puts a zero-width space before what could be a quick action. Code
// blocks are not spared: where one begins is for GitLab to decide.
func (g *gitlab) escape(body string) string {
	return quickAction.ReplaceAllString(body, "$1\u200b/$2")
}

type gitlabRequest struct {
	IID             int64       `json:"iid"`
	WebURL          string      `json:"web_url"`
	State           string      `json:"state"` // opened, locked (while merging), merged, closed
	Title           string      `json:"title"`
	Description     string      `json:"description"`
	Labels          []string    `json:"labels"`
	SourceBranch    string      `json:"source_branch"`
	TargetBranch    string      `json:"target_branch"`
	SourceProjectID int64       `json:"source_project_id"`
	TargetProjectID int64       `json:"target_project_id"`
	SHA             string      `json:"sha"`
	Author          *gitlabUser `json:"author"`
}

type gitlabUser struct {
	Username string `json:"username"`
}

func (r *gitlabRequest) pullRequest() *PullRequest {
	pr := &PullRequest{
		Number: r.IID, URL: r.WebURL, State: Open, Title: r.Title, Body: r.Description, Labels: r.Labels,
		Head: r.SourceBranch, Base: r.TargetBranch, HeadCommit: r.SHA, fork: r.SourceProjectID != r.TargetProjectID,
	}
	switch r.State {
	case "merged":
		pr.State = Merged
	case "closed":
		pr.State = Closed
	}
	if r.Author != nil {
		pr.Author = r.Author.Username
	}
	return pr
}

// current is one that is being merged where there is no other.
func (g *gitlab) current(ctx context.Context, head, base string) (*PullRequest, error) {
	pr, err := first(g.open(ctx, head, base))
	if err != nil || pr != nil {
		return pr, err
	}
	return first(g.requests(ctx, head, base, "locked", "asc"))
}

func (g *gitlab) past(ctx context.Context, head, base string) (*PullRequest, error) {
	return first(g.requests(ctx, head, base, "all", "desc"))
}

func (g *gitlab) open(ctx context.Context, head, base string) ([]PullRequest, error) {
	return g.requests(ctx, head, base, "opened", "asc")
}

// requests lists merge requests between two branches of this project.
func (g *gitlab) requests(ctx context.Context, head, base, state, sort string) (found []PullRequest, err error) {
	query := url.Values{"source_branch": {head}, "target_branch": {base}, "state": {state},
		"order_by": {"created_at"}, "sort": {sort}, "per_page": {"20"}}
	err = list(ctx, g.c, g.project+"/merge_requests", query, func(page []gitlabRequest) bool {
		for i := range page {
			if pr := page[i].pullRequest(); pr.between(head, base) {
				found = append(found, *pr)
			}
		}
		return len(found) > 0 && sort == "desc" // the newest is wanted
	})
	return found, err
}

func (g *gitlab) one(number int64) string { return g.project + "/merge_requests/" + itoa(number) }

func (g *gitlab) get(ctx context.Context, number int64) (*PullRequest, error) {
	var r gitlabRequest
	if err := g.c.get(ctx, g.one(number), nil, &r); err != nil {
		return nil, err
	}
	return r.pullRequest(), nil
}

// ahead asks for one commit of a range: a comparison would bring the diff.
func (g *gitlab) ahead(ctx context.Context, head, base string) (bool, error) {
	for _, branch := range []string{head, base} { // an unknown one would make an empty range
		if err := g.c.get(ctx, g.project+"/repository/branches/"+url.PathEscape(branch), nil, nil); err != nil {
			return false, err
		}
	}
	var commits []struct{}
	err := g.c.get(ctx, g.project+"/repository/commits", url.Values{"ref_name": {base + ".." + head}, "per_page": {"1"}}, &commits)
	return len(commits) > 0, err
}

func (g *gitlab) create(ctx context.Context, w Want) (*PullRequest, error) {
	in := map[string]any{"source_branch": w.Head, "target_branch": w.Base, "title": w.Title, "description": w.Body}
	var r gitlabRequest
	if err := g.c.send(ctx, http.MethodPost, g.project+"/merge_requests", in, &r); err != nil {
		return nil, err
	}
	return r.pullRequest(), nil
}

func (g *gitlab) edit(ctx context.Context, number int64, e edit) (*PullRequest, error) {
	var r gitlabRequest
	if err := g.c.send(ctx, http.MethodPut, g.one(number), e.fields("description", "state_event", "close"), &r); err != nil {
		return nil, err
	}
	return r.pullRequest(), nil
}

// label sets labels; GitLab makes those that the project lacks.
func (g *gitlab) label(ctx context.Context, pr *PullRequest, add, remove []string) error {
	in := map[string]any{}
	if len(add) > 0 {
		in["add_labels"] = strings.Join(add, ",")
	}
	if len(remove) > 0 {
		in["remove_labels"] = strings.Join(remove, ",")
	}
	return g.c.send(ctx, http.MethodPut, g.one(pr.Number), in, nil)
}

func (g *gitlab) account(ctx context.Context) (string, error) {
	var u gitlabUser
	err := g.c.get(ctx, "/user", nil, &u)
	return u.Username, err
}

type gitlabNote struct {
	ID     int64       `json:"id"`
	Body   string      `json:"body"`
	System bool        `json:"system"` // "closed", "added 1 commit"
	Author *gitlabUser `json:"author"`
}

// comment has the merge request's address: notes do not tell their own.
func (n gitlabNote) comment(base string) comment {
	c := comment{id: n.ID, body: n.Body, url: base + "#note_" + itoa(n.ID)}
	if n.Author != nil {
		c.author = n.Author.Username
	}
	return c
}

func (g *gitlab) comments(ctx context.Context, number int64) ([]comment, error) {
	pr, err := g.get(ctx, number)
	if err != nil {
		return nil, err
	}
	var all []comment
	query := url.Values{"sort": {"asc"}, "order_by": {"created_at"}, "per_page": {"20"}}
	err = list(ctx, g.c, g.one(number)+"/notes", query, func(page []gitlabNote) bool {
		for _, n := range page {
			if !n.System {
				all = append(all, n.comment(pr.URL))
			}
		}
		return false
	})
	return all, err
}

func (g *gitlab) addComment(ctx context.Context, number int64, body string) (comment, error) {
	var n gitlabNote
	err := g.c.send(ctx, http.MethodPost, g.one(number)+"/notes", map[string]any{"body": body}, &n)
	return n.comment(""), err
}

func (g *gitlab) editComment(ctx context.Context, number, id int64, body string) error {
	return g.c.send(ctx, http.MethodPut, g.one(number)+"/notes/"+itoa(id), map[string]any{"body": body}, nil)
}

func (g *gitlab) deleteComment(ctx context.Context, number, id int64) error {
	return g.c.send(ctx, http.MethodDelete, g.one(number)+"/notes/"+itoa(id), nil, nil)
}
