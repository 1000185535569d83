package gitrepo

import (
	"context"
	"io/fs"
)

// Change is what one commit does.
type Change struct {
	// Files maps slash-separated paths from the root to their new content; a
	// nil value deletes the file. Folders appear and vanish with their files;
	// an existing file keeps its executable bit.
	Files map[string][]byte
	// Message is the subject and, after an empty line, the body.
	Message  string
	Trailers []Trailer
}

// Result says what became of an update.
type Result struct {
	Commit  Hash // the commit that holds the change: the tip when nothing changed
	Base    Hash // the commit it was planned on; zero for the first commit
	Changed bool // whether a commit was made
}

// Plan decides what to change, given what the branch holds. It is called again
// on the new tip whenever the branch has moved, so it must not keep anything
// of an earlier call. A nil change, or one without effect, makes no commit.
// tip is a [*Tree]; in a [Queue] it already holds the changes before this one.
type Plan func(tip fs.FS) (*Change, error)

// Update is the one way to write: an optimistic transaction. It plans on the
// tip of the branch, writes the changed files and the folders above them,
// commits, and moves the branch on the condition that it still is where the
// plan saw it. When it is not, everything is done again on the new tip; when
// the connection fails, the branch is read again to see whether the push
// arrived. Nothing is ever forced, and no history of others is lost.
//
// The first commit of an empty repository creates the branch. In a repository
// with commits a missing branch is [ErrRevisionNotFound].
//
// Should somebody rewrite the branch's history meanwhile, nothing is written and
// the error is [ErrRewritten]: a person should know. The next call plans on the
// history that replaced it.
//
// Errors of plan are returned as they are. See the Err variables for the
// others; after [ErrUncertain], and after a context that ends in the middle of
// a push, the commit may or may not be in.
func (r *Repo) Update(ctx context.Context, branch string, plan func(tip fs.FS) (*Change, error)) (Result, error) {
	j := &job{ctx: ctx, plan: plan}
	r.run(ctx, branch, []*job{j})
	return j.result, j.err
}
