package gitrepo

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDifferences compares with git itself, over every road.
func TestDifferences(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := newBare(t)
			files := map[string]string{
				"a.b": "1", "a/c": "1", "a0": "1", "same/deep/f": "1", "gone/x/y": "1", "run": "1", "file": "1", "dir/f": "1",
			}
			old := seed(t, dir, "old", files)
			next := maps.Clone(files)
			for _, name := range []string{"gone/x/y", "run", "file", "dir/f"} {
				delete(next, name)
			}
			maps.Copy(next, map[string]string{"a/c": "2", "new/z": "1", "100755 run": "1", "file/now/folder": "1", "120000 dir": "same"})
			now := seed(t, dir, "now", next)
			want := strings.Fields(git(t, dir, "diff-tree", "-r", "--name-only", "--no-renames", old, now))
			repo := road.open(t, dir)
			before, err := repo.At(context.Background(), old)
			if err != nil {
				t.Fatal(err)
			}
			after, err := repo.At(context.Background(), now)
			if err != nil {
				t.Fatal(err)
			}
			for _, trees := range [][2]*Tree{{after, before}, {before, after}} {
				got, err := trees[0].Differences(trees[1], nil)
				if err != nil {
					t.Fatal(err)
				}
				slices.Sort(got)
				slices.Sort(want)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			}
			if got, err := after.Differences(after, nil); err != nil || got != nil {
				t.Errorf("equal trees: %v %v", got, err)
			}
		})
	}
}
