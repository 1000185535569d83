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

// TestMergeBaseOfACraftedMerge: who makes a change must not choose what it is
// compared with.
func TestMergeBaseOfACraftedMerge(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := newBare(t)
			ids := map[string]Hash{}
			commit := func(name string, parents ...string) {
				args := []string{"commit-tree", "-m", name, emptyTree.String()}
				for _, p := range parents {
					args = append(args, "-p", ids[p].String())
				}
				id, err := ParseHash(git(t, dir, args...))
				if err != nil {
					t.Fatal(err)
				}
				ids[name] = id
			}
			_ = gitIn(t, dir, nil, "hash-object", "-t", "tree", "-w", "/dev/null")
			commit("old")
			commit("tip", "old")
			commit("chain 0", "tip")
			last := ""
			for i := range historyDepths[0] + 5 { // so long that the first look does not reach tip
				last = fmt.Sprintf("chain %d", i+1)
				commit(last, fmt.Sprintf("chain %d", i))
			}
			commit("long", last, "old")
			commit("left", "old")
			commit("right", "old")
			commit("main", "left", "right")
			commit("crossed", "right", "left")
			for name, id := range ids {
				if name == "tip" || name == "long" || name == "main" || name == "crossed" {
					git(t, dir, "branch", name, id.String())
				}
			}
			repo := road.open(t, dir)
			for _, tt := range []struct{ a, b, want string }{
				{"tip", "long", "tip"}, {"long", "tip", "tip"}, {"main", "crossed", "none"}, {"tip", "main", "old"},
			} {
				if _, err := repo.AtEach(context.Background(), tt.a, tt.b); err != nil {
					t.Fatal(err)
				}
				got, err := repo.MergeBase(context.Background(), ids[tt.a], ids[tt.b])
				if err != nil || got != ids[tt.want] {
					t.Errorf("%s and %s: %v %v, want %s", tt.a, tt.b, got, err, tt.want)
				}
			}
		})
	}
}
