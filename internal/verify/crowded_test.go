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
// read once, unless it depends on the name what is found in it.
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
		{name: "with a token", folder: "docs", text: "ghp_" + strings.Repeat("a1", 18), read: 64, found: 64, rule: ruleToken},
		{name: "sealed", folder: "docs", text: string(seal), read: 64, found: 63, rule: ruleCiphertextTwice},
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
