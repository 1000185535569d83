package forgetest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// TestWrongRequests: the stand-ins would be worth nothing if they let these pass.
func TestWrongRequests(t *testing.T) {
	hub, lab := NewGitHub(t), NewGitLab(t)
	var mu sync.Mutex
	var reports []string
	record := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, fmt.Sprintf(format, args...))
	}
	hub.report, lab.report = record, record
	for _, c := range []struct {
		name                      string
		server                    *Server
		method, path, body, agent string
		want                      string
	}{
		{"right", hub.Server, "POST", "/api/v3/repos/acme/gitops/pulls", `{"title":"t","head":"h","base":"main"}`, "berth", ""},
		{"field missing", hub.Server, "POST", "/api/v3/repos/acme/gitops/pulls", `{"title":"t","head":"h"}`, "berth", `property "base" is missing`},
		{"field misspelt", hub.Server, "POST", "/api/v3/repos/acme/gitops/pulls", `{"title":"t","head":"h","base":"main","text":"x"}`, "berth", "no field text"},
		{"wrong type", hub.Server, "POST", "/api/v3/repos/acme/gitops/pulls", `{"title":1,"head":"h","base":"main"}`, "berth", "value must be a string"},
		{"wrong value", hub.Server, "GET", "/api/v3/repos/acme/gitops/pulls?state=opened", "", "berth", "state"},
		{"unknown parameter", hub.Server, "GET", "/api/v3/repos/acme/gitops/pulls?source_branch=x", "", "berth", "no query parameter source_branch"},
		{"head without owner", hub.Server, "GET", "/api/v3/repos/acme/gitops/pulls?head=x", "", "berth", "without its owner"},
		{"number that is none", hub.Server, "GET", "/api/v3/repos/acme/gitops/pulls/x", "", "berth", "pull_number"},
		{"unknown operation", hub.Server, "PUT", "/api/v3/repos/acme/gitops/pulls/1/merge", "", "berth", "no PUT"},
		{"no user agent", hub.Server, "GET", "/api/v3/user", "", "", "lacks a header"},
		{"right", lab.Server, "GET", "/api/v4/projects/acme%2Fgitops/merge_requests?state=opened&source_branch=h&target_branch=main", "", "berth", ""},
		{"no branches", lab.Server, "GET", "/api/v4/projects/acme%2Fgitops/merge_requests?state=opened", "", "berth", "all merge requests"},
		{"wrong value", lab.Server, "GET", "/api/v4/projects/acme%2Fgitops/merge_requests?state=open", "", "berth", `no state "open"`},
		{"unknown parameter", lab.Server, "GET", "/api/v4/projects/acme%2Fgitops/merge_requests?head=x", "", "berth", "no parameter head"},
		{"unknown field", lab.Server, "POST", "/api/v4/projects/acme%2Fgitops/merge_requests", `{"body":"x"}`, "berth", "no field body"},
		{"unknown operation", lab.Server, "PUT", "/api/v4/projects/acme%2Fgitops/merge_requests/1/merge", "", "berth", "no PUT"},
	} {
		reports = nil
		req, err := http.NewRequestWithContext(t.Context(), c.method, c.server.http.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+tokenPrefix+string(Berth))
		req.Header.Set("Accept", "application/vnd.github+json")
		req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
		req.Header.Set("User-Agent", c.agent)
		if c.body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		mu.Lock()
		got := strings.Join(reports, "\n")
		mu.Unlock()
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s %s, %s: reported %q, want %q", c.method, c.path, c.name, got, c.want)
		}
	}
}

// TestWrongAnswer: nor may a stand-in answer what GitHub would not.
func TestWrongAnswer(t *testing.T) {
	g := NewGitHub(t)
	var reports []string
	g.report = func(format string, args ...any) { reports = append(reports, fmt.Sprintf(format, args...)) }
	server := g.handler(http.MethodGet, "/user", func(http.ResponseWriter, call) answer {
		return answer{http.StatusOK, map[string]any{"login": 5}}
	})
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/user", nil)
	req.Header.Set("Authorization", "Bearer "+tokenPrefix+string(Berth))
	server.ServeHTTP(httptest.NewRecorder(), req)
	if !strings.Contains(strings.Join(reports, "\n"), "does not fit GitHub's description") {
		t.Errorf("reported %q", reports)
	}
}
