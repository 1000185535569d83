package gitrepo

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cacheFiles returns the files of a cache.
func cacheFiles(t testing.TB, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCacheSparesFetches(t *testing.T) {
	for _, filter := range []string{"true", "false"} {
		t.Run("filter "+filter, func(t *testing.T) {
			dir := fleet(t, 190)
			git(t, dir, "config", "uploadpack.allowFilter", filter)
			var c counter
			url, ctx := serveHTTP(t, dir, c.wrap).url(dir), context.Background()
			o := Options{CacheDir: t.TempDir()}
			look := func() map[string]string {
				tree, err := open(t, url, o).Tip(ctx, "main")
				if err != nil {
					t.Fatal(err)
				}
				sub, err := fs.Sub(tree, "projects/project-00007")
				if err != nil {
					t.Fatal(err)
				}
				return read(t, sub)
			}
			want := look()
			c.take()
			if d := cmp.Diff(want, look()); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff([3]int64{0, 1, 0}, c.take()); d != "" {
				t.Errorf("requests of a second process (refs): %s", d)
			}
			for _, id := range []string{"first", "second"} {
				if _, err := open(t, url, o).Update(ctx, "main", write("x", newProject(id))); err != nil {
					t.Fatal(err)
				}
				got := c.take()
				if id == "second" && got != [3]int64{0, 1, 1} {
					t.Errorf("requests of an update after another process's: %v, want refs and push", got)
				}
			}
			seed(t, dir, "main", map[string]string{"projects/project-00007/project.yaml": "new"})
			want["project.yaml"] = "new"
			if d := cmp.Diff(want, look()); d != "" {
				t.Error(d)
			}
			for _, f := range cacheFiles(t, o.CacheDir) {
				if strings.HasSuffix(f, ".tmp") {
					t.Errorf("left behind: %s", f)
				}
				if strings.HasSuffix(f, ".idx") {
					git(t, dir, "verify-pack", f)
				}
			}
		})
	}
}

func TestDamagedCacheIsRebuilt(t *testing.T) {
	for _, filter := range []string{"true", "false"} {
		t.Run("filter "+filter, func(t *testing.T) {
			dir := fleet(t, 190)
			git(t, dir, "config", "uploadpack.allowFilter", filter)
			url, ctx := serveHTTP(t, dir, nil).url(dir), context.Background()
			o := Options{CacheDir: t.TempDir()}
			look := func() map[string]string {
				tree, err := open(t, url, o).Tip(ctx, "main")
				if err != nil {
					t.Fatal(err)
				}
				if err := tree.Prefetch(ctx, "projects/project-0001*", "fleet/home/*"); err != nil {
					t.Fatal(err)
				}
				sub, err := fs.Sub(tree, "projects/project-00012")
				if err != nil {
					t.Fatal(err)
				}
				return read(t, sub)
			}
			want := look()
			for name, damage := range map[string]func([]byte) []byte{
				"flip":     func(b []byte) []byte { b[rand.IntN(len(b))] ^= 1 << rand.IntN(8); return b },
				"cut":      func(b []byte) []byte { return b[:rand.IntN(len(b))] },
				"empty":    func([]byte) []byte { return nil },
				"nonsense": func([]byte) []byte { return []byte("hello") },
				"swap":     func([]byte) []byte { return new(looseEncoder).encode(object{kind: kindBlob, data: []byte("evil")}) },
			} {
				for _, f := range cacheFiles(t, o.CacheDir) {
					b, err := os.ReadFile(f)
					if err != nil {
						t.Fatal(err)
					}
					_ = os.Chmod(f, 0o600)
					if len(b) > 0 {
						b = damage(b)
					}
					if err := os.WriteFile(f, b, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if d := cmp.Diff(want, look()); d != "" {
					t.Errorf("%s: %s", name, d)
				}
				if d := cmp.Diff(want, look()); d != "" {
					t.Errorf("%s, again: %s", name, d)
				}
			}
		})
	}
}

func TestServerThatLearnedLess(t *testing.T) {
	dir := fleet(t, 5)
	s := serveHTTP(t, dir, nil)
	o := Options{CacheDir: t.TempDir()}
	mustTip(t, open(t, s.url(dir), o))
	git(t, dir, "config", "uploadpack.allowFilter", "false")
	r := open(t, s.url(dir), o)
	tree, err := r.At(context.Background(), seed(t, dir, "main", map[string]string{"f": "x"}))
	if err != nil || read(t, tree)["f"] != "x" {
		t.Error(err)
	}
	if r.remote.partial() {
		t.Error("what an earlier process knew is still believed")
	}
}

func TestManyUseOneCache(t *testing.T) {
	dir := fleet(t, 40)
	url, ctx := serveHTTP(t, dir, nil).url(dir), context.Background()
	o := Options{CacheDir: t.TempDir()}
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			r := open(t, url, o)
			for n := range 4 {
				id := string(rune('a'+i)) + string(rune('a'+n))
				if _, err := r.Update(ctx, "main", write(id, newProject(id))); err != nil {
					t.Error(err)
				}
				tree, err := r.Tip(ctx, "main")
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := tree.ReadFile("projects/" + id + "/project.yaml"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := git(t, dir, "rev-list", "--count", "main"); got != "25" {
		t.Errorf("%s commits", got)
	}
	fsck(t, dir)
}

func TestCacheThatCannotBeWritten(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	file := filepath.Join(t.TempDir(), "file")
	writeText(t, file, "x")
	url := serveHTTP(t, dir, func(h http.Handler) http.Handler { return h }).url(dir)
	if _, err := Open(context.Background(), url, Options{CacheDir: file}); err == nil {
		t.Error("a file was taken for a folder")
	}
	r := open(t, url, Options{CacheDir: t.TempDir()})
	if err := os.RemoveAll(r.store.cache.objects.dir); err != nil {
		t.Fatal(err)
	}
	writeText(t, r.store.cache.objects.dir, "in the way")
	if _, err := r.Update(context.Background(), "main", write("x", map[string]string{"f": "y"})); err != nil {
		t.Error(err)
	}
}

func TestCacheIsTrimmed(t *testing.T) {
	c, err := openCache(t.TempDir(), endpoint{}, open(t, newBare(t), Options{}).opts.Log)
	if err != nil {
		t.Fatal(err)
	}
	old, young := filepath.Join(c.objects.dir, "aa", "old"), filepath.Join(c.objects.dir, "bb", "young")
	for _, f := range []string{old, young} {
		if err := writeFile(f, nil); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(f, cacheLimit*2/3); err != nil { // sparse
			t.Fatal(err)
		}
	}
	when := c.objects.scanned
	if err := os.Chtimes(old, when.AddDate(2000, 0, 0), when.AddDate(2000, 0, 0)); err != nil {
		t.Fatal(err)
	}
	c.trim()
	if files := cacheFiles(t, c.objects.dir); len(files) != 1 || files[0] != young {
		t.Errorf("left: %v", files)
	}
}

// TestCacheKeepsNoLargeFiles: a few bytes on the wire can be a large file.
func TestCacheKeepsNoLargeFiles(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"large": strings.Repeat("0", cacheObject+1), "small": "x"})
	cache := t.TempDir()
	tree := mustTip(t, open(t, serveHTTP(t, dir, nil).url(dir), Options{CacheDir: cache}))
	for _, name := range []string{"large", "small"} {
		if _, err := tree.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	var total int64
	err := filepath.WalkDir(cache, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		total += info.Size()
		return err
	})
	if err != nil || total > 1<<16 {
		t.Errorf("%d bytes, %v", total, err)
	}
}

// TestCacheThatLostWhatADeltaBuildsOn: a server that gives nothing by its id builds on
// a commit that we said we have, of which the cache has lost a part.
func TestCacheThatLostWhatADeltaBuildsOn(t *testing.T) {
	dir := newBare(t)
	git(t, dir, "config", "uploadpack.allowFilter", "false")
	git(t, dir, "config", "uploadpack.allowAnySHA1InWant", "false")
	text := strings.Repeat("a line that is worth a delta\n", 200)
	seed(t, dir, "main", map[string]string{"f": text, "g": "x"})
	cache := t.TempDir()
	url := serveHTTP(t, dir, dropGitProtocol).url(dir)
	mustTip(t, open(t, url, Options{CacheDir: cache}))
	lost := git(t, dir, "rev-parse", "main:f")
	found, err := filepath.Glob(filepath.Join(cache, "*", lost[:2], lost[2:]))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if err := os.Remove(found[0]); err != nil {
		t.Fatal(err)
	}
	seed(t, dir, "main", map[string]string{"f": text + "changed"})
	git(t, dir, "repack", "-adq")
	got, err := mustTip(t, open(t, url, Options{CacheDir: cache})).ReadFile("f")
	if err != nil || string(got) != text+"changed" {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// TestCacheRemembersARefusedFilter: the next process does not ask in vain.
func TestCacheRemembersARefusedFilter(t *testing.T) {
	dir := newBare(t)
	git(t, dir, "config", "uploadpackfilter.tree.maxDepth", "0")
	seed(t, dir, "main", map[string]string{"d/f": "x"})
	cache := t.TempDir()
	var c counter
	url := serveHTTP(t, dir, c.wrap).url(dir)
	for _, want := range []int64{5, 4} { // refs, the refusal, the commit and two trees
		seed(t, dir, "main", map[string]string{"d/f": fmt.Sprint("y", want)})
		c.take()
		if _, err := mustTip(t, open(t, url, Options{CacheDir: cache})).ReadDir("d"); err != nil {
			t.Fatal(err)
		}
		if got := c.take(); got[1] != want {
			t.Errorf("%d requests, want %d", got[1], want)
		}
	}
}
