package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExamples runs berth on examples/shop.yaml over what examples/fleet holds: nothing
// may change. With -update it writes examples/fleet. The keys in testdata/example are
// thrown away with every example: they open nothing else.
func TestExamples(t *testing.T) {
	const fleet = "../../examples/fleet"
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=Carol", "GIT_AUTHOR_EMAIL=carol@example.com",
			"GIT_COMMITTER_NAME=Carol", "GIT_COMMITTER_EMAIL=carol@example.com")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	git("init", "-q", "--bare", "-b", "main", "fleet.git")
	want := readTree(t, fleet)
	if len(want) > 0 {
		git("init", "-q", "-b", "main", "work")
		if err := os.CopyFS(filepath.Join(dir, "work"), os.DirFS(fleet)); err != nil {
			t.Fatal(err)
		}
		git("-C", "work", "add", "--all")
		git("-C", "work", "commit", "-q", "-m", "The example as it stands")
		git("-C", "work", "push", "-q", "../fleet.git", "main")
	}
	u := newUser(t, filepath.Join(dir, "fleet.git"))
	u.env = append(u.env, "BERTH_PASSWORD=ghp_the-token-of-an-example", "BERTH_KEY_FILE=testdata/example/berth.key")
	u.must("init", "--cluster", "home", "--flux-url", "https://git.example.com/platform/fleet.git", "--platform-key-file", "testdata/example/home.agekey")
	u.must("create", "project", "-f", "../../examples/shop.yaml")
	u.must("verify")
	git("clone", "-q", "fleet.git", "result")
	got := readTree(t, filepath.Join(dir, "result"))
	if *update {
		if err := os.RemoveAll(fleet); err != nil {
			t.Fatal(err)
		}
		for name, text := range got {
			file := filepath.Join(fleet, name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("examples/fleet is not what berth makes of examples/shop.yaml; run go test ./cmd/berth -update (-want +got):\n%s", diff)
	}
}

func readTree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) || err == nil && d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		files[strings.TrimPrefix(filepath.ToSlash(name), filepath.ToSlash(root)+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
