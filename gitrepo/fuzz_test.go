package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/google/go-cmp/cmp"
)

// FuzzTreeDelta: whatever the two inputs are, applying the delta gives the
// target, and another implementation agrees.
func FuzzTreeDelta(f *testing.F) {
	a, b := appendEntry(nil, modeFile, "a", Hash{1}), appendEntry(nil, modeTree, "b", Hash{2})
	f.Add(a, append(bytes.Clone(a), b...))
	f.Add(append(bytes.Clone(a), b...), b)
	f.Add([]byte{}, a)
	f.Add([]byte("no tree"), []byte("at all"))
	f.Fuzz(func(t *testing.T, base, target []byte) {
		delta := treeDelta(base, target)
		got, err := applyDelta(base, delta)
		if err != nil || !bytes.Equal(got, target) {
			t.Fatalf("got %q, %v", got, err)
		}
		if len(base) == 0 || len(target) == 0 {
			return // go-git calls these malformed
		}
		theirs, err := packfile.PatchDelta(base, delta)
		if err != nil || !bytes.Equal(theirs, target) {
			t.Fatalf("go-git: %q, %v", theirs, err)
		}
	})
}

// FuzzApplyDelta: any input is an error or has the size that it names; what
// another implementation accepts gives the same bytes here.
func FuzzApplyDelta(f *testing.F) {
	base := bytes.Repeat([]byte("0123456789"), 30)
	f.Add(base, packfile.DiffDelta(base, append(bytes.Clone(base[50:]), base[:70]...)))
	f.Add(base, []byte("\xac\x02\x05\x85\x01\x02"))
	f.Fuzz(func(t *testing.T, base, delta []byte) {
		got, err := applyDelta(base, delta)
		theirs, theirErr := packfile.PatchDelta(base, delta)
		if theirErr == nil && len(theirs) > 0 && (err != nil || !bytes.Equal(got, theirs)) {
			t.Fatalf("go-git: %q; here %q, %v", theirs, got, err)
		}
	})
}

// FuzzTree: entries that parse are put together again byte for byte.
func FuzzTree(f *testing.F) {
	f.Add(appendEntry(appendEntry(nil, modeExec, "a b", Hash{1}), modeTree, "c", Hash{2}))
	f.Add([]byte("40000 \x00"))
	f.Fuzz(func(t *testing.T, tree []byte) {
		var again []byte
		for e, err := range entries(tree) {
			if err != nil {
				return
			}
			again = appendEntry(again, e.mode, string(e.name), e.id)
		}
		if len(again) == len(tree) && !bytes.Equal(again, tree) {
			t.Fatalf("%q became %q", tree, again)
		}
	})
}

// FuzzPkt: no input breaks the readers, and all they return is bounded.
func FuzzPkt(f *testing.F) {
	f.Add([]byte("0008NAK\n0009\x01PACK0000"))
	f.Add([]byte("001e# service=git-upload-pack\n0000000eversion 2\n0000"))
	f.Add([]byte("0030\x01000eunpack ok\n0019ok refs/heads/main\n00000000"))
	f.Add([]byte("0011\x02hello\rbye\n0000"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _, _ = readAdvert(newPktReader(bytes.NewReader(data)))
		for _, caps := range []*capabilities{{v2: true}, {raw: "side-band-64k"}, {}} {
			if r, err := packSection(newPktReader(bytes.NewReader(data)), caps); err == nil {
				n, _ := io.Copy(io.Discard, r)
				if n > int64(len(data)) {
					t.Fatalf("%d bytes out of %d", n, len(data))
				}
			}
		}
		rep, err := readReport(newPktReader(bytes.NewReader(data)), "refs/heads/main", nil)
		if err == nil && rep.verdict(pushRequest{ref: "refs/heads/main"}) == nil && !bytes.Contains(data, []byte("ok refs/heads/main")) {
			t.Fatal("a push succeeded without the server saying so")
		}
		for _, m := range rep.messages {
			if strings.ContainsAny(m, "\x1b\x00\r") {
				t.Fatalf("unfit for a terminal: %q", m)
			}
		}
	})
}

// FuzzPack: a damaged pack is an error, or everything in it is what its id
// says.
func FuzzPack(f *testing.F) {
	w := newPackWriter(&store{mem: newLRU[Hash](1 << 20)})
	var tree []byte
	for i := range 100 {
		tree = appendEntry(tree, modeFile, fmt.Sprintf("file-%03d", i), Hash{byte(i)})
	}
	st := newStage(w)
	first := st.put(object{kind: kindTree, data: tree}, Hash{})
	st.put(object{kind: kindTree, data: appendEntry(bytes.Clone(tree), modeFile, "x", Hash{9})}, first)
	st.put(object{kind: kindBlob, data: []byte("hello")}, Hash{})
	for _, s := range st.objects {
		if err := w.add(s); err != nil {
			f.Fatal(err)
		}
	}
	good := bytes.Join(w.finish(), nil)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := receivePackStream(context.Background(), bytes.NewReader(data), t.TempDir(), nil)
		if err != nil {
			return
		}
		x, _ := p.index.(memIndex)
		for _, e := range x {
			o, ok, err := p.object(e.id)
			if !ok || err != nil || o.hash() != e.id {
				t.Fatalf("%v: %v %v", e.id, ok, err)
			}
		}
	})
}

// FuzzLoose: a loose object that parses has a header that fits.
func FuzzLoose(f *testing.F) {
	f.Add(new(looseEncoder).encode(object{kind: kindBlob, data: []byte("hello")}))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := parseLoose(data)
		if err != nil {
			return
		}
		again, err := parseLoose(new(looseEncoder).encode(o))
		if err != nil || again.hash() != o.hash() {
			t.Fatalf("%v: %v", again, err)
		}
	})
}

// FuzzPath: what is accepted stays inside, on every file system.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"a/b", ".git/x", "GIT~1", "a/../b", "\u200c.git", "a\\b", "ſ", "K"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if checkPath(p) != nil {
			return
		}
		if path.Clean("/"+p) != "/"+p || strings.ContainsAny(p, "\x00\\\n:") {
			t.Fatalf("accepted %q", p)
		}
		for _, part := range strings.Split(strings.ToLower(p), "/") {
			if strings.TrimRight(part, ". ") == ".git" || strings.HasPrefix(part, "git~1") && len(strings.TrimRight(part, ". ")) == 5 {
				t.Fatalf("accepted %q", p)
			}
		}
	})
}

// FuzzAddress: no error repeats a password.
func FuzzAddress(f *testing.F) {
	f.Add("https://bob:", "@host/x")
	f.Add("git:", "@host:x")
	f.Add("ssh://a:", "@[::1]:22/x?y#z")
	f.Fuzz(func(t *testing.T, before, after string) {
		e, err := parseURL(before + marked + after)
		if err != nil {
			if strings.Contains(err.Error(), marked) {
				t.Fatalf("%v", err)
			}
			return
		}
		again, err := parseURL(e.String())
		if e.scheme == "http" && err == nil && again.host != e.host {
			t.Fatalf("%+v became %+v", e, again)
		}
	})
}

// TestRandomChangesAgainstGit applies random changes with Update and with git
// fast-import: the trees must be the same, id for id. One run has few names,
// so that files and folders follow each other; one has folders so large that
// they are indexed.
func TestRandomChangesAgainstGit(t *testing.T) {
	few := []string{"a", "a.b", "a-", "a0", "ab", "b", "b.yaml", "ä", "z", "aa"}
	var many []string
	for i := range 1500 {
		many = append(many, strings.ReplaceAll(fmt.Sprintf("%s%03d", few[i%len(few)], i), "ä", "e")) // else no index
	}
	for name, names := range map[string][]string{"few": few, "many": many} {
		t.Run(name, func(t *testing.T) { randomChanges(t, names) })
	}
}

func randomChanges(t *testing.T, names []string) {
	seedValue := rand.Uint64()
	t.Logf("seed %d", seedValue)
	rnd := rand.New(rand.NewPCG(seedValue, 1))
	ours, theirs := newBare(t), newBare(t)
	files := map[string]string{}
	r := open(t, ours, Options{})
	checked := 0
	for step := range 40 {
		size := 1 + rnd.IntN(8)
		if step == 0 {
			size = len(names) / 2
		}
		change, script := randomChange(rnd, names, files, size, step == 0)
		_, err := r.Update(context.Background(), "main", func(tip fs.FS) (*Change, error) {
			for p := range change { // as plans do; it also makes the indexes
				_, err := fs.Stat(tip, p)
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return nil, err
				}
			}
			return &Change{Files: change, Message: "x"}, nil
		})
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		gitIn(t, theirs, script, "fast-import", "--quiet", "--force")
		if a, b := git(t, ours, "rev-parse", "main^{tree}"), git(t, theirs, "rev-parse", "main^{tree}"); a != b {
			t.Fatalf("step %d: tree %s, git makes %s of %q", step, a, b, change)
		}
		checked += checkIndexes(t, r.store)
	}
	if len(names) > 100 && checked == 0 {
		t.Error("no index was made")
	}
	tree, err := open(t, ours, Options{}).Tip(context.Background(), "main")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(files, read(t, tree)); d != "" {
		t.Error(d)
	}
	fsck(t, ours)
}

// randomChange changes files, and returns the same for Update and fast-import.
func randomChange(rnd *rand.Rand, names []string, files map[string]string, size int, first bool) (map[string][]byte, []byte) {
	change := map[string][]byte{}
	var script bytes.Buffer
	fmt.Fprintf(&script, "commit refs/heads/main\ncommitter berth <berth@localhost> 1700000000 +0000\ndata 2\nx\n\n")
	if !first {
		fmt.Fprintf(&script, "from refs/heads/main^0\n")
	}
	for range size {
		p := names[rnd.IntN(len(names))]
		for rnd.IntN(3) > 0 && strings.Count(p, "/") < 4 {
			p += "/" + names[rnd.IntN(len(names))]
		}
		if _, twice := change[p]; twice || collides(p, change) || collides(p, files) {
			continue
		}
		if _, there := files[p]; there && rnd.IntN(2) == 0 {
			change[p] = nil
			delete(files, p)
			fmt.Fprintf(&script, "D %s\n", p)
			continue
		}
		text := fmt.Sprint(rnd.IntN(100))
		change[p], files[p] = []byte(text), text
		fmt.Fprintf(&script, "M 100644 inline %s\ndata %d\n%s\n", p, len(text), text)
	}
	return change, script.Bytes()
}

// checkIndexes compares every index that was carried over with a new one.
func checkIndexes(t *testing.T, s *store) (checked int) {
	t.Helper()
	for id, e := range s.mem.items {
		o := e.Value.(lruItem[Hash]).obj
		if o.index == nil || o.index.marks == nil {
			continue
		}
		var fresh treeIndex
		if err := fresh.build(o.data); err != nil {
			t.Fatal(err)
		}
		if fresh.plain && !o.index.plain {
			t.Fatalf("the index of %v does not know that all names are plain", id)
		}
		checkMarks(t, o)
		checked++
	}
	return checked
}

// checkMarks looks for every name of a tree, and wants a mark at least every few.
func checkMarks(t *testing.T, o object) {
	t.Helper()
	marks, since := o.index.marks, markEvery
	for rest := o.data; len(rest) > 0; since++ {
		at := len(o.data) - len(rest)
		e, next, err := nextEntry(rest)
		if err != nil {
			t.Fatal(err)
		}
		for len(marks) > 0 && int(marks[0]) == at {
			marks, since = marks[1:], 0
		}
		if since >= markEvery {
			t.Fatalf("no mark in the %d entries before %s", since, e.name)
		}
		rest = next
		end := len(o.data) - len(rest)
		if from, to := o.index.search(o.data, string(e.name), e.isDir()); from != at || to != end {
			t.Fatalf("%s is found at %d to %d, and is at %d to %d", e.name, from, to, at, end)
		}
		after := string(e.name) + "\x01"
		if e.isDir() {
			after = string(e.name) + "0" // the byte after the slash that a folder sorts with
		}
		// Nothing sorts between an entry and a file of this name; a folder of this name
		// has a place of its own, after the file.
		if from, to := o.index.search(o.data, after, false); from != end || to != end && !bytes.Contains(o.data, []byte(" "+after+"\x00")) {
			t.Fatalf("what comes after %s belongs at %d to %d, not %d", e.name, from, to, end)
		}
	}
	if len(marks) > 0 {
		t.Fatalf("marks %v are at no entry", marks)
	}
}

// collides reports whether p is a folder of one of the files, or below one.
func collides[V any](p string, files map[string]V) bool {
	for f := range files {
		if strings.HasPrefix(f, p+"/") || strings.HasPrefix(p, f+"/") {
			return true
		}
	}
	return false
}
