package gitrepo

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// road is one way to reach a repository.
type road struct {
	name string
	open func(t testing.TB, dir string) *Repo
}

// roads covers every transport, and servers that can do less than git's best:
// protocol v0 (a plain sshd), no filters, neither.
func roads() []road {
	local := func(prefix string) func(testing.TB, string) *Repo {
		return func(t testing.TB, dir string) *Repo { return open(t, prefix+dir, Options{}) }
	}
	noFilter := func(t testing.TB, dir string) {
		git(t, dir, "config", "uploadpack.allowFilter", "false")
		git(t, dir, "config", "uploadpack.allowAnySHA1InWant", "false")
	}
	return []road{
		{"path", local("")},
		{"file", local("file://")},
		{"http", func(t testing.TB, dir string) *Repo { return open(t, serveHTTP(t, dir, nil).url(dir), Options{}) }},
		{"http without filter", func(t testing.TB, dir string) *Repo {
			noFilter(t, dir)
			return open(t, serveHTTP(t, dir, nil).url(dir), Options{})
		}},
		{"http with the filter tree:0 alone", func(t testing.TB, dir string) *Repo { // as GitHub
			git(t, dir, "config", "uploadpackfilter.tree.maxDepth", "0")
			return open(t, serveHTTP(t, dir, nil).url(dir), Options{})
		}},
		{"http without that filter", func(t testing.TB, dir string) *Repo {
			git(t, dir, "config", "uploadpackfilter.tree.allow", "false")
			return open(t, serveHTTP(t, dir, nil).url(dir), Options{})
		}},
		{"http v0", func(t testing.TB, dir string) *Repo {
			return open(t, serveHTTP(t, dir, dropGitProtocol).url(dir), Options{})
		}},
		{"http v0 without filter", func(t testing.TB, dir string) *Repo {
			noFilter(t, dir)
			return open(t, serveHTTP(t, dir, dropGitProtocol).url(dir), Options{})
		}},
		{"ssh", func(t testing.TB, dir string) *Repo { return openSSH(t, dir, true) }},
		{"ssh v0", func(t testing.TB, dir string) *Repo { return openSSH(t, dir, false) }},
		{"ssh with the filter tree:0 alone", func(t testing.TB, dir string) *Repo {
			git(t, dir, "config", "uploadpackfilter.tree.maxDepth", "0")
			return openSSH(t, dir, true)
		}},
		{"ssh v0 without filter", func(t testing.TB, dir string) *Repo {
			noFilter(t, dir)
			return openSSH(t, dir, false)
		}},
	}
}

func openSSH(t testing.TB, dir string, acceptEnv bool) *Repo {
	key := filepath.Join(t.TempDir(), "id")
	signer := newSSHKey(t, key, "")
	s := serveSSH(t, signer.PublicKey(), acceptEnv)
	return open(t, s.url(dir), Options{SSHKeyFile: key, KnownHostsFile: s.knownHosts(t)})
}

// read returns all files of a tree.
func read(t testing.TB, tree fs.FS) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(tree, p)
		got[p] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestUpdateOnEveryRoad(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := newBare(t)
			r, ctx := road.open(t, dir), context.Background()
			steps := []struct {
				message string
				files   map[string]string
				changed bool
			}{
				{"First", map[string]string{"berth.yaml": "a\n", "projects/shop/project.yaml": "b\n"}, true},
				{"Second", map[string]string{"projects/blog/base/x.yaml": "c\n"}, true},
				{"Second again", map[string]string{"projects/blog/base/x.yaml": "c\n"}, false},
				{"Delete what is not there", map[string]string{"projects/x/y": ""}, false},
				{"A folder vanishes", map[string]string{"projects/shop/project.yaml": "", "projects/blog/base/x.yaml": "d\n"}, true},
			}
			last := ""
			for i, s := range steps {
				if i == 2 {
					// Somebody else writes; what we remember is old.
					last = seed(t, dir, "main", map[string]string{"other": "o"})
				}
				res, err := r.Update(ctx, "main", write(s.message, s.files))
				if err != nil {
					t.Fatalf("%s: %v", s.message, err)
				}
				head := git(t, dir, "rev-parse", "main")
				if res.Changed != s.changed || res.Commit.String() != head || (last != "" && res.Base.String() != last) {
					t.Fatalf("%s: got %+v, main is %s, was %s", s.message, res, head, last)
				}
				last = head
			}
			want := map[string]string{"berth.yaml": "a\n", "projects/blog/base/x.yaml": "d\n", "other": "o\n"}
			tree, err := road.open(t, dir).Tip(ctx, "main")
			if err != nil {
				t.Fatal(err)
			}
			want["other"] = "o"
			if d := cmp.Diff(want, read(t, tree)); d != "" {
				t.Errorf("content (-want +got):\n%s", d)
			}
			if got := git(t, dir, "log", "--format=%s", "main"); got != "A folder vanishes\nseed\nSecond\nFirst" {
				t.Errorf("log:\n%s", got)
			}
			fsck(t, dir)
		})
	}
}

func TestFirstCommitIsWhole(t *testing.T) {
	dir := newBare(t)
	r := open(t, dir, Options{Author: Signature{"Alice Ä", "alice@example.com"}, Committer: Signature{"berth", "berth@example.com"}})
	plan := func(fs.FS) (*Change, error) {
		return &Change{
			Files: map[string][]byte{"a": []byte("x")}, Message: "Create project shop\n\nFor alice.\n",
			Trailers: []Trailer{{"Berth-Project", "shop"}, {"Berth-Owner", "alice"}},
		}, nil
	}
	if _, err := r.Update(context.Background(), "main", plan); err != nil {
		t.Fatal(err)
	}
	got := git(t, dir, "cat-file", "commit", "main")
	want := strings.Join([]string{
		"tree " + git(t, dir, "rev-parse", "main^{tree}"),
		"author Alice Ä <alice@example.com> 1700000000 +0000",
		"committer berth <berth@example.com> 1700000000 +0000",
		"", "Create project shop", "", "For alice.", "", "Berth-Project: shop", "Berth-Owner: alice",
	}, "\n")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("commit (-want +got):\n%s", d)
	}
	if got := git(t, dir, "log", "-1", "--format=%(trailers:key=Berth-Project,valueonly)"); got != "shop" {
		t.Errorf("git reads the trailer as %q", got)
	}
}

// TestPlanReadsWhatWasPushed: the second plan reads a file of the first.
func TestPlanReadsWhatWasPushed(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := newBare(t)
			r := road.open(t, dir)
			if _, err := r.Update(context.Background(), "main", write("x", map[string]string{"d/f": "one"})); err != nil {
				t.Fatal(err)
			}
			_, err := r.Update(context.Background(), "main", func(tip fs.FS) (*Change, error) {
				was, err := fs.ReadFile(tip, "d/f")
				return &Change{Message: "y", Files: map[string][]byte{"d/f": append(was, " two"...)}}, err
			})
			if err != nil || git(t, dir, "show", "main:d/f") != "one two" {
				t.Error(err, git(t, dir, "show", "main:d/f"))
			}
		})
	}
}
