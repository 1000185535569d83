package gitrepo

import (
	"context"
	"fmt"
	"io/fs"
	"testing"
)

// TestMergeBase compares with git itself, over every road, and reads what it finds.
func TestMergeBase(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := newBare(t)
			seed(t, dir, "main", map[string]string{"f": "0"})
			fork := seed(t, dir, "main", map[string]string{"f": "fork"})
			git(t, dir, "branch", "topic", fork)
			git(t, dir, "branch", "merged", fork)
			for i := range 70 { // further than the first look
				seed(t, dir, "main", map[string]string{"f": fmt.Sprint(i)})
			}
			seed(t, dir, "topic", map[string]string{"g": "1"})
			seed(t, dir, "other", map[string]string{"unrelated": "1"})
			merge := git(t, dir, "commit-tree", "-p", git(t, dir, "rev-parse", "merged"), "-p", git(t, dir, "rev-parse", "main~3"), "-m", "m", "main~3^{tree}")
			git(t, dir, "update-ref", "refs/heads/merged", merge)
			repo := road.open(t, dir)
			for _, pair := range [][2]string{{"main", "topic"}, {"topic", "main"}, {"main", "merged"}, {"main", "main"}, {"topic", "other"}} {
				var ids [2]Hash
				for i, name := range pair {
					tree, err := repo.At(context.Background(), name)
					if err != nil {
						t.Fatal(err)
					}
					ids[i] = tree.Commit()
				}
				got, err := repo.MergeBase(context.Background(), ids[0], ids[1])
				if err != nil {
					t.Fatal(err)
				}
				if pair[1] == "other" {
					if !got.IsZero() {
						t.Errorf("%v: %v", pair, got)
					}
					continue
				}
				if want := git(t, dir, "merge-base", pair[0], pair[1]); got.String() != want {
					t.Errorf("%v: %v, want %s", pair, got, want)
				}
				tree, err := repo.At(context.Background(), got.String())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := fs.ReadFile(tree, "f"); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
