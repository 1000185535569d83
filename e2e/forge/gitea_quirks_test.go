package forge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/berth-gitops/berth/gitrepo/forge"
	"github.com/berth-gitops/berth/gitrepo/forge/forgetest"
)

// TestManyLabels: Gitea's list of labels has pages and no links to them.
func TestManyLabels(t *testing.T) {
	r := site.NewRepository(t)
	for i := range 60 {
		r.NewLabel(t, fmt.Sprintf("label-%02d", i))
	}
	r.NewLabel(t, "berth")
	r.Commit(t, "berth/shop")
	f := forgetest.Open(t, r, forgetest.Berth)
	want := []string{"berth", "label-00", "label-59"}
	pr, _, err := f.Ensure(t.Context(), forge.Want{Head: "berth/shop", Base: "main", Title: "shop", Labels: want})
	if err != nil {
		t.Fatal(err)
	}
	if pr, err = f.Get(t.Context(), pr.Number); err != nil {
		t.Fatal(err)
	}
	slices.Sort(pr.Labels)
	if !slices.Equal(pr.Labels, want) {
		t.Errorf("labels are %q, want %q", pr.Labels, want)
	}
	if all := r.Labels(t); len(all) != 61 {
		t.Errorf("the repository has %d labels, want the 61 it had: %q", len(all), all)
	}
}

// TestBranchNames: slashes, and what must be escaped in a URL.
func TestBranchNames(t *testing.T) {
	r := site.NewRepository(t)
	f := forgetest.Open(t, r, forgetest.Berth)
	r.NewBranch(t, "release/1.0")
	for _, head := range []string{"berth/a", "berth/a-b/c", "berth/100%25", "berth/a+b", "berth/ä#1"} {
		r.Commit(t, head)
		w := forge.Want{Head: head, Base: "release/1.0", Title: head}
		for _, want := range []forge.Outcome{forge.Opened, forge.Unchanged} {
			pr, outcome, err := f.Ensure(t.Context(), w)
			if err != nil || outcome != want || pr.Head != head || pr.Base != w.Base {
				t.Fatalf("%s: %+v, %s, %v", head, pr, outcome, err)
			}
		}
	}
}

// TestWords: an error carries Gitea's own words, and never the token.
func TestWords(t *testing.T) {
	r := site.NewRepository(t)
	r.Commit(t, "berth/shop")
	_, _, err := forgetest.Open(t, r, forgetest.Reader).Ensure(t.Context(), forge.Want{Head: "berth/shop", Base: "main", Title: "shop"})
	if !errors.Is(err, forge.ErrAuthorization) || !strings.Contains(err.Error(), "required=[write:repository]") {
		t.Errorf("a read-only token: %v", err)
	}
	for _, account := range []forgetest.Account{forgetest.Reader, forgetest.Nobody} {
		_, _, err := forgetest.Open(t, r, account).Ensure(t.Context(), forge.Want{Head: "berth/shop", Base: "main", Title: "shop"})
		if err == nil || strings.Contains(fmt.Sprintf("%+v", err), r.TokenText(account)) {
			t.Errorf("%s: %v", account, err)
		}
	}
}
