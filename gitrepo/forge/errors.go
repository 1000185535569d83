package forge

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// What can go wrong between here and the forge. Every error that came from a
// request answers errors.Is with exactly one of these.
var (
	// ErrAuthentication: the forge does not know this token.
	ErrAuthentication = errors.New("authentication failed")
	// ErrAuthorization: the forge knows the token, which may not do this; it
	// is read-only, or lacks a scope.
	ErrAuthorization = errors.New("access denied")
	// ErrNotFound: no such repository, branch or pull request, or the token
	// may not see it.
	ErrNotFound = errors.New("not found")
	// ErrConflict: somebody else was faster.
	ErrConflict = errors.New("conflict")
	// ErrNoDiff: head has no commit that base lacks; there is nothing to
	// open a pull request for.
	ErrNoDiff = errors.New("no difference between the branches")
	// ErrRateLimited: too many requests; Error.Reset says until when.
	ErrRateLimited = errors.New("rate limit reached")
	// ErrInvalid: the forge refuses the values, for the reason in its words.
	ErrInvalid = errors.New("refused by the forge")
	// ErrNetwork: the forge could not be reached, or the connection was cut.
	ErrNetwork = errors.New("network failure")
	// ErrTooMany: a list is longer than berth reads of one.
	ErrTooMany = errors.New("too many to look through")
	// ErrServer: the forge failed, or its answer is not one of its API's.
	ErrServer = errors.New("the forge failed")
)

// Error is a failed request.
type Error struct {
	Cause     error // one of the causes above
	Forge     Kind
	Method    string    // of HTTP; empty when nothing was sent
	URL       string    // without user information and query
	Status    int       // of HTTP; 0 without an answer
	Message   string    // the forge's own words, or ours; may be empty
	RequestID string    // by which the forge's owners find it; may be empty
	Reset     time.Time // when a rate limit ends; zero for another cause
	Err       error     // what the network said; may be nil
}

func (e *Error) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: ", e.Forge)
	if e.Method != "" {
		fmt.Fprintf(&s, "%s %s: ", e.Method, e.URL)
	}
	s.WriteString(e.Cause.Error())
	if e.Status != 0 {
		fmt.Fprintf(&s, " (%d)", e.Status)
	}
	if e.Message != "" {
		s.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		s.WriteString(": " + e.Err.Error())
	}
	if !e.Reset.IsZero() {
		fmt.Fprintf(&s, "; try again after %s", e.Reset.UTC().Format(time.RFC3339))
	}
	if e.RequestID != "" {
		fmt.Fprintf(&s, " (request %s)", e.RequestID)
	}
	return s.String()
}

// Unwrap returns the cause and what the network said.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Cause}
	}
	return []error{e.Cause, e.Err}
}

// says reports whether err carries these words of the forge, in any case.
func says(err error, words string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && strings.Contains(strings.ToLower(e.Message), words)
}

// because returns err with another cause, for answers whose status alone does
// not tell.
func because(err, cause error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	changed := *e
	changed.Cause = cause
	return &changed
}

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}
