package forgetest

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/berth-gitops/berth/gitrepo/forge"
)

//go:embed testdata/gitlab
var gitlabRecords embed.FS

// GitLabRecord is an answer of GitLab as its Go client has recorded it:
// get_merge_request.json, get_merge_requests.json, list_notes.json and others.
func GitLabRecord(name string) ([]byte, error) {
	return fs.ReadFile(gitlabRecords, "testdata/gitlab/"+name)
}

// GitLab stands in for a GitLab. A request with a parameter that GitLab's Go
// client does not know fails the test.
type GitLab struct {
	*Server
	records    map[string]any
	parameters map[string][]string // of an operation
}

// NewGitLab starts a GitLab that ends with the test. It needs git.
func NewGitLab(t testing.TB) *GitLab {
	t.Helper()
	g := &GitLab{records: map[string]any{}}
	for _, name := range []string{"get_merge_request", "list_notes", "get_user", "get_branch"} {
		g.records[name] = load[any](t, name+".json")
	}
	g.parameters = load[map[string][]string](t, "parameters.json")
	mux := http.NewServeMux()
	g.Server = newServer(t, forge.GitLab, mux)
	const project = "/projects/{id}"
	const one = project + "/merge_requests/{iid}"
	handlers := map[string]func(http.ResponseWriter, call) answer{
		"GET /user":                                        g.user,
		"GET " + project + "/merge_requests":               g.list,
		"POST " + project + "/merge_requests":              g.createRequest,
		"GET " + one:                                       g.get,
		"PUT " + one:                                       g.edit,
		"GET " + one + "/notes":                            g.listNotes,
		"POST " + one + "/notes":                           g.createNote,
		"PUT " + one + "/notes/{note}":                     g.editNote,
		"DELETE " + one + "/notes/{note}":                  g.deleteNote,
		"GET " + project + "/repository/commits":           g.commits,
		"GET " + project + "/repository/branches/{branch}": g.branch,
	}
	for operation, handle := range handlers {
		method, path, _ := strings.Cut(operation, " ")
		mux.Handle(method+" /api/v4"+path, g.handler(operation, handle))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		g.report("this GitLab has no %s %s", r.Method, r.URL.Path)
		http.NotFound(w, r)
	})
	return g
}

func load[T any](t testing.TB, name string) T {
	t.Helper()
	var v T
	data, err := GitLabRecord(name)
	if err == nil {
		err = json.Unmarshal(data, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (g *GitLab) handler(operation string, handle func(http.ResponseWriter, call) answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, known, err := open(r)
		if err != nil {
			g.report("%s %s: %v", r.Method, r.URL, err)
			return
		}
		allowed, described := g.parameters[operation]
		if !described {
			g.report("GitLab's client has no %s", operation)
		}
		for name := range c.body {
			if !slices.Contains(allowed, name) {
				g.report("%s: GitLab's client knows no field %s", operation, name)
			}
		}
		for name, values := range r.URL.Query() {
			if !slices.Contains(allowed, name) {
				g.report("%s: GitLab's client knows no parameter %s", operation, name)
			}
			if known := gitlabValues()[name]; known != nil && !slices.Contains(known, values[0]) {
				g.report("%s: GitLab knows no %s %q", operation, name, values[0])
			}
		}
		switch {
		case !known:
			write(w, gitlabError(http.StatusUnauthorized, "401 Unauthorized"))
		case r.PathValue("id") != "" && r.PathValue("id") != slug:
			write(w, gitlabError(http.StatusNotFound, "404 Project Not Found"))
		case r.Method != http.MethodGet && c.account != Berth:
			write(w, answer{http.StatusForbidden, map[string]any{
				"error": "insufficient_scope", "error_description": "The request requires higher privileges than provided by the access token.", "scope": "api",
			}})
		default:
			write(w, handle(w, c))
		}
	})
}

// gitlabValues are those that docs.gitlab.com/api lists for both merge requests
// and notes; others are answered with an error.
func gitlabValues() map[string][]string {
	return map[string][]string{
		"state":    {"opened", "closed", "locked", "merged", "all"},
		"order_by": {"created_at", "updated_at"},
		"sort":     {"asc", "desc"},
	}
}

func gitlabError(status int, message any) answer {
	return answer{status, map[string]any{"message": message}}
}

func (g *GitLab) record(name string) map[string]any {
	return clone(g.records[name]).(map[string]any)
}

func (g *GitLab) user(_ http.ResponseWriter, c call) answer {
	u := g.record("get_user")
	u["username"] = string(c.account)
	return answer{http.StatusOK, u}
}

// document makes the recorded merge request this one.
func (g *GitLab) document(p pull) map[string]any {
	d := g.record("get_merge_request")
	d["iid"], d["title"], d["description"] = p.number, p.title, p.body
	d["source_branch"], d["target_branch"], d["sha"] = p.head, p.base, p.commit
	d["labels"] = append([]string{}, p.labels...)
	d["web_url"] = fmt.Sprintf("%s/%s/-/merge_requests/%d", g.http.URL, slug, p.number)
	d["author"].(map[string]any)["username"] = p.author
	d["state"] = map[forge.State]string{forge.Open: "opened", forge.Merged: "merged", forge.Closed: "closed"}[p.state]
	if p.fork {
		d["source_project_id"] = 4711
	}
	return d
}

func (g *GitLab) list(w http.ResponseWriter, c call) answer {
	query := c.URL.Query()
	states := map[string][]forge.State{
		"opened": {forge.Open}, "closed": {forge.Closed}, "merged": {forge.Merged}, "all": {forge.Open, forge.Closed, forge.Merged},
	}[query.Get("state")]
	if !query.Has("source_branch") || !query.Has("target_branch") {
		g.report("all merge requests of the project are listed, for those between two branches")
	}
	all := g.find(query.Get("source_branch"), query.Get("target_branch"), states...)
	if query.Get("sort") == "desc" {
		slices.Reverse(all)
	}
	shown := []any{}
	for _, p := range page(w, c.Request, all) {
		shown = append(shown, g.document(g.look(p)))
	}
	return answer{http.StatusOK, shown}
}

func (g *GitLab) createRequest(_ http.ResponseWriter, c call) answer {
	head, base := c.text("source_branch"), c.text("target_branch")
	if c.text("title") == "" || head == "" || base == "" {
		return answer{http.StatusBadRequest, map[string]any{"error": "title is missing, source_branch is missing, target_branch is missing"}}
	}
	p := g.create(pull{title: c.text("title"), body: c.text("description"), head: head, base: base, author: string(c.account)})
	if p == nil {
		return gitlabError(http.StatusConflict, []string{fmt.Sprintf("Another open merge request already exists for this source branch: !%d",
			g.find(head, base, forge.Open)[0].number)})
	}
	return answer{http.StatusCreated, g.document(g.look(p))}
}

func (g *GitLab) request(c call) *pull { return g.pull(c.number("iid")) }

func gitlabNotFound() answer { return gitlabError(http.StatusNotFound, "404 Not found") }

func (g *GitLab) get(_ http.ResponseWriter, c call) answer {
	p := g.request(c)
	if p == nil {
		return gitlabNotFound()
	}
	return answer{http.StatusOK, g.document(g.look(p))}
}

func (g *GitLab) edit(_ http.ResponseWriter, c call) answer {
	p := g.request(c)
	if p == nil {
		return gitlabNotFound()
	}
	if add := c.text("add_labels"); add != "" {
		g.label(p, strings.Split(add, ","))
	}
	for _, name := range strings.Split(c.text("remove_labels"), ",") {
		g.unlabel(p, name)
	}
	seen := g.change(p, func(p *pull) {
		if c.text("state_event") == "close" && p.state == forge.Open {
			p.state = forge.Closed
		}
		if title, ok := c.body["title"].(string); ok {
			p.title = title
		}
		if text, ok := c.body["description"].(string); ok {
			p.body = text
		}
	})
	return answer{http.StatusOK, g.document(seen)}
}

// noteDocument makes a recorded note this one.
func (g *GitLab) noteDocument(n note, system bool) any {
	d := clone(g.records["list_notes"].([]any)[1]).(map[string]any)
	d["id"], d["body"], d["system"] = n.id, n.body, system
	d["author"].(map[string]any)["username"] = n.author
	return d
}

// listNotes puts one of GitLab's own notes, which bear the name of whoever
// caused them, before those of people: one that could be taken for a review.
func (g *GitLab) listNotes(w http.ResponseWriter, c call) answer {
	p := g.request(c)
	if p == nil {
		return gitlabNotFound()
	}
	shown := []any{}
	for _, n := range page(w, c.Request, append([]note{{author: p.author, body: "<!-- " + mark + " -->\nadded 1 commit"}}, g.comments(p)...)) {
		shown = append(shown, g.noteDocument(n, n.id == 0))
	}
	return answer{http.StatusOK, shown}
}

func (g *GitLab) createNote(_ http.ResponseWriter, c call) answer {
	p := g.request(c)
	if p == nil {
		return gitlabNotFound()
	}
	return answer{http.StatusCreated, g.noteDocument(g.comment(p, string(c.account), c.text("body")), false)}
}

func (g *GitLab) editNote(_ http.ResponseWriter, c call) answer {
	n, found := g.editComment(c.number("note"), c.text("body"))
	if !found {
		return gitlabNotFound()
	}
	return answer{http.StatusOK, g.noteDocument(n, false)}
}

func (g *GitLab) deleteNote(_ http.ResponseWriter, c call) answer {
	if !g.deleteComment(c.number("note")) {
		return gitlabNotFound()
	}
	return answer{http.StatusNoContent, nil}
}

// commits answers whether a range a..b has commits; what they are is not read.
func (g *GitLab) commits(_ http.ResponseWriter, c call) answer {
	base, head, isRange := strings.Cut(c.URL.Query().Get("ref_name"), "..")
	if !isRange || g.repo.tip(base) == "" || g.repo.tip(head) == "" {
		return gitlabNotFound()
	}
	shown := []any{}
	if g.repo.ahead(head, base) {
		shown = append(shown, g.record("get_branch")["commit"])
	}
	return answer{http.StatusOK, shown}
}

func (g *GitLab) branch(_ http.ResponseWriter, c call) answer {
	tip := g.repo.tip(c.PathValue("branch"))
	if tip == "" {
		return gitlabError(http.StatusNotFound, "404 Branch Not Found")
	}
	d := g.record("get_branch")
	d["name"] = c.PathValue("branch")
	d["commit"].(map[string]any)["id"] = tip
	return answer{http.StatusOK, d}
}
