package gitrepo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLocalLayouts(t *testing.T) {
	base := t.TempDir()
	bare := filepath.Join(base, "bare.git")
	if err := Create(context.Background(), bare, "main"); err != nil {
		t.Fatal(err)
	}
	seed(t, bare, "main", map[string]string{"f": "x", "d/g": "y"})
	git(t, base, "clone", "-q", bare, "work")
	git(t, base, "clone", "-q", "--shared", "--bare", bare, "shared.git")
	git(t, base, "clone", "-q", "--bare", "--reference", filepath.Join(base, "shared.git"), bare, "twice.git")
	git(t, filepath.Join(base, "work"), "worktree", "add", "-q", "-b", "side", filepath.Join(base, "linked"))
	git(t, base, "clone", "-q", "--separate-git-dir", filepath.Join(base, "apart.git"), bare, "apart")
	for _, name := range []string{"bare.git", "work", "work/.git", "shared.git", "twice.git", "linked", "apart"} {
		tree, err := open(t, filepath.Join(base, name), Options{}).Tip(context.Background(), "main")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(map[string]string{"f": "x", "d/g": "y"}, read(t, tree)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	for name, want := range map[string]error{"none": ErrNotFound, ".": ErrNotFound, "work/d": ErrNotFound} {
		_, err := Open(context.Background(), filepath.Join(base, name), Options{})
		check(t, name, err, want)
	}
	git(t, base, "init", "-q", "--object-format=sha256", "new")
	if _, err := Open(context.Background(), filepath.Join(base, "new"), Options{}); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("SHA-256: %v", err)
	}
}

func TestObjectFormatOfALocalRepository(t *testing.T) {
	for config, refused := range map[string]bool{
		"[extensions]\n\tobjectFormat = sha256\n":       true,
		"[Extensions]\n\tOBJECTFORMAT\t=\t\"sha256\"\n": true,
		"[extensions]\n\tobjectFormat = sha1\n":         false,
		"[extensions]\n\tcompatObjectFormat = sha256\n": false,
		"# objectFormat = sha256\n":                     false,
	} {
		dir := newBare(t)
		writeText(t, filepath.Join(dir, "config"), "[core]\n\trepositoryformatversion = 1\n\tbare = true\n"+config)
		_, err := Open(context.Background(), dir, Options{})
		if (err != nil) != refused {
			t.Errorf("%q: %v", config, err)
		}
	}
}

func TestObjectsAreFoundWhileGitRepacks(t *testing.T) {
	dir := newBare(t)
	r := open(t, dir, Options{})
	ctx := context.Background()
	for i, repack := range [][]string{{"count-objects"}, {"repack", "-dq"}, {"gc", "-q", "--prune=now"}, {"repack", "-adq", "--depth=50", "--window=50"}, {"pack-refs", "--all"}} {
		git(t, dir, repack...)
		seed(t, dir, "main", map[string]string{"f": strings.Repeat("x", i), "deep/er/g": strings.Repeat("line\n", 100+i)})
		if _, err := r.Update(ctx, "main", write("x", map[string]string{"mine": strings.Repeat("y", i+1)})); err != nil {
			t.Fatal(err)
		}
		r.store.mem = newLRU[Hash](memoryLimit)
		tree, err := r.Tip(ctx, "main")
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, tree); len(got) != 3 || len(got["f"]) != i || len(got["mine"]) != i+1 {
			t.Fatalf("step %d: %q", i, got)
		}
	}
	fsck(t, dir)
}

func TestDamagedRepositoryIsNotTrusted(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"f": "content"})
	id := git(t, dir, "rev-parse", "main:f")
	packs, err := filepath.Glob(filepath.Join(dir, "objects", "pack", "*.pack"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packs {
		pack, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []string{p, strings.TrimSuffix(p, "pack") + "idx"} {
			_ = os.Remove(f)
		}
		gitIn(t, dir, pack, "unpack-objects", "-q")
	}
	loose := filepath.Join(dir, "objects", id[:2], id[2:])
	other := git(t, dir, "hash-object", "-w", "--stdin")
	data, err := os.ReadFile(filepath.Join(dir, "objects", other[:2], other[2:]))
	if err != nil {
		t.Fatal(err)
	}
	for name, bytes := range map[string][]byte{"another object": data, "cut": nil, "not zlib": []byte("hello")} {
		if err := os.Remove(loose); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(loose, bytes, 0o600); err != nil {
			t.Fatal(err)
		}
		tree, err := open(t, dir, Options{}).Tip(context.Background(), "main")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tree.ReadFile("f"); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServerRulesInItsOwnWords(t *testing.T) {
	hook := func(name, text string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			file := filepath.Join(dir, "hooks", name)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	rules := map[string]struct {
		set  func(t *testing.T, dir string)
		want []string
	}{
		"pre-receive": {hook("pre-receive", "echo 'Policy 7: ask \033[31mBob\033[0m first' >&2; exit 1"), []string{"pre-receive hook declined", "Policy 7: ask [31mBob"}},
		"update":      {hook("update", "echo no $1 >&2; exit 1"), []string{"hook declined", "no refs/heads/main"}},
		"denied ref": {func(t *testing.T, dir string) {
			git(t, dir, "config", "receive.denyNonFastForwards", "true")
			git(t, dir, "config", "receive.hideRefs", "refs/heads")
		}, []string{"deny updating a hidden ref"}},
	}
	for _, road := range roads() {
		for name, rule := range rules {
			if name == "denied ref" && !strings.HasPrefix(road.name, "http") {
				continue // hidden refs are not advertised: the push ends there
			}
			t.Run(road.name+"/"+name, func(t *testing.T) {
				dir := newBare(t)
				before := seed(t, dir, "main", map[string]string{"f": "x"})
				rule.set(t, dir)
				r := road.open(t, dir)
				calls := 0
				_, err := r.Update(context.Background(), "main", func(tip fs.FS) (*Change, error) {
					calls++
					return &Change{Message: "x", Files: map[string][]byte{"f": []byte("y")}}, nil
				})
				var rejected *RejectedError
				if !errors.As(err, &rejected) {
					t.Fatalf("got %v", err)
				}
				for _, w := range rule.want {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("%q lacks %q", err, w)
					}
				}
				if calls != 1 || git(t, dir, "rev-parse", "main") != before {
					t.Errorf("planned %d times", calls)
				}
			})
		}
	}
}

func TestHookOutputReachesTheUser(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := newBare(t)
			for _, name := range []string{"pre-receive", "post-receive"} {
				file := filepath.Join(dir, "hooks", name)
				if err := os.WriteFile(file, []byte("#!/bin/sh\necho hello from "+name+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			r := road.open(t, dir)
			var got []string
			r.opts.Messages = func(line string) { got = append(got, line) }
			if _, err := r.Update(context.Background(), "main", write("x", map[string]string{"f": "x"})); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]string{"hello from pre-receive", "hello from post-receive"}, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestCheckedOutBranchIsRefusedByGit(t *testing.T) {
	base := t.TempDir()
	work := filepath.Join(base, "work")
	git(t, base, "init", "-q", "-b", "main", "work")
	seed(t, work, "main", map[string]string{"f": "x"})
	_, err := open(t, work, Options{}).Update(context.Background(), "main", write("x", map[string]string{"f": "y"}))
	var rejected *RejectedError
	if !errors.As(err, &rejected) || !strings.Contains(rejected.Reason, "branch is currently checked out") {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(err.Error(), "receive.denyCurrentBranch") {
		t.Errorf("git's advice is missing: %v", err)
	}
	git(t, work, "checkout", "-q", "-b", "other", "main")
	if _, err := open(t, work, Options{}).Update(context.Background(), "main", write("x", map[string]string{"f": "y"})); err != nil {
		t.Error(err)
	}
}

func TestCreate(t *testing.T) {
	base, ctx := t.TempDir(), context.Background()
	dir := filepath.Join(base, "deep", "fleet.git")
	if err := Create(ctx, dir, "main"); err != nil {
		t.Fatal(err)
	}
	if got := git(t, dir, "symbolic-ref", "HEAD") + git(t, dir, "rev-parse", "--is-bare-repository"); got != "refs/heads/maintrue" {
		t.Error(got)
	}
	if err := Create(ctx, dir, "main"); err == nil {
		t.Error("an existing repository was overwritten")
	}
	empty := filepath.Join(base, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(empty)
	if err != nil {
		t.Fatal(err)
	}
	if err := Create(ctx, empty, "main"); err != nil {
		t.Error(err)
	}
	if after, err := os.Stat(empty); err != nil || !os.SameFile(before, after) {
		t.Errorf("the empty folder was replaced: %v", err)
	}
	git(t, empty, "fsck")
	file := filepath.Join(base, "file")
	writeText(t, file, "x")
	if err := Create(ctx, file, "main"); err == nil {
		t.Error("a file was replaced")
	}
	if err := Create(ctx, filepath.Join(file, "below"), "main"); err == nil {
		t.Error("made below a file")
	}
	left, err := filepath.Glob(filepath.Join(base, "*", ".create-*"))
	if err != nil || len(left) > 0 {
		t.Error("left behind:", left)
	}
}

func TestCreateOnAnotherBranch(t *testing.T) {
	dir, ctx := filepath.Join(t.TempDir(), "fleet.git"), context.Background()
	if err := Create(ctx, dir, "../x"); err == nil {
		t.Error("the branch ../x was taken")
	}
	if err := Create(ctx, dir, "prod/eu"); err != nil {
		t.Fatal(err)
	}
	if got := git(t, dir, "symbolic-ref", "HEAD"); got != "refs/heads/prod/eu" {
		t.Error(got)
	}
}

// TestCreateBehindALink: a link stays what it is; one to nothing may be to what is not
// mounted now.
func TestCreateBehindALink(t *testing.T) {
	base, ctx := t.TempDir(), context.Background()
	path := func(name string) string { return filepath.Join(base, name) }
	if err := os.Mkdir(path("empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"dangling": path("none"), "good": "empty"} {
		if err := os.Symlink(to, path(link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := Create(ctx, path("dangling"), "main"); err == nil || !strings.Contains(err.Error(), "links to") {
		t.Errorf("dangling: %v", err)
	}
	if err := Create(ctx, path("good"), "main"); err != nil {
		t.Errorf("good: %v", err)
	}
	for link, to := range map[string]string{"dangling": path("none"), "good": "empty"} {
		if got, err := os.Readlink(path(link)); err != nil || got != to {
			t.Errorf("%s links to %q: %v", link, got, err)
		}
	}
	if !isGitDir(path("empty")) {
		t.Error("there is no repository where the link leads")
	}
}

func TestRepositoryThatMayNotBeRead(t *testing.T) {
	for _, closed := range []string{"work", "work/.git"} {
		base := t.TempDir()
		git(t, base, "init", "-q", "work")
		dir := filepath.Join(base, closed)
		if err := os.Chmod(dir, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
		if _, err := os.Lstat(filepath.Join(dir, "HEAD")); !errors.Is(err, fs.ErrPermission) {
			t.Skip("nothing is closed to this user")
		}
		_, err := Open(context.Background(), filepath.Join(base, "work"), Options{})
		check(t, closed, err, ErrAuthorization)
		check(t, closed, err, fs.ErrPermission)
	}
}

func TestRepositoryOfAnotherUser(t *testing.T) {
	dir := newBare(t)
	if os.Chown(dir, 4321, -1) != nil {
		t.Skip("only root can give files away")
	}
	t.Setenv("HOME", t.TempDir())
	_, err := open(t, dir, Options{}).Tip(context.Background(), "main")
	check(t, "tip", err, ErrOwner)
	check(t, "tip", err, ErrAuthorization)
}

func TestHooksDoNotSeeTheServicesSecrets(t *testing.T) {
	t.Setenv("BERTH_KEY", marked)
	t.Setenv("GIT_DIR", "/elsewhere")
	dir := newBare(t)
	out := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(filepath.Join(dir, "hooks", "pre-receive"), []byte("#!/bin/sh\nenv >"+out+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, dir, Options{}).Update(context.Background(), "main", write("x", map[string]string{"f": "x"})); err != nil {
		t.Fatal(err)
	}
	env, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(env), marked) || !strings.Contains(string(env), "PATH=") {
		t.Errorf("%s", env)
	}
}

func TestInterruptedLocalPushLeavesNoLock(t *testing.T) {
	for _, name := range []string{"pre-receive", "reference-transaction", "post-receive"} {
		t.Run(name, func(t *testing.T) {
			dir := newBare(t)
			before := seed(t, dir, "main", map[string]string{"f": "x"})
			hook, ready := filepath.Join(dir, "hooks", name), filepath.Join(t.TempDir(), "ready")
			if err := os.WriteFile(hook, []byte("#!/bin/sh\ncat >/dev/null\ntouch "+ready+"\nexec sleep 30\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			stop := make(chan struct{})
			go func() {
				defer cancel()
				for {
					if _, err := os.Stat(ready); err == nil {
						return
					}
					select {
					case <-stop:
						return
					case <-time.After(5 * time.Millisecond):
					}
				}
			}()
			r, begin := open(t, dir, Options{}), time.Now()
			_, err := r.Update(ctx, "main", write("mine", map[string]string{"f": "y"}))
			close(stop)
			if name == "post-receive" {
				check(t, "after git had said yes", err, nil)
			} else {
				check(t, "update", err, context.Canceled)
				check(t, "update", err, ErrUncertain)
			}
			if d := time.Since(begin); d > 15*time.Second {
				t.Errorf("took %v", d)
			}
			if err := os.Remove(hook); err != nil {
				t.Fatal(err)
			}
			if after := git(t, dir, "rev-parse", "main"); (after == before) != (name != "post-receive") {
				t.Errorf("main is %s, was %s", after, before)
			}
			res, err := r.Update(context.Background(), "main", write("mine", map[string]string{"f": "y"}))
			if err != nil || res.Changed != (name != "post-receive") {
				t.Errorf("the next run: %+v %v", res, err)
			}
			fsck(t, dir)
		})
	}
}
