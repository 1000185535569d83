package gitrepo

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestTreeIsAFileSystem(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := newBare(t)
			seed(t, dir, "main", map[string]string{
				"a.b": "2", "a/c": "", "berth.yaml": "x", "deep/er/still/f": "f", "100755 run.sh": "#!", "a-b/x": "", "a0/x": "",
			})
			tree, err := road.open(t, dir).Tip(context.Background(), "main")
			if err != nil {
				t.Fatal(err)
			}
			if err := fstest.TestFS(tree, "a.b", "a/c", "berth.yaml", "deep/er/still/f", "run.sh", "a-b/x", "a0/x"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestModes(t *testing.T) {
	dir := newBare(t)
	commit := seed(t, dir, "main", map[string]string{
		"file": "12345", "100755 run": "x", "120000 link": "../../etc/passwd", "120000 dirlink": "folder", "folder/f": "x",
		"160000 module": strings.Repeat("1", 40),
	})
	tree, err := open(t, dir, Options{}).At(context.Background(), commit)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		mode fs.FileMode
		size int64
	}{
		".": {fs.ModeDir | 0o755, 0}, "file": {0o644, 5}, "run": {0o755, 1}, "folder": {fs.ModeDir | 0o755, 0},
		"link": {fs.ModeSymlink | 0o777, 16}, "module": {fs.ModeIrregular, 0},
	} {
		got, err := fs.Stat(tree, name)
		if err != nil {
			t.Fatal(err)
		}
		if got.Mode() != want.mode || got.Size() != want.size {
			t.Errorf("%s: mode %v size %d, want %v", name, got.Mode(), got.Size(), want)
		}
	}
	if target, err := fs.ReadLink(tree, "link"); err != nil || target != "../../etc/passwd" {
		t.Errorf("link: %q %v", target, err)
	}
	for name, want := range map[string]error{
		"link": ErrLink, "dirlink/f": ErrLink, "module": ErrLink, "module/x": ErrLink,
		"nothing": fs.ErrNotExist, "file/x": fs.ErrNotExist, "folder/none": fs.ErrNotExist, "../x": fs.ErrInvalid, "/file": fs.ErrInvalid,
	} {
		if _, err := fs.ReadFile(tree, name); !errors.Is(err, want) {
			t.Errorf("read %s: %v, want %v", name, err, want)
		}
		if _, err := tree.Open(name); !errors.Is(err, want) {
			t.Errorf("open %s: %v, want %v", name, err, want)
		}
	}
	if _, err := fs.ReadFile(tree, "folder"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("read a folder: %v", err)
	}
	if _, err := fs.ReadDir(tree, "file"); err == nil {
		t.Error("a file was listed")
	}
	info, err := fs.Stat(tree, "file")
	if err != nil {
		t.Fatal(err)
	}
	if id, _ := info.Sys().(Hash); id.String() != git(t, dir, "rev-parse", "main:file") {
		t.Errorf("id %v", id)
	}
}

func TestRevisions(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := newBare(t)
			ctx := context.Background()
			if tree, err := road.open(t, dir).Tip(ctx, "main"); err != nil || !tree.Commit().IsZero() || len(read(t, tree)) != 0 {
				t.Fatalf("empty repository: %v %v", tree, err)
			}
			if _, err := road.open(t, dir).At(ctx, "main"); !errors.Is(err, ErrRevisionNotFound) {
				t.Errorf("revision of an empty repository: %v", err)
			}
			first := seed(t, dir, "main", map[string]string{"f": "one"})
			git(t, dir, "tag", "light", "main")
			git(t, dir, "tag", "-m", "x", "heavy", "main")
			second := seed(t, dir, "main", map[string]string{"f": "two"})
			seed(t, dir, "dir/light", map[string]string{"f": "three"})
			git(t, dir, "update-ref", "refs/pull/1/head", first)
			r := road.open(t, dir)
			for rev, want := range map[string]string{
				"main": second, "light": first, "heavy": first, "dir/light": git(t, dir, "rev-parse", "dir/light"),
				"HEAD": second, "refs/heads/main": second, "refs/pull/1/head": first, second: second,
			} {
				tree, err := r.At(ctx, rev)
				if err != nil {
					t.Fatalf("%s: %v", rev, err)
				}
				if tree.Commit().String() != want || read(t, tree)["f"] == "" {
					t.Errorf("%s is %v, want %v", rev, tree.Commit(), want)
				}
			}
			for _, rev := range []string{"none", strings.Repeat("1", 40), "../x", "a b", "-x", "", "x.lock", "main@{1}"} {
				if _, err := r.At(ctx, rev); !errors.Is(err, ErrRevisionNotFound) {
					t.Errorf("%q: %v", rev, err)
				}
			}
			if _, err := r.Tip(ctx, "none"); !errors.Is(err, ErrRevisionNotFound) || !strings.Contains(err.Error(), "main") {
				t.Errorf("missing branch: %v", err)
			}
			if _, err := r.Update(ctx, "none", write("x", map[string]string{"a": "b"})); !errors.Is(err, ErrRevisionNotFound) {
				t.Errorf("update of a missing branch: %v", err)
			}
		})
	}
}

// counter counts requests that reach the server.
type counter struct{ get, fetch, push atomic.Int64 }

func (c *counter) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet:
			c.get.Add(1)
		case strings.HasSuffix(r.URL.Path, receivePack):
			c.push.Add(1)
		default:
			c.fetch.Add(1)
		}
		h.ServeHTTP(w, r)
	})
}

func (c *counter) take() [3]int64 { return [3]int64{c.get.Swap(0), c.fetch.Swap(0), c.push.Swap(0)} }

func TestRoundTrips(t *testing.T) {
	dir := fleet(t, 30)
	var c counter
	r := open(t, serveHTTP(t, dir, c.wrap).url(dir), Options{})
	ctx := context.Background()
	expect := func(what string, get, fetch, push int64) {
		t.Helper()
		if d := cmp.Diff([3]int64{get, fetch, push}, c.take()); d != "" {
			t.Errorf("%s: requests (capabilities, fetch, push): %s", what, d)
		}
	}
	tree, err := r.Tip(ctx, "main")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.ReadFile("berth.yaml"); err != nil {
		t.Fatal(err)
	}
	if list, err := tree.ReadDir("projects"); err != nil || len(list) != 30 {
		t.Fatal(len(list), err)
	}
	expect("tip, settings and project list", 1, 2, 0) // refs, then commit and top folders

	err = tree.Prefetch(ctx, "projects/project-00001", "tenants/home/project-00001", "fleet/*/project-00001.yaml", "none/x", "projects/none")
	if err != nil {
		t.Fatal(err)
	}
	expect("prefetch of one project", 0, 2, 0) // tenants/home and fleet/home, then all below
	for path := range projectFiles("project-00001") {
		if _, err := tree.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	expect("prefetched files", 0, 0, 0)

	if err := tree.Prefetch(ctx, "projects/*/project.yaml"); err != nil {
		t.Fatal(err)
	}
	expect("prefetch of all projects", 0, 2, 0)
	for _, p := range []string{"projects/project-00007/project.yaml", "projects/project-00029/project.yaml"} {
		if _, err := tree.ReadFile(p); err != nil {
			t.Fatal(err)
		}
	}
	expect("all projects", 0, 0, 0)

	for i, id := range []string{"new-one", "new-two"} {
		if _, err := r.Update(ctx, "main", write("Create", newProject(id))); err != nil {
			t.Fatal(err)
		}
		expect(id, 0, 0, 1)
		_ = i
	}
	seed(t, dir, "main", map[string]string{"projects/other/project.yaml": "x"})
	if _, err := r.Update(ctx, "main", write("Create", newProject("new-three"))); err != nil {
		t.Fatal(err)
	}
	expect("after somebody else's push", 0, 2, 2)
}
