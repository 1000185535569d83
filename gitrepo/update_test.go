package gitrepo

import (
	"context"
	"io/fs"
	"testing"
)

// roads are the ways to reach one and the same repository.
func roads(t *testing.T) map[string]func(t *testing.T, dir string) string {
	return map[string]func(t *testing.T, dir string) string{
		"path":  func(_ *testing.T, dir string) string { return dir },
		"file":  func(_ *testing.T, dir string) string { return "file://" + dir },
		"http":  func(t *testing.T, dir string) string { return serveHTTP(t, dir, nil).url(dir) },
	}
}

func TestUpdate(t *testing.T) {
	for name, road := range roads(t) {
		t.Run(name, func(t *testing.T) {
			dir := newBare(t)
			r := open(t, road(t, dir), Options{})
			ctx := context.Background()
			res, err := r.Update(ctx, "main", write("First", map[string]string{"berth.yaml": "a\n", "projects/shop/project.yaml": "b\n"}))
			if err != nil {
				t.Fatal(err)
			}
			if got := git(t, dir, "rev-parse", "main"); got != res.Commit.String() || !res.Changed || !res.Base.IsZero() {
				t.Fatalf("got %v, result %+v", got, res)
			}
			res2, err := r.Update(ctx, "main", write("Second", map[string]string{"projects/blog/project.yaml": "c\n"}))
			if err != nil {
				t.Fatal(err)
			}
			if res2.Base != res.Commit {
				t.Errorf("base %v", res2.Base)
			}
			same, err := r.Update(ctx, "main", write("Again", map[string]string{"projects/blog/project.yaml": "c\n"}))
			if err != nil || same.Changed || same.Commit != res2.Commit {
				t.Errorf("same again: %+v %v", same, err)
			}
			if _, err := r.Update(ctx, "main", write("Gone", map[string]string{"projects/shop/project.yaml": ""})); err != nil {
				t.Fatal(err)
			}
			fresh := open(t, r.String(), Options{})
			tree, err := fresh.Tip(ctx, "main")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			err = fs.WalkDir(tree, ".", func(p string, d fs.DirEntry, err error) error {
				got = append(got, p)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Log(got)
			fsck(t, dir)
		})
	}
}
