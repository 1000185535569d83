package gitrepo

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestBetween compares with git rev-list, over every road.
func TestBetween(t *testing.T) {
	made := newBare(t)
	seed(t, made, "main", map[string]string{"f": "0"})
	git(t, made, "branch", "old", seed(t, made, "main", map[string]string{"f": "fork"}))
	for i := range 66 { // further than the first look
		seed(t, made, "main", map[string]string{"f": fmt.Sprint(i)})
	}
	git(t, made, "branch", "one", "main")
	git(t, made, "branch", "two", "main~1")
	git(t, made, "branch", "same", "main")
	git(t, made, "branch", "behind", "main~3")
	for i, branch := range []string{"old", "one", "two", "two"} {
		seed(t, made, branch, map[string]string{"g": fmt.Sprint(i)})
	}
	git(t, made, "update-ref", "refs/heads/merged", git(t, made, "commit-tree", "-p", "two", "-p", "main", "-m", "m", "main^{tree}"))
	seed(t, made, "other", map[string]string{"unrelated": "1"})

	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "fleet.git")
			if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
				t.Fatal(err)
			}
			repo := road.open(t, dir)
			for _, branch := range []string{"old", "one", "two", "same", "merged", "other", "behind"} {
				trees, err := repo.AtEach(t.Context(), "main", branch)
				if err != nil {
					t.Fatal(err)
				}
				want := strings.Fields(git(t, made, "rev-list", branch, "^main"))
				between := func(most int) ([]Commit, bool) {
					commits, all, err := repo.Between(t.Context(), trees[0].Commit(), trees[1].Commit(), most)
					if err != nil {
						t.Errorf("%s: %v", branch, err)
					}
					return commits, all
				}
				commits, all := between(len(want))
				var got []string
				for i, c := range commits {
					got = append(got, c.Commit().String())
					if i == 0 && c.Root() != trees[1].Root() || c.Message == "" || len(c.Parents) == 0 && branch != "other" {
						t.Errorf("%s: %+v", branch, c)
					}
				}
				slices.Sort(got)
				slices.Sort(want)
				if !all || !slices.Equal(got, want) {
					t.Errorf("%s: %v %v, want %v", branch, got, all, want)
				}
				if len(want) > 0 {
					if few, all := between(len(want) - 1); all || few != nil {
						t.Errorf("%s: %v although there are more", branch, few)
					}
				}
			}
		})
	}
}
