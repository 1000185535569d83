package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-gitops/berth/internal/project"
)

// inside runs berth in this process, on a new repository, and wants it to succeed.
func inside(t *testing.T) (berth func(args ...string), g *globals) {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{
		"HOME": dir, "XDG_CONFIG_HOME": filepath.Join(dir, "config"), "GIT_CONFIG_NOSYSTEM": "1",
		"BERTH_REPO": filepath.Join(dir, "fleet.git"), "BERTH_KEY": "", "BERTH_KEY_FILE": "", "BERTH_PASSWORD": "",
	} {
		t.Setenv(name, value)
	}
	berth = func(args ...string) {
		t.Helper()
		var said bytes.Buffer
		if code := run(t.Context(), streams{strings.NewReader(""), &said, &said}, args); code != exitOK {
			t.Fatalf("berth %s: exit status %d\n%s", strings.Join(args, " "), code, said.String())
		}
	}
	berth("init", "--cluster", "home", "--flux-url", "https://git.example.com/fleet.git")
	g = &globals{ui: newUI(streams{nil, io.Discard, io.Discard}), repo: filepath.Join(dir, "fleet.git"), branch: "main"}
	g.git.author = "berth <berth@localhost>"
	return berth, g
}

// TestDeleteOnlyWhatWasShown changes a project between the question and the answer: what
// nobody was shown does not go.
func TestDeleteOnlyWhatWasShown(t *testing.T) {
	berth, g := inside(t)
	create := []string{"create", "project", "race", "--owner", "alice", "--image", "nginx:1.27", "--env"}
	berth(append(create, "staging")...)
	steps, err := g.steps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][]string{
		"an environment": append(create, "production"),
		"another image":  {"create", "project", "race", "--image", "nginx:1.28"},
	} {
		shown, err := steps.PlanDelete(t.Context(), "race", nil, false)
		if err != nil {
			t.Fatal(err)
		}
		berth(change...)
		if _, err := steps.Delete(t.Context(), shown); !errors.Is(err, project.ErrChanged) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := steps.List(t.Context(), "race"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r := explain(context.Background(), project.ErrChanged); len(r.Hints) != 1 {
			t.Errorf("hints %q", r.Hints)
		}
	}
	shown, err := steps.PlanDelete(t.Context(), "race", []string{"production"}, false)
	if err != nil {
		t.Fatal(err)
	}
	berth("create", "project", "other", "--owner", "bob", "--image", "nginx:1.27", "--env", "staging")
	if done, err := steps.Delete(t.Context(), shown); err != nil || len(done.Namespaces) != 1 || done.Commit == "" {
		t.Errorf("a neighbour's change: %+v, %v", done, err)
	}
}
