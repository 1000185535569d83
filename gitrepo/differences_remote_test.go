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
		got, err := dirs[0].Differences(dirs[1])
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(git(t, dir, "diff-tree", "-r", "--name-only", before, "main"), "\n")
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("git (-), ours (+):\n%s", d)
		}
	}
	if got := c.take(); got[1] > 8 {
		t.Errorf("%v requests: more than two for each level", got)
	}
	if same, err := head.Differences(head); err != nil || len(same) != 0 {
		t.Error(same, err)
	}
	if all, err := head.Differences(&Tree{ctx: ctx, src: r.store}); err != nil || fmt.Sprint(len(all)) != fmt.Sprint(strings.Count(git(t, dir, "ls-tree", "-r", "main"), "\n")+1) {
		t.Errorf("against nothing: %d %v", len(all), err)
	}
}
