package forgetest

import (
	"fmt"
	"net/http"
)

func (g *GitHub) addLabels(_ http.ResponseWriter, c call) answer {
	p := g.pull(c.number("issue_number"))
	if p == nil {
		return githubError(http.StatusNotFound, "Not Found")
	}
	var names []string
	for _, l := range c.body["labels"].([]any) {
		names = append(names, l.(string))
	}
	g.label(p, names)
	return g.labelsOf(p)
}

func (g *GitHub) labelsOf(p *pull) answer {
	shown := []any{}
	for i, name := range g.look(p).labels {
		shown = append(shown, g.labelDocument(i, name))
	}
	return answer{http.StatusOK, shown}
}

func (g *GitHub) removeLabel(_ http.ResponseWriter, c call) answer {
	p := g.pull(c.number("issue_number"))
	if p == nil || !g.unlabel(p, c.PathValue("name")) {
		return githubError(http.StatusNotFound, "Label does not exist")
	}
	return g.labelsOf(p)
}

func (g *GitHub) commentDocument(n note) any {
	d := g.api.example("issue-comment").(map[string]any)
	d["id"], d["body"] = n.id, n.body
	d["html_url"] = fmt.Sprintf("%s/%s/pull/0#issuecomment-%d", g.http.URL, slug, n.id)
	g.setUser(d["user"], n.author)
	return d
}

func (g *GitHub) listComments(w http.ResponseWriter, c call) answer {
	p := g.pull(c.number("issue_number"))
	if p == nil {
		return githubError(http.StatusNotFound, "Not Found")
	}
	shown := []any{}
	for _, n := range page(w, c.Request, g.comments(p)) {
		shown = append(shown, g.commentDocument(n))
	}
	return answer{http.StatusOK, shown}
}

func (g *GitHub) createComment(_ http.ResponseWriter, c call) answer {
	p := g.pull(c.number("issue_number"))
	switch {
	case p == nil:
		return githubError(http.StatusNotFound, "Not Found")
	case len([]rune(c.text("body"))) > 65536:
		return githubError(http.StatusUnprocessableEntity, "Body is too long (maximum is 65536 characters)")
	}
	return answer{http.StatusCreated, g.commentDocument(g.comment(p, string(c.account), c.text("body")))}
}

func (g *GitHub) editComment(_ http.ResponseWriter, c call) answer {
	n, found := g.Server.editComment(c.number("comment_id"), c.text("body"))
	if !found {
		return githubError(http.StatusNotFound, "Not Found")
	}
	return answer{http.StatusOK, g.commentDocument(n)}
}

func (g *GitHub) deleteComment(_ http.ResponseWriter, c call) answer {
	if !g.Server.deleteComment(c.number("comment_id")) {
		return githubError(http.StatusNotFound, "Not Found")
	}
	return answer{http.StatusNoContent, nil}
}
