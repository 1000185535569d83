package forge

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Want is how a pull request shall be.
type Want struct {
	Head, Base string // branches of the repository; head holds the change
	Title      string // one line; cut to 255 bytes
	Body       string // Markdown; cut like a comment, see Forge.BodyLimit
	// Labels are added where they are missing, and made in the repository
	// where it lacks them.
	Labels []string
	// OwnLabels is the prefix of the labels that nobody else sets: those with
	// it that are not in Labels are removed. Empty removes none.
	OwnLabels string
}

// Outcome says what a call has changed.
type Outcome string

// The outcomes of Ensure and Comment.
const (
	Opened    Outcome = "opened" // a pull request or comment is new
	Updated   Outcome = "updated"
	Unchanged Outcome = "unchanged"
)

// attempts of Ensure and Comment against others that write at the same time.
const attempts = 4

// Ensure opens the pull request that w describes, or brings the open one's
// title, body and labels up to date; nothing is sent that is so already.
//
// There is one open pull request per head and base afterwards: when another
// writer opens one at the same time, the older one stays. It fails with
// ErrNoDiff instead of opening a pull request without commits, and with
// ErrNotFound when a branch does not exist. One that a person has closed is
// left closed, and a new one opened; [Forge.Find] shows it beforehand.
//
// When only the labels could not be set, the pull request is returned together
// with the error.
func (f *Forge) Ensure(ctx context.Context, w Want) (*PullRequest, Outcome, error) {
	w, err := f.prepare(w)
	if err != nil {
		return nil, "", err
	}
	var lost error
	for range attempts {
		pr, err := f.api.current(ctx, w.Head, w.Base)
		if err != nil {
			return nil, "", err
		}
		outcome := Unchanged
		if pr == nil {
			pr, outcome, err = f.open(ctx, w)
		}
		if err == nil {
			return f.bring(ctx, pr, w, outcome)
		}
		if !errors.Is(err, ErrConflict) {
			return nil, "", err
		}
		lost = err // another writer has opened one: look again
	}
	return nil, "", lost
}

// prepare checks w and makes its texts what the forge will keep.
func (f *Forge) prepare(w Want) (Want, error) {
	if err := checkBranches(w.Head, w.Base); err != nil {
		return w, err
	}
	w.Title = strings.TrimSpace(w.Title)
	if w.Title == "" || strings.ContainsFunc(w.Title, unicode.IsControl) {
		return w, invalidf("a pull request needs a title of one line")
	}
	for _, l := range w.Labels {
		if l == "" || l != strings.TrimSpace(l) || strings.Contains(l, ",") || strings.ContainsFunc(l, unicode.IsControl) {
			return w, invalidf("%q is not a label that every forge takes", l)
		}
	}
	w.Title = fitLine(w.Title)
	w.Body = fit(f.api.escape(w.Body), f.api.bodyLimit())
	return w, nil
}

// open opens a pull request and makes sure that it is the only one: the forges
// look for another one first, but not in one step with opening theirs.
func (f *Forge) open(ctx context.Context, w Want) (*PullRequest, Outcome, error) {
	ahead, err := f.api.ahead(ctx, w.Head, w.Base)
	if err != nil {
		return nil, "", err
	}
	if !ahead {
		return nil, "", &Error{Cause: ErrNoDiff, Forge: f.repository.Kind, Message: w.Head + " has no commit that " + w.Base + " lacks"}
	}
	opened, err := f.api.create(ctx, w)
	if err != nil {
		opened, err = f.uncertain(ctx, w, err)
		return opened, Opened, err
	}
	all, err := f.api.open(ctx, w.Head, w.Base)
	if err != nil || len(all) == 0 || all[0].Number >= opened.Number {
		return opened, Opened, err
	}
	if _, err := f.Close(ctx, opened.Number); err != nil {
		return nil, "", err
	}
	return &all[0], Unchanged, nil
}

// uncertain looks whether a pull request was opened although the answer was
// lost.
func (f *Forge) uncertain(ctx context.Context, w Want, err error) (*PullRequest, error) {
	if !errors.Is(err, ErrNetwork) && !errors.Is(err, ErrServer) {
		return nil, err
	}
	if pr, findErr := f.api.current(ctx, w.Head, w.Base); findErr == nil && pr != nil {
		return pr, nil
	}
	return nil, err
}

// draftMark is what a person has put before the title of a pull request that is
// not to be merged yet. GitLab, Gitea and Forgejo keep it nowhere else.
var draftMark = regexp.MustCompile(`(?i)^\s*((draft|wip)\s*:\s*|[\[(](draft|wip)[\])]\s*)+`)

// bring changes what differs from w. It leaves a draft one.
func (f *Forge) bring(ctx context.Context, pr *PullRequest, w Want, outcome Outcome) (*PullRequest, Outcome, error) {
	note := func() {
		if outcome == Unchanged {
			outcome = Updated
		}
	}
	for try := 1; ; try++ {
		e := edit{}
		if title := fitLine(draftMark.FindString(pr.Title) + w.Title); pr.Title != title {
			e.title = &title
		}
		if !sameText(pr.Body, w.Body) {
			e.body = &w.Body
		}
		if e == (edit{}) {
			break
		}
		edited, err := f.api.edit(ctx, pr.Number, e)
		if err == nil {
			pr = edited
			note()
			break
		}
		if !errors.Is(err, ErrConflict) || try == attempts {
			return pr, outcome, err
		}
		if pr, err = f.api.get(ctx, pr.Number); err != nil { // somebody has edited it since
			return nil, outcome, err
		}
	}
	add, remove := labelChanges(pr.Labels, w)
	if len(add)+len(remove) == 0 {
		return pr, outcome, nil
	}
	if err := f.api.label(ctx, pr, add, remove); err != nil {
		return pr, outcome, err
	}
	note()
	pr.Labels = slices.DeleteFunc(pr.Labels, func(l string) bool { return containsFold(remove, l) })
	pr.Labels = append(pr.Labels, add...)
	return pr, outcome, nil
}

func labelChanges(have []string, w Want) (add, remove []string) {
	for _, l := range w.Labels {
		if !containsFold(have, l) && !containsFold(add, l) {
			add = append(add, l)
		}
	}
	for _, l := range have {
		if w.OwnLabels != "" && strings.HasPrefix(l, w.OwnLabels) && !containsFold(w.Labels, l) {
			remove = append(remove, l)
		}
	}
	return add, remove
}

// containsFold ignores case, as GitHub does in label names.
func containsFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(l string) bool { return strings.EqualFold(l, s) })
}

func checkBranches(head, base string) error {
	if err := checkBranch("head", head); err != nil {
		return err
	}
	if err := checkBranch("base", base); err != nil {
		return err
	}
	if head == base {
		return invalidf("head and base are the same branch, %s", head)
	}
	return nil
}

// checkBranch keeps out what would mean something else in a URL; the forge
// checks the rest.
func checkBranch(role, branch string) error {
	bad := branch == "" || strings.HasPrefix(branch, "/") || strings.HasSuffix(branch, "/") || strings.Contains(branch, "//") ||
		strings.Contains(branch, "..") || strings.ContainsFunc(branch, func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`:?*[\^~,`, r)
	}) || slices.Contains(strings.Split(branch, "/"), ".")
	if bad {
		return invalidf("%q is not the name of a %s branch", branch, role)
	}
	return nil
}
