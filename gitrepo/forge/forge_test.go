package forge_test

import (
	"strings"
	"testing"

	"github.com/berth-gitops/berth/gitrepo/forge"
	"github.com/berth-gitops/berth/gitrepo/forge/forgetest"
)

func TestGitHub(t *testing.T) {
	forgetest.Run(t, 8, func(t testing.TB) forgetest.Site { return forgetest.NewGitHub(t) })
}

func TestGitLab(t *testing.T) {
	forgetest.Run(t, 8, func(t testing.TB) forgetest.Site { return forgetest.NewGitLab(t) })
}

// TestFindsTheNewest of those that are over, where the forge can be asked for it.
func TestFindsTheNewest(t *testing.T) {
	for name, s := range map[string]forgetest.Site{"github": forgetest.NewGitHub(t), "gitlab": forgetest.NewGitLab(t)} {
		f := forgetest.Open(t, s, forgetest.Berth)
		s.Commit(t, "berth/shop")
		for i := range 3 {
			pr, outcome, err := f.Ensure(t.Context(), forge.Want{Head: "berth/shop", Base: "main", Title: "shop"})
			if err != nil || outcome != forge.Opened {
				t.Fatalf("%s %d: %s, %v", name, i, outcome, err)
			}
			s.CloseByHand(t, pr.Number)
			if found, err := f.Find(t.Context(), "berth/shop", "main"); err != nil || found.Number != pr.Number || found.State != forge.Closed {
				t.Errorf("%s: found %+v, %v, want %d", name, found, err, pr.Number)
			}
		}
	}
}

// TestAppToken: the token of GitHub Actions may not ask whose it is.
func TestAppToken(t *testing.T) {
	g := forgetest.NewGitHub(t)
	g.AppToken = true
	g.Commit(t, "berth/shop")
	f := forgetest.Open(t, g, forgetest.Berth)
	pr, _, err := f.Ensure(t.Context(), forge.Want{Head: "berth/shop", Base: "main", Title: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	g.CommentByHand(t, pr.Number, "<!-- berth:review -->\nforged")
	g.CommentByBot(t, pr.Number, "<!-- berth:review -->\necho of what somebody wrote")
	for _, want := range []forge.Outcome{forge.Opened, forge.Unchanged} {
		_, outcome, err := f.Comment(t.Context(), pr.Number, "berth:review", "text")
		if err != nil || outcome != want {
			t.Fatalf("the comment was %s, %v, want %s", outcome, err, want)
		}
	}
	if all := g.Comments(t, pr.Number); len(all) != 3 || all[0] != "<!-- berth:review -->\nforged" || !strings.HasSuffix(all[1], "wrote") {
		t.Fatalf("comments: %q", all)
	}
}
