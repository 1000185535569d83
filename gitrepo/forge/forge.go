// Package forge keeps one pull request per branch on GitHub (Enterprise too),
// GitLab, Gitea and Forgejo. What GitLab calls a merge request is a pull
// request here.
//
// Turn the repository's address into a [Repository] with [Locate], and that
// and a token into a [Forge] with [New]. Then:
//
//   - [Forge.Ensure] opens the pull request of a branch or brings the open one
//     up to date. It never leaves two, whoever else is writing.
//   - [Forge.Comment] keeps one comment current, recognised by a hidden marker.
//   - [Forge.Find] and [Forge.Get] tell what became of a pull request.
//   - [Forge.Close] closes one without merging it.
//
// The branch itself is pushed, and deleted, by package gitrepo. Failures are an [*Error]
// that answers errors.Is with one of the causes of this package, such as
// [ErrAuthorization]. Nothing here reads the environment.
//
// # Tokens
//
// GitHub: a fine-grained token with "Pull requests", read and write, and
// "Contents" too where the same token pushes; a workflow's own token with the
// same permissions. GitLab: a personal, group or project access token with the
// scope api and the role Developer; a job token cannot do this. Gitea and
// Forgejo: the scopes write:repository, write:issue (for labels and comments)
// and read:user.
//
// # What it was tried on
//
// Gitea 1.26.0: the real program, in e2e/forge, over HTTP and SSH. GitHub: a
// stand-in that holds every request and answer to GitHub's own OpenAPI
// description (package forgetest), all but the question of GraphQL whose an
// app's token is. GitLab: a stand-in that answers with what
// GitLab's own Go client has recorded. All three pass one suite,
// forgetest.Run. Forgejo and GitHub Enterprise Server were not tried
// themselves; what is used of their APIs is documented to be the same.
//
// # Why no vendor's client
//
// A dozen calls a forge are used. The three clients would add 3.3 MB to
// the program and bring three ways to retry, redirect, page and report, where
// one is wanted: a token that never leaves its host, bounded answers, and one
// kind of error.
package forge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/berth-gitops/berth/gitrepo"
)

// Options say which repository to work on, and as whom.
type Options struct {
	Repository Repository // from Locate
	Token      gitrepo.Secret
	// Client carries the CA, the proxy, and the longest time for one request,
	// which is a minute when it is not set; nil for a plain one.
	Client    *http.Client
	UserAgent string // default "berth"
	// MaxWait is the longest time to wait for a rate limit to end before
	// giving up with ErrRateLimited; default one minute, negative for none.
	MaxWait time.Duration
	Log     *slog.Logger // for warnings and waits; nil for none
}

// Forge is one repository on a forge. It may be used by several goroutines.
type Forge struct {
	repository Repository
	api        api

	mu    sync.Mutex
	login string // of the token's account, once known
}

// New checks the options; it sends nothing.
func New(o Options) (*Forge, error) {
	if o.Token.IsZero() {
		return nil, errors.New("no token for the forge is given")
	}
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	f := &Forge{repository: o.Repository}
	switch o.Repository.Kind {
	case GitHub:
		f.api, err = newGitHub(c, o.Repository.Path)
	case GitLab:
		f.api, err = newGitLab(c, o.Repository.Path)
	case Gitea:
		f.api, err = newGitea(c, o.Repository.Path)
	default:
		err = fmt.Errorf("%q is not a kind of forge: github, gitlab and gitea are", o.Repository.Kind)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Repository returns what New was given.
func (f *Forge) Repository() Repository { return f.repository }

// BodyLimit is how many characters a body or comment may have here. Longer
// ones are cut at a line's end and say so.
func (f *Forge) BodyLimit() int { return f.api.bodyLimit() }

// State says what became of a pull request.
type State string

// The states of a pull request. Closed means closed without being merged.
const (
	Open   State = "open"
	Merged State = "merged"
	Closed State = "closed"
)

// PullRequest is one pull request as the forge shows it.
type PullRequest struct {
	Number     int64    `json:"number"` // within the repository, as in its URL
	URL        string   `json:"url"`    // for people
	State      State    `json:"state"`
	Title      string   `json:"title"`
	Body       string   `json:"body"`
	Labels     []string `json:"labels,omitempty"`
	Head       string   `json:"head"` // branch
	Base       string   `json:"base"` // branch
	HeadCommit string   `json:"headCommit"`
	Author     string   `json:"author"` // login

	fork bool // head is a branch of another repository
}

// between reports whether the pull request is of head into base, both of this
// repository.
func (p *PullRequest) between(head, base string) bool {
	return !p.fork && p.Head == head && p.Base == base
}

// Find returns the open pull request of branch head into branch base. When
// none is open it returns one that was closed or merged: the newest, but on
// Gitea, which cannot be asked for that, perhaps an earlier one. It returns
// nil when there never was one. Pull requests from forks are not looked at.
func (f *Forge) Find(ctx context.Context, head, base string) (*PullRequest, error) {
	if err := checkBranches(head, base); err != nil {
		return nil, err
	}
	return f.find(ctx, head, base)
}

func (f *Forge) find(ctx context.Context, head, base string) (*PullRequest, error) {
	pr, err := f.api.current(ctx, head, base)
	if err != nil || pr != nil {
		return pr, err
	}
	if pr, err = f.api.past(ctx, head, base); err != nil || pr == nil || !pr.between(head, base) {
		return nil, err
	}
	return pr, nil
}

// Get returns the pull request with this number, whatever its state.
func (f *Forge) Get(ctx context.Context, number int64) (*PullRequest, error) {
	return f.api.get(ctx, number)
}

// Close closes the pull request without merging it, and returns what it is
// then: one that a person has merged meanwhile stays merged, which is no error.
func (f *Forge) Close(ctx context.Context, number int64) (*PullRequest, error) {
	pr, err := f.api.get(ctx, number)
	if err != nil || pr.State != Open {
		return pr, err
	}
	closed, err := f.api.edit(ctx, number, edit{close: true})
	if err == nil {
		return closed, nil
	}
	// Merged or closed by somebody since it was read?
	if now, getErr := f.api.get(ctx, number); getErr == nil && now.State != Open {
		return now, nil
	}
	return nil, err
}

// api is what the forges have in common, in their own words underneath.
type api interface {
	// bodyLimit is in characters.
	bodyLimit() int
	// escape takes away what a line of a body could command the forge to do.
	escape(body string) string

	// current is the open pull request of head into base, the oldest if there
	// are several; past is another one that was. Both are nil if there is none.
	current(ctx context.Context, head, base string) (*PullRequest, error)
	past(ctx context.Context, head, base string) (*PullRequest, error)
	// open lists the open pull requests of head into base, oldest first. Only
	// the newest few of the repository need be looked at.
	open(ctx context.Context, head, base string) ([]PullRequest, error)
	get(ctx context.Context, number int64) (*PullRequest, error)
	// ahead reports whether head has commits that base lacks. It may say true
	// where create finds out.
	ahead(ctx context.Context, head, base string) (bool, error)
	create(ctx context.Context, w Want) (*PullRequest, error)
	edit(ctx context.Context, number int64, e edit) (*PullRequest, error)
	label(ctx context.Context, pr *PullRequest, add, remove []string) error

	// account is the login of the token's owner.
	account(ctx context.Context) (string, error)
	// comments lists them oldest first; with ErrTooMany only the oldest.
	comments(ctx context.Context, number int64) ([]comment, error)
	addComment(ctx context.Context, number int64, body string) (comment, error)
	editComment(ctx context.Context, number, id int64, body string) error
	deleteComment(ctx context.Context, number, id int64) error
}

// edit names what to change of a pull request; nil leaves it.
type edit struct {
	title, body *string
	close       bool
}

// fields is e as a forge wants it, which calls the body so and closes so.
func (e edit) fields(body, state, closed string) map[string]any {
	in := map[string]any{}
	if e.title != nil {
		in["title"] = *e.title
	}
	if e.body != nil {
		in[body] = *e.body
	}
	if e.close {
		in[state] = closed
	}
	return in
}

// comment is one comment of a pull request.
type comment struct {
	id     int64
	author string // login
	body   string
	url    string
}

// first is the oldest of a list, nil if it is empty.
func first(list []PullRequest, err error) (*PullRequest, error) {
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// segments escapes a branch name for a path, keeping its slashes.
func segments(branch string) string {
	return (&url.URL{Path: branch}).EscapedPath()
}
