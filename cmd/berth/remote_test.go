package main

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// user is somebody who runs berth with an environment of her own.
type user struct {
	t       *testing.T
	program string
	env     []string
}

func newUser(t *testing.T, repo string) *user {
	home := t.TempDir()
	return &user{t: t, program: berthProgram(t), env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_CONFIG_HOME=" + home, "BERTH_REPO=" + repo,
	}}
}

// berth runs the program and returns what it printed and its exit status.
func (u *user) berth(args ...string) (string, int) {
	u.t.Helper()
	cmd := exec.Command(u.program, args...)
	cmd.Env = u.env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		u.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (u *user) must(args ...string) string {
	u.t.Helper()
	out, status := u.berth(args...)
	if status != 0 {
		u.t.Fatalf("berth %s: exit status %d\n%s", strings.Join(args, " "), status, out)
	}
	return out
}

// serveGit is git's own HTTP server of an empty fleet.git in root, with a password.
func serveGit(t *testing.T) (server *httptest.Server, root string) {
	root = t.TempDir()
	execPath, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q", "--bare", "-b", "main", "fleet.git"}, {"-C", "fleet.git", "config", "http.receivepack", "true"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(execPath)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=carol"},
	}
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name, password, _ := r.BasicAuth(); name != "carol" || password != "open sesame" {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server, root
}

// TestOverHTTP writes and reads through an HTTP server.
func TestOverHTTP(t *testing.T) {
	server, root := serveGit(t)
	u := newUser(t, server.URL+"/fleet.git")
	out, status := u.berth("get", "projects")
	if status != 1 || !strings.Contains(out, "--git-password-file or BERTH_GIT_PASSWORD") {
		t.Errorf("without a password: exit status %d\n%s", status, out)
	}
	u.env = append(u.env, "BERTH_GIT_USERNAME=carol", "BERTH_GIT_PASSWORD=open sesame")
	u.must("init", "--cluster", "home", "--flux-url", "https://git.example.com/f.git")
	u.must("create", "project", "shop", "--owner", "alice", "--image", "nginx:1.27", "--env", "production")
	if out := u.must("create", "project", "shop"); !strings.Contains(out, "nothing to change") {
		t.Errorf("the second run said:\n%s", out)
	}
	if out := u.must("get", "projects"); !strings.Contains(out, "alice") {
		t.Errorf("get projects printed:\n%s", out)
	}
	u.must("export", "shop", "production")
	u.must("verify")

	clone := filepath.Join(t.TempDir(), "clone")
	git := func(args ...string) {
		t.Helper()
		args = append([]string{"-C", root, "-c", "user.name=Carol", "-c", "user.email=carol@example.com"}, args...)
		if out, err := exec.Command("git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	git("clone", "-q", "fleet.git", clone)

	// The commits of a change are fetched, and those that they were made on.
	git("-C", clone, "checkout", "-qb", "topic")
	for _, text := range []string{"one", "ghp_" + strings.Repeat("a", 36), "three"} {
		write(t, filepath.Join(clone, "notes"), text)
		git("-C", clone, "add", "notes")
		git("-C", clone, "commit", "-qm", "Add notes")
	}
	git("-C", clone, "push", "-q", "origin", "topic")
	if out, status := u.berth("verify", "--base", "main", "--head", "topic"); status != 3 || !strings.Contains(out, "notes:1: token: looks like a GitHub token, in commit ") {
		t.Errorf("a token between: exit status %d\n%s", status, out)
	}

	// A folder whose name looks like a pattern is in nobody's way.
	git("-C", clone, "checkout", "-q", "main")
	git("-C", clone, "mv", "projects/shop/base", "projects/[shop")
	git("-C", clone, "commit", "-qm", "A strange folder")
	git("-C", clone, "push", "-q")
	if out := u.must("get", "projects"); !strings.Contains(out, "alice") {
		t.Errorf("get projects printed:\n%s", out)
	}
	if out := u.must("create", "project", "shop"); !strings.Contains(out, "add projects/shop/base/deployment.yaml") {
		t.Errorf("create made nothing whole:\n%s", out)
	}
	u.must("create", "project", "blog", "--owner", "bob", "--image", "nginx:1.27", "--env", "production")
	if out := u.must("delete", "project", "blog", "--yes"); !strings.Contains(out, "namespace project-blog-production on cluster home goes") {
		t.Errorf("delete printed:\n%s", out)
	}

	// A rule of the server's is told in the server's words, and not tried again.
	hook := filepath.Join(root, "fleet.git", "hooks", "pre-receive")
	if err := os.WriteFile(hook, []byte("#!/bin/sh\necho only the release train may push\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, status = u.berth("create", "project", "shop", "--image", "nginx:1.28")
	if status != 1 || !strings.Contains(out, "only the release train may push") {
		t.Errorf("refused by a hook: exit status %d\n%s", status, out)
	}
}

// TestOverHTTPS trusts the authority that is named, and keeps what it fetched.
func TestOverHTTPS(t *testing.T) {
	server, _ := serveGit(t)
	u := newUser(t, server.URL+"/fleet.git")
	u.env = append(u.env, "BERTH_GIT_USERNAME=carol", "BERTH_GIT_PASSWORD=open sesame")
	u.must("init", "--cluster", "home", "--flux-url", "https://git.example.com/f.git")

	cache := t.TempDir()
	u.must("get", "projects", "--cache-dir", cache)
	if kept, err := os.ReadDir(cache); err != nil || len(kept) == 0 {
		t.Errorf("--cache-dir keeps nothing: %v", err)
	}
	secure := httptest.NewTLSServer(server.Config.Handler)
	t.Cleanup(secure.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	write(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	if out, status := u.berth("get", "projects", "--repo", secure.URL+"/fleet.git"); status != 1 || !strings.Contains(out, "certificate") {
		t.Errorf("an unknown authority: exit status %d\n%s", status, out)
	}
	u.must("get", "projects", "--repo", secure.URL+"/fleet.git", "--git-ca-file", ca)
}

// TestManyAtOnce lets several processes create projects on one branch: nobody's is lost.
func TestManyAtOnce(t *testing.T) {
	u := newUser(t, filepath.Join(t.TempDir(), "fleet.git"))
	u.must("init", "--cluster", "home", "--flux-url", "https://git.example.com/f.git")
	const creators = 6
	var work sync.WaitGroup
	for i := range creators {
		work.Go(func() {
			out, status := u.berth("create", "project", fmt.Sprintf("shop%d", i), "--owner", "alice", "--image", "nginx:1.27", "--env", "production")
			if status != 0 {
				t.Errorf("creator %d: exit status %d\n%s", i, status, out)
			}
		})
	}
	work.Wait()
	if out := u.must("get", "projects"); strings.Count(out, "shop") != creators {
		t.Errorf("projects:\n%s", out)
	}
	count, err := exec.Command("git", "-C", strings.TrimPrefix(u.env[3], "BERTH_REPO="), "rev-list", "--count", "--first-parent", "main").Output()
	if got := strings.TrimSpace(string(count)); err != nil || got != fmt.Sprint(creators+1) {
		t.Errorf("%s commits in a line, want %d: %v", got, creators+1, err)
	}
}
