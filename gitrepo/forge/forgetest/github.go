package forgetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/berth-gitops/berth/gitrepo/forge"
)

// GitHub stands in for a GitHub Enterprise Server. A request or an answer that
// does not fit GitHub's OpenAPI description fails the test.
type GitHub struct {
	*Server
	api *description
	// AppToken makes berth's token one of an app, as GitHub Actions has: it
	// belongs to a bot and may not ask whose it is.
	AppToken bool
}

// NewGitHub starts a GitHub that ends with the test. It needs git.
func NewGitHub(t testing.TB) *GitHub {
	t.Helper()
	g := &GitHub{api: loadDescription(t)}
	mux := http.NewServeMux()
	g.Server = newServer(t, forge.GitHub, mux)
	const repo = "/repos/{owner}/{repo}"
	for _, op := range []struct {
		method, path string
		handle       func(http.ResponseWriter, call) answer
	}{
		{http.MethodGet, "/user", g.user},
		{http.MethodGet, repo + "/pulls", g.listPulls},
		{http.MethodPost, repo + "/pulls", g.createPull},
		{http.MethodGet, repo + "/pulls/{pull_number}", g.getPull},
		{http.MethodPatch, repo + "/pulls/{pull_number}", g.editPull},
		{http.MethodPost, repo + "/issues/{issue_number}/labels", g.addLabels},
		{http.MethodDelete, repo + "/issues/{issue_number}/labels/{name}", g.removeLabel},
		{http.MethodGet, repo + "/issues/{issue_number}/comments", g.listComments},
		{http.MethodPost, repo + "/issues/{issue_number}/comments", g.createComment},
		{http.MethodPatch, repo + "/issues/comments/{comment_id}", g.editComment},
		{http.MethodDelete, repo + "/issues/comments/{comment_id}", g.deleteComment},
	} {
		mux.Handle(op.method+" /api/v3"+op.path, g.handler(op.method, op.path, op.handle))
	}
	mux.HandleFunc("POST /api/graphql", g.viewer)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		g.report("GitHub's description, as far as it is kept here, has no %s %s", r.Method, r.URL.Path)
		http.NotFound(w, r)
	})
	return g
}

// handler holds both sides of an operation to the description.
func (g *GitHub) handler(method, path string, handle func(http.ResponseWriter, call) answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, err := g.api.operation(method, path)
		if err != nil {
			g.report("%v", err)
			return
		}
		c, known, err := open(r)
		if err != nil {
			g.report("%s %s: %v", r.Method, r.URL, err)
			return
		}
		input, err := g.api.request(r, route, c.body)
		if err != nil {
			g.report("GitHub's description refuses %s %s %v: %v", r.Method, r.URL, c.body, err)
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if r.Header.Get("Accept") != "application/vnd.github+json" || r.Header.Get("X-GitHub-Api-Version") == "" || r.UserAgent() == "" {
			g.report("%s %s lacks a header that GitHub asks for: %v", r.Method, r.URL, r.Header)
		}
		got := httptest.NewRecorder()
		write(got, g.answer(got, c, known, handle))
		if err := input.response(got); err != nil {
			g.report("the stand-in's own answer %d to %s %s does not fit GitHub's description: %v", got.Code, r.Method, r.URL, err)
		}
		maps.Copy(w.Header(), got.Header())
		w.WriteHeader(got.Code)
		_, _ = w.Write(got.Body.Bytes())
	})
}

func (g *GitHub) answer(w http.ResponseWriter, c call, known bool, handle func(http.ResponseWriter, call) answer) answer {
	switch {
	case !known:
		return githubError(http.StatusUnauthorized, "Bad credentials")
	case c.PathValue("owner") != "" && c.PathValue("owner")+"/"+c.PathValue("repo") != slug:
		return githubError(http.StatusNotFound, "Not Found")
	case c.Method != http.MethodGet && c.account != Berth:
		return githubError(http.StatusForbidden, "Resource not accessible by personal access token")
	}
	return handle(w, c)
}

func githubError(status int, message string) answer {
	return answer{status, map[string]any{"message": message, "documentation_url": "https://docs.github.com/rest"}}
}

func githubInvalid(fields map[string]any) answer {
	fields["resource"] = "PullRequest"
	return answer{http.StatusUnprocessableEntity, map[string]any{
		"message": "Validation Failed", "errors": []any{fields}, "documentation_url": "https://docs.github.com/rest",
	}}
}

func (g *GitHub) user(_ http.ResponseWriter, c call) answer {
	if g.AppToken && c.account == Berth {
		return githubError(http.StatusForbidden, "Resource not accessible by integration")
	}
	u := g.api.example("private-user-response-with-public-profile-information").(map[string]any)
	u["login"], u["user_view_type"] = g.login(string(c.account)), "public" // the example lacks the discriminator
	return answer{http.StatusOK, u}
}

// viewer is the one question to the GraphQL API, which GitHub's description
// does not describe.
func (g *GitHub) viewer(w http.ResponseWriter, r *http.Request) {
	c, known, err := open(r)
	switch {
	case err != nil || c.text("query") != "{viewer{login}}":
		g.report("GraphQL was asked for %v, %v", c.body, err)
	case !known:
		write(w, githubError(http.StatusUnauthorized, "Bad credentials"))
	default:
		write(w, answer{http.StatusOK, map[string]any{"data": map[string]any{"viewer": map[string]any{"login": g.login(string(c.account))}}}})
	}
}

func (g *GitHub) login(account string) string {
	if g.AppToken && account == string(Berth) {
		return "berth[bot]"
	}
	return account
}

func (g *GitHub) setUser(u any, account string) {
	user := u.(map[string]any)
	user["login"] = g.login(account)
	if strings.HasSuffix(g.login(account), "[bot]") {
		user["type"] = "Bot"
	}
}

func (g *GitHub) listPulls(w http.ResponseWriter, c call) answer {
	query := c.URL.Query()
	states := []forge.State{forge.Open}
	switch query.Get("state") {
	case "closed":
		states = []forge.State{forge.Closed, forge.Merged}
	case "all":
		states = append(states, forge.Closed, forge.Merged)
	}
	owner, head, found := strings.Cut(query.Get("head"), ":")
	if !found || owner != "acme" {
		g.report("head %q: GitHub ignores a head without its owner", query.Get("head"))
	}
	all := g.find(head, query.Get("base"), states...)
	if query.Get("direction") == "desc" {
		slices.Reverse(all)
	}
	example := g.api.example("pull-request-simple-items").([]any)[0]
	shown := []any{}
	for _, p := range page(w, c.Request, all) {
		shown = append(shown, g.pullDocument(example, g.look(p)))
	}
	return answer{http.StatusOK, shown}
}

// pullDocument makes GitHub's example of a pull request this one.
func (g *GitHub) pullDocument(example any, p pull) map[string]any {
	d := clone(example).(map[string]any)
	d["requested_teams"] = []any{} // GitHub's example lacks a field there that its schema requires
	d["number"], d["title"], d["body"] = p.number, p.title, p.body
	d["html_url"] = fmt.Sprintf("%s/%s/pull/%d", g.http.URL, slug, p.number)
	d["state"], d["merged_at"] = "open", nil
	if _, full := d["merged"]; full {
		d["merged"] = p.state == forge.Merged
	}
	if p.body == "" {
		d["body"] = nil
	}
	if p.state != forge.Open {
		d["state"] = "closed"
	}
	if p.state == forge.Merged {
		d["merged_at"] = "2026-01-02T03:04:05Z"
	}
	labels := []any{}
	for i, name := range p.labels {
		labels = append(labels, g.labelDocument(i, name))
	}
	d["labels"] = labels
	g.setUser(d["user"], p.author)
	for side, branch := range map[string]string{"head": p.head, "base": p.base} {
		b := d[side].(map[string]any)
		b["ref"] = branch
		if side == "head" {
			b["sha"] = p.commit
		}
		if p.fork && side == "head" {
			b["repo"].(map[string]any)["id"] = 4711
		}
	}
	return d
}

func (g *GitHub) labelDocument(i int, name string) any {
	d := g.api.example("label-items").([]any)[0].(map[string]any)
	d["id"], d["name"] = i+1, name
	return d
}

func (g *GitHub) createPull(_ http.ResponseWriter, c call) answer {
	head, base := c.text("head"), c.text("base")
	switch {
	case g.repo.tip(head) == "":
		return githubInvalid(map[string]any{"field": "head", "code": "invalid"})
	case g.repo.tip(base) == "":
		return githubInvalid(map[string]any{"field": "base", "code": "invalid"})
	case !g.repo.ahead(head, base):
		return githubInvalid(map[string]any{"code": "custom", "message": "No commits between " + base + " and " + head})
	}
	p := g.create(pull{title: c.text("title"), body: c.text("body"), head: head, base: base, author: string(c.account)})
	if p == nil {
		return githubInvalid(map[string]any{"code": "custom", "message": "A pull request already exists for acme:" + head + "."})
	}
	return answer{http.StatusCreated, g.pullDocument(g.api.example("pull-request"), g.look(p))}
}

func (g *GitHub) getPull(_ http.ResponseWriter, c call) answer {
	p := g.pull(c.number("pull_number"))
	if p == nil {
		return githubError(http.StatusNotFound, "Not Found")
	}
	return answer{http.StatusOK, g.pullDocument(g.api.example("pull-request"), g.look(p))}
}

func (g *GitHub) editPull(_ http.ResponseWriter, c call) answer {
	p := g.pull(c.number("pull_number"))
	if p == nil {
		return githubError(http.StatusNotFound, "Not Found")
	}
	refused := false
	seen := g.change(p, func(p *pull) {
		if c.body["state"] == "closed" {
			refused = p.state == forge.Merged
			if p.state == forge.Open {
				p.state = forge.Closed
			}
		}
		if title, ok := c.body["title"].(string); ok {
			p.title = title
		}
		if body, ok := c.body["body"].(string); ok {
			p.body = body
		}
	})
	if refused {
		return githubInvalid(map[string]any{"field": "state", "code": "invalid"})
	}
	return answer{http.StatusOK, g.pullDocument(g.api.example("pull-request"), seen)}
}

// clone copies a JSON document.
func clone(v any) any {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // it came from JSON
	}
	var copied any
	if err := json.Unmarshal(data, &copied); err != nil {
		panic(err)
	}
	return copied
}
