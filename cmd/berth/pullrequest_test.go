package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/gitrepo/forge/forgetest"
)

// standIn is a forge that answers like one of a kind, Git included.
type standIn interface {
	forgetest.Site
	Address() string
}

// newProposer is a user whose changes become pull requests on a forge.
func newProposer(t *testing.T, s standIn) *user {
	t.Helper()
	h := http.Header{}
	s.Token(t, forgetest.Berth).Authorize(h, "Bearer")
	token := strings.TrimPrefix(h.Get("Authorization"), "Bearer ")
	kind := s.Repository(t).Kind
	u := newUser(t, s.Address())
	u.env = append(u.env, "BERTH_GIT_USERNAME=berth", "BERTH_GIT_PASSWORD="+token,
		"BERTH_FORGE="+string(kind), strings.ToUpper(string(kind))+"_TOKEN="+token+"\n") // as secrets that become variables often end
	u.must("init", "--cluster", "home", "--flux-url", "https://git.example.com/f.git")
	return u
}

// proposal is what berth prints about a change that became a pull request.
type proposal struct {
	Changed     bool
	Commit      string
	PullRequest *struct {
		Number  int64
		Outcome string
	}
}

// proposal runs a command with --pull-request.
func (u *user) proposal(args ...string) proposal {
	u.t.Helper()
	var p proposal
	out := u.must(append(args, "--pull-request", "-o", "json")...)
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &p); err != nil {
		u.t.Fatalf("%v\n%s", err, out)
	}
	return p
}

// propose wants this to become of the pull request.
func (u *user) propose(outcome string, args ...string) proposal {
	u.t.Helper()
	p := u.proposal(args...)
	if p.PullRequest == nil || p.PullRequest.Outcome != outcome {
		u.t.Fatalf("berth %s: %+v, want the pull request %s", strings.Join(args, " "), p.PullRequest, outcome)
	}
	return p
}

func tipOf(t *testing.T, s standIn, branch string) string {
	t.Helper()
	repo, err := gitrepo.Open(t.Context(), s.Address(), gitrepo.Options{Username: "berth", Password: s.Token(t, forgetest.Berth)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = repo.Close() }()
	tip, err := repo.Tip(t.Context(), branch)
	if err != nil {
		t.Fatal(err)
	}
	return tip.Commit().String()
}

func image(id, version string) []string {
	return []string{"create", "project", id, "--owner", "alice", "--image", "ghcr.io/alice/" + id + ":" + version, "--env", "production"}
}

// TestPullRequests is the life of a project's pull requests on each forge.
func TestPullRequests(t *testing.T) {
	for name, s := range map[string]standIn{"github": forgetest.NewGitHub(t), "gitlab": forgetest.NewGitLab(t)} {
		t.Run(name, func(t *testing.T) {
			u := newProposer(t, s)
			opened := u.propose("opened", image("shop", "v1")...)
			if out := u.must("get", "projects"); strings.Contains(out, "shop") {
				t.Errorf("shop is on main before anybody merged it:\n%s", out)
			}
			if again := u.propose("unchanged", image("shop", "v1")...); again.Changed || again.Commit != opened.Commit {
				t.Errorf("the same again: %+v", again)
			}
			if moved := u.propose("updated", image("shop", "v2")...); !moved.Changed || moved.PullRequest.Number != opened.PullRequest.Number {
				t.Errorf("another image: %+v", moved)
			}
			u.propose("opened", image("blog", "v1")...)
			s.Merge(t, opened.PullRequest.Number)
			if out := u.must("create", "project", "shop", "--image", "ghcr.io/alice/shop:v2", "--pull-request"); !strings.Contains(out, "nothing to change") {
				t.Errorf("after the merge:\n%s", out)
			}

			next := u.propose("opened", image("shop", "v3")...)
			if next.PullRequest.Number == opened.PullRequest.Number {
				t.Errorf("the merged pull request came again: %+v", next)
			}
			u.propose("updated", "delete", "project", "shop", "--yes")
			u.propose("closed", image("shop", "v2")...)
			if open := s.OpenPulls(t); len(open["berth/shop"]) != 0 || len(open["berth/blog"]) != 1 {
				t.Errorf("open: %v", open)
			}
			main := tipOf(t, s, "main")
			if again := u.proposal(image("shop", "v2")...); again.Changed || again.PullRequest != nil || again.Commit != main {
				t.Errorf("with nothing to change, and main at %s: %+v", main, again)
			}
			u.propose("opened", image("shop", "v4")...)
		})
	}
}

// TestPullRequestLabels: the labels say what a pull request changes, and go with it.
func TestPullRequestLabels(t *testing.T) {
	s := forgetest.NewGitHub(t)
	u := newProposer(t, s)
	u.env = append(u.env, "BERTH_PASSWORD=ghp_alice")
	u.must(append(image("blog", "v1"), "--username", "alice")...)
	f := forgetest.Open(t, s, forgetest.Berth)
	for _, c := range []struct {
		outcome string
		args    []string
		want    []string
	}{
		{"opened", append(image("shop", "v1"), "--username", "alice"), []string{"berth", "berth/secret"}},
		{"opened", append(image("blog", "v2"), "--username", "alice"), []string{"berth"}},
		{"updated", []string{"delete", "project", "blog", "--yes"}, []string{"berth", "berth/delete"}},
	} {
		pr, err := f.Get(t.Context(), u.propose(c.outcome, c.args...).PullRequest.Number)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(pr.Labels)
		if !slices.Equal(pr.Labels, c.want) {
			t.Errorf("berth %s: labels %q, want %q", strings.Join(c.args, " "), pr.Labels, c.want)
		}
	}
}

// TestProposalGrows: another change adds to what is proposed already, until its pull
// request is closed.
func TestProposalGrows(t *testing.T) {
	s := forgetest.NewGitHub(t)
	u := newProposer(t, s)
	change := func(id string, flags ...string) []string { return append([]string{"create", "project", id}, flags...) }
	holds := func(id string, words ...string) {
		t.Helper()
		spec := u.must("get", "projects", id, "-o", "json", "--branch", "berth/"+id)
		for _, word := range words {
			if !strings.Contains(spec, word) {
				t.Errorf("no %s in what is proposed for %s:\n%s", word, id, spec)
			}
		}
	}
	u.must(image("shop", "v1")...)
	opened := u.propose("opened", change("shop", "--image", "ghcr.io/alice/shop:v2")...)
	u.propose("updated", change("shop", "--port", "9090")...)
	holds("shop", "shop:v2", "9090")

	// What the base has got since stays, and what it has changed itself.
	u.must(change("shop", "--env", "staging")...)
	u.propose("updated", change("shop", "--port", "9091")...)
	holds("shop", "shop:v2", "9091", "production", "staging")

	// A token that is sealed there already is not needed again.
	u.must(image("blog", "v1")...)
	u.env = append(u.env, "BERTH_PASSWORD=ghp_alice")
	u.propose("opened", change("blog", "--username", "alice")...)
	u.env = u.env[:len(u.env)-1]
	u.propose("updated", change("blog", "--port", "9090")...)
	holds("blog", `"username": "alice"`, "9090")
	u.must("verify", "--base", "main", "--branch", "berth/blog")

	// A new project is its owner's from the first proposal on.
	u.propose("opened", image("site", "v1")...)
	u.propose("updated", change("site", "--port", "9090")...)
	holds("site", "site:v1", "9090")
	if out, status := u.berth(append(change("site", "--owner", "bob"), "--pull-request")...); status != 1 || !strings.Contains(out, "belongs to alice") {
		t.Errorf("another owner: exit status %d\n%s", status, out)
	}
	spec := filepath.Join(t.TempDir(), "site.yaml")
	text := "apiVersion: berth/v1alpha1\nkind: Project\nmetadata: {name: site}\nspec:\n  owner: bob\n  image: ghcr.io/bob/site:v1\n" +
		"  environments: [{name: production}]\n"
	if err := os.WriteFile(spec, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, status := u.berth("create", "project", "-f", spec, "--pull-request"); status != 1 || !strings.Contains(out, "belongs to alice") {
		t.Errorf("another owner's file: exit status %d\n%s", status, out)
	}

	if _, err := forgetest.Open(t, s, forgetest.Berth).Close(t.Context(), opened.PullRequest.Number); err != nil {
		t.Fatal(err)
	}
	u.propose("opened", change("shop", "--port", "9092")...)
	holds("shop", "shop:v1", "9092")
}

// TestReviewComment: the comment names the commit that it is about, since the next one may
// come before the next review does. What others comment changes no status.
func TestReviewComment(t *testing.T) {
	s := forgetest.NewGitHub(t)
	u := newProposer(t, s)
	opened := u.propose("opened", image("shop", "v1")...)
	number := opened.PullRequest.Number
	args := []string{"review", "--base", "main", "--head", opened.Commit, "--comment", strconv.FormatInt(number, 10)}
	u.must(args...)
	if got := s.Comments(t, number); len(got) != 1 || !strings.Contains(got[0], "## berth review of `"+opened.Commit[:12]+"`\n") {
		t.Errorf("comments: %q, want one about %s", got, opened.Commit)
	}

	flood := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "["+strings.Repeat(`{"body":"`+strings.Repeat("x", 1<<20)+`"},`, 9)+"{}]")
	}))
	t.Cleanup(flood.Close)
	u.env = append(u.env, "BERTH_FORGE_API="+flood.URL)
	out := u.must(args...)
	for _, want := range []string{"ghcr.io/alice/shop:v1", "✔ nothing blocking", "! the review is not in a comment: github: GET "} {
		if !strings.Contains(out, want) {
			t.Errorf("with too many comments, no %q:\n%s", want, out)
		}
	}
}

// TestPersonPushesWhileClosing: the branch of a pull request that has nothing left to
// change is deleted, but not from under somebody who has just pushed to it.
func TestPersonPushesWhileClosing(t *testing.T) {
	s := forgetest.NewGitHub(t)
	u := newProposer(t, s)
	u.must(image("shop", "v1")...)
	u.propose("opened", image("shop", "v2")...)

	target, err := url.Parse(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	target.Path = ""
	tip := ""
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if tip == "" {
			tip = s.Commit(t, "berth/shop")
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	u.env = append(u.env, "BERTH_FORGE_API="+server.URL+"/api/v3")
	u.propose("closed", image("shop", "v1")...)
	if now := tipOf(t, s, "berth/shop"); now != tip {
		t.Errorf("the branch is at %s, want it at the person's commit %s", now, tip)
	}
}

// TestClusterOfAProjectsName: a cluster's pull request and a project's never share a branch.
func TestClusterOfAProjectsName(t *testing.T) {
	s := forgetest.NewGitHub(t)
	u := newProposer(t, s)
	file := filepath.Join(t.TempDir(), "token")
	last := len(u.env) - 1 // the forge's token
	_, token, _ := strings.Cut(u.env[last], "=")
	write(t, file, token)
	u.env = u.env[:last]
	u.propose("opened", append(image("cluster-away", "v1"), "--forge-token-file", file)...)
	u.env = u.env[:last+1]
	u.must("init", "--cluster", "away", "--flux-url", "https://git.example.com/f.git", "--pull-request")
	if open := s.OpenPulls(t); len(open) != 2 {
		t.Errorf("open: %v", open)
	}
}

// TestForgeTokenInTheOpen: a person hears without --verbose that a token travels unencrypted.
func TestForgeTokenInTheOpen(t *testing.T) {
	t.Setenv("GITEA_TOKEN", "0123456789abcdef")
	for address, want := range map[string]bool{"http://git.example.com/acme/gitops": true, "https://git.example.com/acme/gitops": false, "http://127.0.0.1:3000/acme/gitops": false} {
		var errs strings.Builder
		g := &globals{ui: newUI(streams{Err: &errs}), repo: address}
		if _, err := (&forgeOptions{kind: "gitea"}).open(g); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(errs.String(), "unencrypted"); got != want || strings.Contains(errs.String(), "0123456789") {
			t.Errorf("%s: %q", address, errs.String())
		}
	}
}
