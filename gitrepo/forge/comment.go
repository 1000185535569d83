package forge

import (
	"cmp"
	"context"
	"errors"
	"slices"
)

// Comment makes body the text of the one comment of a pull request that
// carries the marker, a name such as "berth:review" that is written into a
// hidden first line. The comment is created where it is missing, and left
// alone where it says the same already. It returns the comment's address.
//
// Only comments of the token's own account count: anybody can copy a marker,
// and whoever wrote a comment can change its text later. When two writers
// have each made one, the older one stays.
func (f *Forge) Comment(ctx context.Context, number int64, markedBy, body string) (url string, outcome Outcome, err error) {
	if err := checkMarker(markedBy); err != nil {
		return "", "", err
	}
	head := marker(markedBy) + "\n"
	text := head + fit(f.api.escape(body), f.api.bodyLimit()-len(head))

	own, err := f.marked(ctx, number, markedBy)
	if err != nil {
		return "", "", err
	}
	outcome = Unchanged
	if len(own) == 0 {
		made, err := f.api.addComment(ctx, number, text)
		if err != nil {
			return "", "", err
		}
		outcome = Opened
		if own, err = f.marked(ctx, number, markedBy); err != nil && !errors.Is(err, ErrTooMany) {
			return made.url, outcome, err
		}
		if len(own) == 0 { // the forge's list lags behind, or has grown
			own = []comment{made}
		}
	}
	keep := own[0]
	if !sameText(keep.body, text) {
		if err := f.api.editComment(ctx, number, keep.id, text); err != nil {
			return keep.url, outcome, err
		}
		if outcome == Unchanged {
			outcome = Updated
		}
	}
	for _, extra := range own[1:] {
		if err := f.api.deleteComment(ctx, number, extra.id); err != nil && !errors.Is(err, ErrNotFound) {
			return keep.url, outcome, err
		}
	}
	return keep.url, outcome, nil
}

// marked lists the own comments with a marker, oldest first. That there are too many
// comments is an error only where none is found.
func (f *Forge) marked(ctx context.Context, number int64, markedBy string) ([]comment, error) {
	all, listErr := f.api.comments(ctx, number)
	if listErr != nil && !errors.Is(listErr, ErrTooMany) {
		return nil, listErr
	}
	found := slices.DeleteFunc(all, func(c comment) bool { return !hasMarker(c.body, markedBy) })
	if len(found) == 0 {
		return nil, listErr
	}
	login, err := f.account(ctx)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(c comment) bool { return c.author != login })
	if len(found) == 0 {
		return nil, listErr
	}
	slices.SortFunc(found, func(a, b comment) int { return cmp.Compare(a.id, b.id) })
	// Pages move under a reader: one comment may be on two.
	return slices.CompactFunc(found, func(a, b comment) bool { return a.id == b.id }), nil
}

// account asks once for the login of the token's account.
func (f *Forge) account(ctx context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.login == "" {
		login, err := f.api.account(ctx)
		if err == nil && login == "" {
			err = &Error{Cause: ErrServer, Forge: f.repository.Kind, Message: "it does not say whose the token is"}
		}
		if err != nil {
			return "", err
		}
		f.login = login
	}
	return f.login, nil
}
