package verify

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/templates"
)

// endless is a tree in which one folder contains itself ten times over, as a Git tree
// of a few objects can.
type endless struct {
	*lazyTree
	folder string
}

func (e endless) below(name string) bool {
	return name == e.folder || strings.HasPrefix(name, e.folder+"/")
}

func (e endless) ReadDir(name string) ([]fs.DirEntry, error) {
	if !e.below(name) {
		return e.lazyTree.ReadDir(name)
	}
	m := fstest.MapFS{}
	for c := range strings.SplitSeq("0123456789", "") {
		m[c] = &fstest.MapFile{Mode: fs.ModeDir | 0o755}
	}
	return m.ReadDir(".")
}

func (e endless) Lstat(name string) (fs.FileInfo, error) {
	if e.below(name) {
		return e.lazyTree.Lstat("projects")
	}
	return e.lazyTree.Lstat(name)
}

func TestEndlessFolder(t *testing.T) {
	k := newKeys(t)
	base := newFleet(t, k)
	in := Input{
		Head: endless{base.tree(), "projects/blog/components"}, Base: base.tree(), Changed: []string{"projects/blog/components/x"},
		Policy: base.platform(), Trusted: k.berth.PublicKeys(), Generator: generator.New(templates.FS),
	}
	in.Head.(endless).MapFS["projects/blog/components/x"] = &fstest.MapFile{}
	report, err := Check(t.Context(), in)
	if err != nil || len(report.Findings) != 1 || report.Findings[0].Rule != ruleTooLarge {
		t.Errorf("a change: %v %v", report, err)
	}
	if safe, err := Safe(in.Head, "blog"); safe || err != nil {
		t.Errorf("safe to build: %v %v", safe, err)
	}
	in.Base = nil
	if report, err := Check(t.Context(), in); err == nil {
		t.Errorf("the whole: %v", report)
	}
}

// TestEqualFiles: a Git tree of a few bytes may hold one file under many names. It is
// read once, or some times when something is found in it, unless that depends on the name.
func TestEqualFiles(t *testing.T) {
	k := newKeys(t)
	base := newFleet(t, k)
	seal := base.need("projects/shop/overlays/production/ghcr-secret.sops.yaml")
	for _, test := range []struct {
		name, folder, text string
		read, found        int
		rule               string
	}{
		{name: "harmless", folder: "docs", text: "a: b\n", read: 1},
		{name: "with a token", folder: "docs", text: "ghp_" + strings.Repeat("a1", 18), read: 16, found: 17, rule: ruleToken},
		{name: "sealed", folder: "docs", text: string(seal), read: 16, found: 16, rule: ruleCiphertextTwice},
		{name: "where Flux applies it", folder: "projects", text: "a: b\n", read: 67, found: 64, rule: ruleStray},
		{name: "on a cluster", folder: "clusters/x", text: "a: b\n", read: 64, found: 64, rule: ruleClusterFile},
	} {
		head := base.clone()
		for i := range 64 {
			head.special[fmt.Sprintf("%s/%d.yaml", test.folder, i)] = &fstest.MapFile{Data: []byte(test.text), Sys: "the same id"}
		}
		r := check(t, base, head, "")
		found := slices.DeleteFunc(r.Findings, func(f Finding) bool { return f.Rule != test.rule })
		if r.Files != test.read || len(found) != test.found {
			t.Errorf("%s: %d files were read, %d findings", test.name, r.Files, len(found))
		}
	}
}

// TestEqualLinks: a link whose target reads like a file is not that file, and of links
// some are refused by their names.
func TestEqualLinks(t *testing.T) {
	k := newKeys(t)
	base := newFleet(t, k)
	head := base.clone()
	file := fstest.MapFile{Data: []byte("ghp_" + strings.Repeat("a1", 18)), Sys: "the same id"}
	link := file
	link.Mode = fs.ModeSymlink | 0o777
	head.special["docs/a"], head.special["docs/b"], head.special["docs/c/.sourceignore"] = &link, &file, &link
	var got []string
	for _, f := range check(t, base, head, "").Findings {
		got = append(got, f.Rule+" "+f.File)
	}
	if want := []string{"token docs/b", "symlink docs/c/.sourceignore"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestChangeIsBounded: what may be looked at in all ends, and nothing is looked at after it.
func TestChangeIsBounded(t *testing.T) {
	k := newKeys(t)
	base := newFleet(t, k)
	for name, change := range map[string]func(*fleet){
		"other files":   func(f *fleet) { f.do("crowd docs 900") },
		"large files":   func(f *fleet) { f.huge["docs/a"] = 2 << 20 },
		"of a project":  func(f *fleet) { f.do("crowd projects/blog/components/x 900") },
		"of a platform": func(f *fleet) { f.do("crowd templates/x 900") },
	} {
		head := base.clone()
		change(head)
		c := newChecker(Input{
			Head: head.tree(), Base: base.tree(), Changed: append(changes(base, head), "projects/shop/project.yaml"),
			Policy: base.platform(), Trusted: k.berth.PublicKeys(), Generator: generator.New(templates.FS),
		})
		c.left = 800
		if err := c.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := c.report
		if n := len(r.Findings); n == 0 || r.Findings[n-1].Rule != ruleTooLarge || r.Blocked() == 0 || !r.Incomplete || slices.Contains(r.Projects, "shop") {
			t.Errorf("%s: %v", name, r)
		}
	}
}

// TestManyClusters: each project is looked for in the folder of each cluster.
func TestManyClusters(t *testing.T) {
	k := newKeys(t)
	base := newFleet(t, k)
	head := base.clone()
	for i := range 30 {
		head.files[fmt.Sprintf("fleet/c%d/p%d.yaml", i, i)] = nil
	}
	c := newChecker(Input{Head: head.tree(), Base: base.tree(), Changed: changes(base, head), Policy: base.platform()})
	c.lookups = 500
	if err := c.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := c.report; len(r.Findings) != 1 || r.Findings[0].Rule != ruleTooLarge || !r.Incomplete || len(r.Projects) > 0 {
		t.Errorf("%d findings in %d projects", len(r.Findings), len(r.Projects))
	}
}
