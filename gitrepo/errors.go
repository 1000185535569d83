package gitrepo

import (
	"errors"
	"fmt"
	"strings"
)

// What can go wrong between here and the repository. Every error of this
// package that has one of these causes answers errors.Is with it.
var (
	// ErrAddress: this is no address that a repository can be reached by.
	ErrAddress = errors.New("unusable address")
	// ErrAuthentication: the server does not know who is asking.
	ErrAuthentication = errors.New("authentication failed")
	// ErrAuthorization: the server knows who is asking and says no.
	ErrAuthorization = errors.New("access denied")
	// ErrOwner: git does not trust the owner of the repository's files. Such an
	// error is also an ErrAuthorization.
	ErrOwner = errors.New("the repository is another user's")
	// ErrNotFound: there is no repository at this address, or this
	// credential may not see it.
	ErrNotFound = errors.New("repository not found")
	// ErrRevisionNotFound: the repository has no such branch, tag or commit.
	ErrRevisionNotFound = errors.New("no such revision")
	// ErrHostKey: an SSH server's key is not the one in known_hosts.
	ErrHostKey = errors.New("host key not trusted")
	// ErrNetwork: the connection failed, was cut, or the server failed.
	ErrNetwork = errors.New("network failure")
	// ErrTimeout: nothing moved for longer than Options.IdleTimeout. Such an
	// error is also an ErrNetwork.
	ErrTimeout = errors.New("the server stopped answering")
	// ErrMoved: other writers were faster at every attempt.
	ErrMoved = errors.New("the branch kept moving")
	// ErrRewritten: somebody replaced the branch's history while the change was
	// being made. Nothing was written on the new one; another call would.
	ErrRewritten = errors.New("the branch's history was rewritten")
	// ErrBusy: the server took the push but could not move the branch, for
	// example because a lock is held or its disk is full; nothing changed.
	ErrBusy = errors.New("the server could not move the branch")
	// ErrUncertain: the connection was lost around a push and the branch
	// could not be read again: the commit may or may not be in. Running the
	// same update again is safe when its plan is idempotent.
	ErrUncertain = errors.New("the outcome of the push is unknown")
	// ErrForeignBranch: the branch of a proposal holds a commit that no
	// proposal made.
	ErrForeignBranch = errors.New("the branch holds somebody else's commits")
	// ErrTooLarge: an answer or object exceeds what this package accepts.
	ErrTooLarge = errors.New("larger than allowed")
	// ErrDamaged: bytes that do not hash to the id they were asked by.
	ErrDamaged = errors.New("damaged object")
)

// Reasons inside a [PathError].
var (
	// ErrUnsafePath: the path could leave the tree or mean something else on
	// another file system.
	ErrUnsafePath = errors.New("unsafe path")
	// ErrCaseClash: on a file system that ignores case two paths would be one.
	ErrCaseClash = errors.New("differs from an existing name only in case")
	// ErrFolderConflict: a file stands where a folder is needed, or the
	// other way round.
	ErrFolderConflict = errors.New("file and folder of the same name")
	// ErrLink: a symbolic link or submodule stands in the path; links are
	// neither followed nor written through.
	ErrLink = errors.New("is a symbolic link or submodule")
)

// PathError says which path of a [Change] cannot be written, and why.
type PathError struct {
	Path   string // as in Change.Files
	Err    error  // one of the reasons above
	Detail string // may be empty
}

func (e *PathError) Error() string {
	s := fmt.Sprintf("%q: %v", e.Path, e.Err)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	return s
}

// Unwrap returns the reason.
func (e *PathError) Unwrap() error { return e.Err }

// RejectedError is a push that the server refused for good: a hook, a branch
// rule, a checked-out branch. It is never retried.
type RejectedError struct {
	Branch   string
	Reason   string   // the server's word for the branch
	Messages []string // what hooks and the server printed, line by line
}

func (e *RejectedError) Error() string {
	s := fmt.Sprintf("the server refused the push to %s: %s", e.Branch, e.Reason)
	for _, m := range e.Messages {
		s += "\nremote: " + m
	}
	return s
}

// failure is an error of a known kind with its story.
type failure struct {
	kind error
	msg  string
	err  error
}

func (f *failure) Error() string {
	s := f.kind.Error()
	if f.msg != "" {
		s += ": " + f.msg
	}
	if f.err != nil {
		s += ": " + f.err.Error()
	}
	return s
}

func (f *failure) Unwrap() []error {
	if f.err == nil {
		return []error{f.kind}
	}
	return []error{f.kind, f.err}
}

func (f *failure) Is(target error) bool {
	return target == ErrNetwork && f.kind == ErrTimeout || target == ErrAuthorization && f.kind == ErrOwner
}

func failf(kind error, format string, args ...any) error {
	return &failure{kind: kind, msg: fmt.Sprintf(format, args...)}
}

func networkError(err error) error { return &failure{kind: ErrNetwork, err: err} }

// serverError is a message a Git server sent instead of an answer.
type serverError struct{ text string }

func (e *serverError) Error() string { return "the server says: " + e.text }

// What a server says about filters that its settings do not allow
// (uploadpackfilter in git-config(1)).
var (
	errFilterDepth = errors.New("only the filter tree:0 is allowed")
	errNoFilter    = errors.New("the filter is not allowed")
)

// classify gives the fatal text of a Git process or server a kind.
func classify(text string) error {
	text = strings.TrimSpace(text)
	low := strings.ToLower(text)
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(low, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("tree filter allows max depth"):
		return failf(errFilterDepth, "%s", text)
	case has("filter 'tree' not supported"):
		return failf(errNoFilter, "%s", text)
	case has("not our ref"):
		return failf(ErrRevisionNotFound, "%s", text)
	case has("does not appear to be a git repository", "not a git repository", "repository not found",
		"no such repository", "project you were looking for could not be found", "could not find repository"):
		return failf(ErrNotFound, "%s", text)
	case has("dubious ownership"):
		return failf(ErrOwner, "%s", text)
	case has("permission denied", "access denied", "denied to", "forbidden", "not allowed to", "unauthorized", "read only", "read-only"):
		return failf(ErrAuthorization, "%s", text)
	}
	return &failure{kind: ErrNetwork, err: &serverError{text: text}}
}

// printable keeps a server's words readable and harmless on a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return r
		}
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == '\uFFFD' {
			return -1
		}
		return r
	}, s)
}
