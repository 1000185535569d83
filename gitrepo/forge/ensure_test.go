package forge_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/gitrepo/forge"
	"github.com/berth-gitops/berth/gitrepo/forge/forgetest"
)

func want() forge.Want {
	return forge.Want{Head: "berth/shop", Base: "main", Title: "shop", Body: "text", Labels: []string{"berth"}}
}

// through opens a site's repository with a transport in between.
func through(t *testing.T, s forgetest.Site, rt func(*http.Request) (*http.Response, error)) *forge.Forge {
	t.Helper()
	f, err := forge.New(forge.Options{
		Repository: s.Repository(t), Token: s.Token(t, forgetest.Berth), Client: &http.Client{Transport: transport(rt)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func reply(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
		Body: io.NopCloser(strings.NewReader(body)),
	}
}

// TestLostAnswer: the forge has opened the pull request, and nobody heard.
func TestLostAnswer(t *testing.T) {
	for name, s := range map[string]forgetest.Site{"github": forgetest.NewGitHub(t), "gitlab": forgetest.NewGitLab(t)} {
		t.Run(name, func(t *testing.T) {
			s.Commit(t, "berth/shop")
			var lost atomic.Int32
			f := through(t, s, func(r *http.Request) (*http.Response, error) {
				resp, err := http.DefaultTransport.RoundTrip(r)
				if err == nil && r.Method == http.MethodPost && resp.StatusCode == http.StatusCreated && lost.Add(1) == 1 {
					_ = resp.Body.Close()
					return nil, errors.New("connection reset by peer")
				}
				return resp, err
			})
			pr, outcome, err := f.Ensure(t.Context(), want())
			if err != nil || outcome != forge.Opened || lost.Load() == 0 {
				t.Fatalf("%+v, %s, %v", pr, outcome, err)
			}
			if open := s.OpenPulls(t)["berth/shop"]; len(open) != 1 || open[0] != pr.Number {
				t.Fatalf("the pull requests %d are open, Ensure returned %d", open, pr.Number)
			}
		})
	}
}

// TestUnheardPost: nothing was opened, and nobody heard that either.
func TestUnheardPost(t *testing.T) {
	s := forgetest.NewGitHub(t)
	s.Commit(t, "berth/shop")
	f := through(t, s, func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPost {
			return reply(r, http.StatusBadGateway, "<html>"), nil
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	if pr, _, err := f.Ensure(t.Context(), want()); !errors.Is(err, forge.ErrServer) || pr != nil {
		t.Fatalf("%+v, %v", pr, err)
	}
}

// TestLabelsRefused: the pull request is there all the same.
func TestLabelsRefused(t *testing.T) {
	s := forgetest.NewGitHub(t)
	s.Commit(t, "berth/shop")
	f := through(t, s, func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/labels") {
			return reply(r, http.StatusForbidden, `{"message":"Resource not accessible by integration"}`), nil
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	pr, outcome, err := f.Ensure(t.Context(), want())
	if !errors.Is(err, forge.ErrAuthorization) || pr == nil || pr.Number == 0 || outcome != forge.Opened {
		t.Fatalf("%+v, %s, %v", pr, outcome, err)
	}
}

// TestEndlessConflict: a forge that always says that another one exists, and
// never shows it, ends in a conflict rather than in a loop.
func TestEndlessConflict(t *testing.T) {
	s := forgetest.NewGitHub(t)
	s.Commit(t, "berth/shop")
	posts := 0
	f := through(t, s, func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPost {
			posts++
			return reply(r, http.StatusUnprocessableEntity,
				`{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom","message":"A pull request already exists for acme:berth/shop."}]}`), nil
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	if _, _, err := f.Ensure(t.Context(), want()); !errors.Is(err, forge.ErrConflict) || posts == 0 || posts > 10 {
		t.Fatalf("%v after %d attempts", err, posts)
	}
}

// TestEditConflict: Gitea refuses an edit of a text that has changed since it
// was read inside the server.
func TestEditConflict(t *testing.T) {
	title, edits := "old", 0
	f, err := forge.New(forge.Options{
		Repository: forge.Repository{Kind: forge.Gitea, API: "https://git.example.com/api/v1", Path: "acme/gitops"},
		Token:      gitrepo.NewSecret("x"),
		Client: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPatch {
				if edits++; edits == 1 {
					return reply(r, http.StatusConflict, `{"message":"the issue content has been changed already"}`), nil
				}
				title = "shop"
			}
			doc, err := json.Marshal(map[string]any{
				"number": 5, "state": "open", "title": title, "body": "text", "labels": []any{map[string]any{"id": 1, "name": "berth"}},
				"head": map[string]any{"label": "berth/shop", "repo": map[string]any{"id": 1}}, "base": map[string]any{"label": "main", "repo": map[string]any{"id": 1}},
			})
			return reply(r, http.StatusOK, string(doc)), err
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	pr, outcome, err := f.Ensure(t.Context(), want())
	if err != nil || outcome != forge.Updated || pr.Title != "shop" || edits != 2 {
		t.Fatalf("%+v, %s, %v after %d edits", pr, outcome, err, edits)
	}
}

// TestTextsAsForgesKeepThem: other line ends and lost white space are no change.
func TestTextsAsForgesKeepThem(t *testing.T) {
	s := forgetest.NewGitLab(t)
	s.Commit(t, "berth/shop")
	f := through(t, s, func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(data), `one\ntwo\n`, `one\r\ntwo`)))
		return resp, err
	})
	w := want()
	w.Body = "one\ntwo\n"
	for _, want := range []forge.Outcome{forge.Opened, forge.Unchanged} {
		if pr, outcome, err := f.Ensure(t.Context(), w); err != nil || outcome != want || pr.Body != "one\r\ntwo" {
			t.Fatalf("%+v, %s, %v, want it %s", pr, outcome, err, want)
		}
	}
}

// TestMergedWhileClosing: a person merges between the look and the closing.
func TestMergedWhileClosing(t *testing.T) {
	s := forgetest.NewGitHub(t)
	s.Commit(t, "berth/shop")
	pr, _, err := forgetest.Open(t, s, forgetest.Berth).Ensure(t.Context(), want())
	if err != nil {
		t.Fatal(err)
	}
	f := through(t, s, func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPatch {
			s.Merge(t, pr.Number)
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	if got, err := f.Close(t.Context(), pr.Number); err != nil || got.State != forge.Merged {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestRefusesBeforeSending(t *testing.T) {
	s := forgetest.NewGitHub(t)
	f := through(t, s, func(r *http.Request) (*http.Response, error) {
		t.Errorf("%s %s was sent", r.Method, r.URL)
		return nil, errors.New("no")
	})
	for name, change := range map[string]func(*forge.Want){
		"no head":         func(w *forge.Want) { w.Head = "" },
		"no base":         func(w *forge.Want) { w.Base = "" },
		"same branches":   func(w *forge.Want) { w.Head = w.Base },
		"another owner's": func(w *forge.Want) { w.Head = "mallory:berth/shop" },
		"dots":            func(w *forge.Want) { w.Head = "../../user" },
		"empty part":      func(w *forge.Want) { w.Head = "berth//shop" },
		"range":           func(w *forge.Want) { w.Base = "main..other" },
		"list":            func(w *forge.Want) { w.Base = "main,other" },
		"no title":        func(w *forge.Want) { w.Title = " " },
		"two lines":       func(w *forge.Want) { w.Title = "a\nb" },
		"empty label":     func(w *forge.Want) { w.Labels = []string{""} },
		"two labels":      func(w *forge.Want) { w.Labels = []string{"a,b"} },
	} {
		w := want()
		change(&w)
		if _, _, err := f.Ensure(t.Context(), w); !errors.Is(err, forge.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.Find(t.Context(), "a b", "main"); !errors.Is(err, forge.ErrInvalid) {
		t.Error(err)
	}
}

// TestGitLabRecords reads what GitLab really answered.
func TestGitLabRecords(t *testing.T) {
	f, err := forge.New(forge.Options{
		Repository: forge.Repository{Kind: forge.GitLab, API: "https://gitlab.com/api/v4", Path: "gitlab-org/gitlab"},
		Token:      gitrepo.NewSecret("x"),
		Client: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			name := "get_merge_requests.json"
			if strings.HasSuffix(r.URL.EscapedPath(), "/projects/gitlab-org%2Fgitlab/merge_requests/14656") {
				name = "get_merge_request.json"
			}
			data, err := forgetest.GitLabRecord(name)
			return reply(r, http.StatusOK, string(data)), err
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Get(t.Context(), 14656)
	if err != nil {
		t.Fatal(err)
	}
	if got.Number != 14656 || got.State != forge.Open || got.Title != "Add deletion support for designs" || got.Head != "delete-designs-v2" ||
		got.Base != "master" || got.HeadCommit != "8e0b45049b6253b8984cde9241830d2851168142" || got.Author != "alexkalderimis" ||
		len(got.Labels) != 9 || got.URL != "https://gitlab.com/gitlab-org/gitlab-ee/merge_requests/14656" ||
		!strings.HasPrefix(got.Body, "## What does this MR do?\r\n") {
		t.Errorf("%+v", got)
	}
	found, err := f.Find(t.Context(), "use-structured-logging-for-db-load-balancer", "master")
	if err != nil || found.Number != 15442 {
		t.Errorf("%+v, %v", found, err)
	}
}
