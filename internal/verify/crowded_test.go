package verify

import (
	"io/fs"
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
