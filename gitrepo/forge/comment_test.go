package forge

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
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

// TestTooManyComments: what others write must not keep berth's own comment, which is
// usually an early one, from being kept current. Where it is not among those that berth
// looks through, none is made: there would be one more each time.
func TestTooManyComments(t *testing.T) {
	own := fmt.Sprintf(oneComment, 7, "berth")
	spam := fmt.Sprintf(`{"id":8,"body":"%s","user":{"login":"mallory"}}`, strings.Repeat("x", maxAnswer/2))
	for name, c := range map[string]struct {
		list string
		want []string
		err  error
	}{
		"after its own":        {"[" + own + "," + spam + "," + spam + "]", []string{"PATCH /repos/acme/gitops/issues/comments/7"}, nil},
		"before its own":       {"[" + spam + ", " + spam + ", " + own + "]", nil, ErrTooMany},
		"one that is too long": {"[" + strings.Replace(spam, "x", strings.Repeat("x", maxAnswer), 1) + "]", nil, ErrTooMany},
	} {
		if got, err := commented(t, userBerth, "3", c.list); !errors.Is(err, c.err) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
}

// TestTooManyPages is the same where comments come in pages.
func TestTooManyPages(t *testing.T) {
	for page, want := range map[string][]string{
		"":    {"PATCH /repos/acme/gitops/issues/comments/7"},
		"2":   {"PATCH /repos/acme/gitops/issues/comments/7"},
		"101": nil,
	} {
		var changes []string
		rt := transport(func(r *http.Request) (*http.Response, error) {
			number := r.URL.Query().Get("page")
			switch {
			case r.Method != http.MethodGet:
				changes = append(changes, r.Method+" "+r.URL.Path)
				return answerWith(r, "{}"), nil
			case r.URL.Path == "/user":
				return answerWith(r, userBerth), nil
			}
			resp := answerWith(r, "[]")
			if number == page {
				resp = answerWith(r, fmt.Sprintf("["+oneComment+"]", 7, "berth"))
			}
			next, _ := strconv.Atoi(cmp.Or(number, "1"))
			resp.Header.Set("Link", fmt.Sprintf(`<https://api.github.com/x?page=%d>; rel="next"`, next+1))
			return resp, nil
		})
		f, err := New(Options{
			Repository: Repository{Kind: GitHub, API: "https://api.github.com", Path: "acme/gitops"},
			Token:      gitrepo.NewSecret(testToken), Client: &http.Client{Transport: rt},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.Comment(t.Context(), 1, "berth:review", "new"); errors.Is(err, ErrTooMany) != (want == nil) || !slices.Equal(changes, want) {
			t.Errorf("berth's own on page %q: %q, %v, want %q", page, changes, err, want)
		}
	}
}
