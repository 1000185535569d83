package gitrepo

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDifferencesOfARemote(t *testing.T) {
	dir := fleet(t, 20)
	before := git(t, dir, "rev-parse", "main")
	seed(t, dir, "main", map[string]string{
		"projects/project-00003/overlays/staging/kustomization.yaml": "new", "projects/new/base/x.yaml": "new", "berth.yaml": "new",
		"100755 projects/project-00004/project.yaml": git(t, dir, "show", "main:projects/project-00004/project.yaml") + "\n",
		"120000 fleet/home/link":                     "x", "160000 fleet/module": strings.Repeat("1", 40),
		"tenants/home/project-00005": "a file in place of a folder",
	})
	var c counter
	r := open(t, serveHTTP(t, dir, c.wrap).url(dir), Options{})
	ctx := context.Background()
	base, err := r.At(ctx, before)
	if err != nil {
		t.Fatal(err)
	}
	head := mustTip(t, r)
	c.take()
	for _, dirs := range [][2]*Tree{{head, base}, {base, head}} {
		got, err := dirs[0].Differences(dirs[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(git(t, dir, "diff-tree", "-r", "--name-only", before, "main"), "\n")
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("git (-), ours (+):\n%s", d)
		}
	}
	if got := c.take(); got[1] > 4 {
		t.Errorf("%v requests: more than one for each level", got)
	}
	if same, err := head.Differences(head, nil); err != nil || len(same) != 0 {
		t.Error(same, err)
	}
	if all, err := head.Differences(&Tree{ctx: ctx, src: r.store}, nil); err != nil || fmt.Sprint(len(all)) != fmt.Sprint(strings.Count(git(t, dir, "ls-tree", "-r", "main"), "\n")+1) {
		t.Errorf("against nothing: %d %v", len(all), err)
	}
}

// TestRoundTripsOfAComparison counts what it takes to look at a change of one project.
func TestRoundTripsOfAComparison(t *testing.T) {
	dir := fleet(t, 20)
	before := git(t, dir, "rev-parse", "main")
	git(t, dir, "branch", "change", before)
	const file = "projects/project-00003/overlays/staging/kustomization.yaml"
	seed(t, dir, "change", map[string]string{file: "new"})
	for name, test := range map[string]struct {
		wide bool
		want [3]int64
	}{
		"narrow": {false, [3]int64{0, 2, 0}}, // the clusters' folders, then both sides of the project
		"wide":   {true, [3]int64{0, 3, 0}},  // the first in two halves
	} {
		t.Run(name, func(t *testing.T) {
			var c counter
			r := open(t, serveHTTP(t, dir, c.wrap).url(dir), Options{})
			ctx := context.Background()
			trees, err := r.AtEach(ctx, "main", "change")
			if err != nil {
				t.Fatal(err)
			}
			if got := c.take(); got != [3]int64{1, 2, 0} {
				t.Errorf("both revisions: requests (capabilities, fetch, push) %v", got)
			}
			if base, err := r.MergeBase(ctx, trees[0].Commit(), trees[1].Commit()); err != nil || base != trees[0].Commit() {
				t.Errorf("%v %v", base, err)
			}
			r.store.wide = test.wide
			whole, err := trees[1].Differences(trees[0], func(folder string) bool { return strings.Count(folder, "/") == 1 })
			if d := cmp.Diff([]string{"projects/project-00003"}, whole); d != "" || err != nil {
				t.Error(d, err)
			}
			if got := c.take(); got != [3]int64{} {
				t.Errorf("which project differs: requests %v", got)
			}
			if err := r.Prefetch(ctx, trees, "projects/project-00003", "tenants/*/project-00003", "fleet/*/project-00003.yaml"); err != nil {
				t.Fatal(err)
			}
			if got := c.take(); got != test.want {
				t.Errorf("the project: requests %v, want %v", got, test.want)
			}
			all, err := trees[1].Differences(trees[0], nil)
			if d := cmp.Diff([]string{file}, all); d != "" || err != nil {
				t.Error(d, err)
			}
			for i, tree := range trees {
				if _, err := tree.ReadFile(file); err != nil {
					t.Errorf("%d: %v", i, err)
				}
			}
			if got := c.take(); got != [3]int64{} {
				t.Errorf("what differs: requests %v", got)
			}
		})
	}
}
