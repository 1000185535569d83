package verify

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// opens counts how often files of a tree are opened.
type opens struct {
	fstest.MapFS
	n int
}

func (o *opens) Open(name string) (fs.File, error) {
	o.n++
	return o.MapFS.Open(name)
}

func (o *opens) ReadFile(name string) ([]byte, error) {
	o.n++
	return o.MapFS.ReadFile(name)
}

// TestStepsAreBounded: a commit that was taken back is no cheaper a way to keep berth
// busy than Head. A file is read once, whatever it is called and whichever commit has it,
// and not at all when Head has it at the same place.
func TestStepsAreBounded(t *testing.T) {
	k := newKeys(t)
	f := newFleet(t, k)
	token := "ghp_" + strings.Repeat("a", 36)
	tree := &opens{MapFS: fstest.MapFS{"leak": {Data: []byte(token), Sys: "leak"}, "README.md": {Data: f.files["README.md"], Sys: "readme"}}}
	changed := []string{"README.md", "leak"}
	for i := range 500 {
		name := fmt.Sprintf("bomb/%d", i)
		tree.MapFS[name] = &fstest.MapFile{Data: []byte("harmless"), Sys: "bomb"}
		changed = append(changed, name)
	}
	head := fstest.MapFS{}
	for name, data := range f.files {
		head[name] = &fstest.MapFile{Data: data, Sys: name}
	}
	head["README.md"].Sys = "readme"
	judge := func(left int) *checker {
		c := newChecker(Input{Head: head, Base: f.tree(), Policy: k.policy(t), Trusted: k.berth.PublicKeys(),
			Steps: []Step{{Commit: "one", Tree: tree, Changed: changed}, {Commit: "two", Tree: tree, Changed: changed}}})
		c.left = left
		if err := c.checkSteps(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c
	}
	found := judge(maxChange).report.Findings
	if len(found) != 1 || found[0].Rule != ruleToken || found[0].File != "leak" || !strings.Contains(found[0].What, "in commit one") {
		t.Errorf("found %+v", found)
	}
	if tree.n != 2 {
		t.Errorf("%d files were read, not 2", tree.n)
	}
	if r := judge(10).report; !r.Incomplete || r.Blocked() != 1 || r.Findings[0].Rule != ruleTooLarge {
		t.Errorf("when there is too much: %+v", r)
	}
}
