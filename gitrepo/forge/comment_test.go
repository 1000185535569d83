package forge

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/berth-gitops/berth/gitrepo"
)

// commented makes a comment, on a Gitea that lists these and says that the token
// is this user's, and returns what was changed.
func commented(t *testing.T, user, total, list string) (changes []string, err error) {
	t.Helper()
	rt := transport(func(r *http.Request) (*http.Response, error) {
		switch {
		case r.Method != http.MethodGet:
			changes = append(changes, r.Method+" "+r.URL.Path)
			return answerWith(r, "{}"), nil
		case r.URL.Path == "/user":
			return answerWith(r, user), nil
		}
		resp := answerWith(r, list)
		resp.Header.Set("X-Total-Count", total)
		return resp, nil
	})
	f, err := New(Options{
		Repository: Repository{Kind: Gitea, API: "https://git.example.com", Path: "acme/gitops"},
		Token:      gitrepo.NewSecret(testToken), Client: &http.Client{Transport: rt},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = f.Comment(t.Context(), 1, "berth:review", "new")
	return changes, err
}

const (
	userBerth  = `{"login":"berth"}`
	oneComment = `{"id":%d,"body":"<!-- berth:review -->\nold","user":{"login":%q}}`
)

// TestCommentListedTwice: Gitea counts comments after it has listed them, and
// knows no second page. A comment made in between must not cost berth's own.
func TestCommentListedTwice(t *testing.T) {
	got, err := commented(t, userBerth, "2", fmt.Sprintf("["+oneComment+"]", 7, "berth"))
	if want := []string{"PATCH /repos/acme/gitops/issues/comments/7"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// TestOldestCommentStays, whatever the order of the list.
func TestOldestCommentStays(t *testing.T) {
	got, err := commented(t, userBerth, "3", fmt.Sprintf("["+oneComment+","+oneComment+","+oneComment+"]", 9, "berth", 7, "berth", 5, "mallory"))
	if want := []string{"PATCH /repos/acme/gitops/issues/comments/7", "DELETE /repos/acme/gitops/issues/comments/9"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

// TestCommentOfNobody: a deleted account's comment has no author, which is not
// the account of a token that does not tell whose it is.
func TestCommentOfNobody(t *testing.T) {
	got, err := commented(t, "{}", "1", fmt.Sprintf("["+oneComment+"]", 7, ""))
	if !errors.Is(err, ErrServer) || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
}
