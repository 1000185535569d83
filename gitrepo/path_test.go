package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestUnsafePaths(t *testing.T) {
	for _, p := range []string{
		"", ".", "..", "/a", "a/", "a//b", "./a", "a/./b", "../a", "a/../b", "a/..", `a\b`, "a:b", "C:/x", "a\x00b", "a\nb", "a\x7fb",
		".git", ".git/config", "a/.git/x", ".GIT/x", ".Git", ".git./x", ".git /x", ".git...", "git~1/x", "GIT~1", ".g\u200cit/x", "\ufeff.git",
		".g\u200ei\u200dt", ".git::$INDEX_ALLOCATION/x", "\xff", strings.Repeat("a", 256), strings.Repeat("a/", 600) + "b",
	} {
		err := checkPath(p)
		var pe *PathError
		if !errors.As(err, &pe) || !errors.Is(err, ErrUnsafePath) {
			t.Errorf("%q: %v", p, err)
		}
	}
	for _, p := range []string{"a", ".gitignore", ".github/workflows/x.yaml", "git", "a.git/x", ".sops.yaml", "…/ä", "a b", "-", "~", "projects/x..y/z"} {
		if err := checkPath(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
}

func TestRefusedChanges(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{
		"file": "x", "folder/a": "x", "120000 link": "folder", "160000 module": strings.Repeat("1", 40), "Mixed/x": "x", "case/Name": "x", "case/ÄB": "x",
	})
	tests := []struct {
		name  string
		files map[string]string
		want  error // nil: allowed
	}{
		{"below a file", map[string]string{"file/x": "1"}, ErrFolderConflict},
		{"file for a folder", map[string]string{"folder": "1"}, ErrFolderConflict},
		{"delete a folder", map[string]string{"folder": ""}, ErrFolderConflict},
		{"both at once", map[string]string{"new": "1", "new/x": "1"}, ErrFolderConflict},
		{"both at once, deep", map[string]string{"n/x/y": "1", "n/x": ""}, ErrFolderConflict},
		{"through a link", map[string]string{"link/a": "1"}, ErrLink},
		{"onto a link", map[string]string{"link": "1"}, ErrLink},
		{"delete through a link", map[string]string{"link/a": ""}, ErrLink},
		{"into a submodule", map[string]string{"module/a": "1"}, ErrLink},
		{"onto a submodule", map[string]string{"module": "1"}, ErrLink},
		{"case of a folder", map[string]string{"mixed/y": "1"}, ErrCaseClash},
		{"case of a file", map[string]string{"case/name": "1"}, ErrCaseClash},
		{"case beyond ASCII", map[string]string{"case/äb": "1"}, ErrCaseClash},
		{"case inside the change", map[string]string{"up/a": "1", "up/A": "1"}, ErrCaseClash},
		{"outside", map[string]string{"../x": "1"}, ErrUnsafePath},
		{"one bad among good", map[string]string{"good": "1", ".git/hooks/x": "1"}, ErrUnsafePath},

		{"a link itself may go", map[string]string{"link": ""}, nil},
		{"a submodule may go", map[string]string{"module": ""}, nil},
		{"deleting nothing of another case", map[string]string{"case/NAME": "", "MIXED/x": ""}, nil},
		{"moving a folder to another case", map[string]string{"Mixed/x": "", "mixed/x": "1"}, nil},
		{"moving part of a folder", map[string]string{"case/Name": "", "Case/Name": "1"}, ErrCaseClash},
		{"renaming to another case", map[string]string{"case/Name": "", "case/name": "1"}, nil},
		{"an existing name again", map[string]string{"case/Name": "2"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := git(t, dir, "rev-parse", "main")
			_, err := open(t, dir, Options{}).Update(context.Background(), "main", write("x", tt.files))
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			var pe *PathError
			if tt.want != nil && (!errors.As(err, &pe) || !slices.Contains(slices.Collect(maps.Keys(tt.files)), pe.Path) &&
				!slices.ContainsFunc(slices.Collect(maps.Keys(tt.files)), func(p string) bool { return strings.HasPrefix(p, pe.Path+"/") })) {
				t.Errorf("which path? %v", err)
			}
			fsck(t, dir)
			if after := git(t, dir, "rev-parse", "main"); (after == before) != (tt.want != nil || tt.name == "deleting nothing of another case") {
				t.Errorf("main is %s, was %s", after, before)
			}
			git(t, dir, "update-ref", "refs/heads/main", before)
		})
	}
}

// TestRefusedChangesInLargeFolders is for folders that are indexed.
func TestRefusedChangesInLargeFolders(t *testing.T) {
	dir := newBare(t)
	files := map[string]string{"120000 big/link": "x", "160000 big/module": strings.Repeat("1", 40)}
	for i := range 400 {
		files[fmt.Sprintf("big/file-%03d", i)] = "x"
		files[fmt.Sprintf("big/folder-%03d/x", i)] = "x"
	}
	seed(t, dir, "main", files)
	for path, want := range map[string]error{
		"big/FILE-001": ErrCaseClash, "big/Folder-002/y": ErrCaseClash, "big/Folder-002": ErrCaseClash, "big/file-003/x": ErrFolderConflict,
		"big/folder-004": ErrFolderConflict, "big/link": ErrLink, "big/link/x": ErrLink, "big/module/x": ErrLink, "big/LINK": ErrCaseClash,
		"big/file-005": nil, "big/folder-006/y": nil, "big/new": nil, "big/New2": nil, "big/aaa": nil, "big/zzz/x": nil, "big/ä": nil,
	} {
		before := git(t, dir, "rev-parse", "main")
		r := open(t, dir, Options{})
		_, there := files[path]
		_, err := r.Update(context.Background(), "main", write("x", map[string]string{path: "new"}))
		check(t, path, err, want)
		if want == nil {
			if got := git(t, dir, "show", "main:"+path); got != "new" {
				t.Errorf("%s: %q", path, got)
			}
			// Once more, on the index that was carried over.
			if _, err := r.Update(context.Background(), "main", write("x", map[string]string{path: ""})); err != nil {
				t.Errorf("delete %s: %v", path, err)
			}
			delete(files, path)
			if got := strings.Count(git(t, dir, "ls-tree", "-r", "main"), "\n") + 1; got != len(files) {
				t.Errorf("after deleting %s: %d files, want %d", path, got, len(files))
			}
			files[path] = "x"
		}
		fsck(t, dir)
		git(t, dir, "update-ref", "refs/heads/main", before)
		if want == nil && !there {
			delete(files, path)
		}
	}
}

func mustTip(t *testing.T, r *Repo) *Tree {
	t.Helper()
	tree, err := r.Tip(context.Background(), "main")
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestExecutableBitStays(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"100755 run.sh": "old"})
	if _, err := open(t, dir, Options{}).Update(context.Background(), "main", write("x", map[string]string{"run.sh": "new"})); err != nil {
		t.Fatal(err)
	}
	if got := git(t, dir, "ls-tree", "main", "run.sh"); !strings.HasPrefix(got, "100755 ") {
		t.Error(got)
	}
}
