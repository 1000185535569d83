package gitrepo

import (
	"context"
	"fmt"
	"strings"
)

// At returns what a branch, a tag or a commit, named by its full id, holds. In
// this order: a full id, a branch, a tag, and a full ref name as
// refs/pull/1/head.
func (r *Repo) At(ctx context.Context, revision string) (*Tree, error) {
	trees, err := r.AtEach(ctx, revision)
	if err != nil {
		return nil, err
	}
	return trees[0], nil
}

// AtEach is [Repo.At] for several revisions, in the round trips of one.
func (r *Repo) AtEach(ctx context.Context, revisions ...string) ([]*Tree, error) {
	ids, err := r.resolve(ctx, revisions)
	if err != nil {
		return nil, err
	}
	if err := r.store.commits(ctx, ids, Hash{}); err != nil {
		return nil, r.wrap(err)
	}
	trees := make([]*Tree, len(ids))
	for i, id := range ids {
		root, err := r.rootIn(ctx, id)
		if err != nil {
			return nil, err
		}
		trees[i] = r.tree(ctx, tip{id, root})
	}
	return trees, nil
}

// resolve finds the commits that revisions name.
func (r *Repo) resolve(ctx context.Context, revisions []string) ([]Hash, error) {
	var names []string
	for _, revision := range revisions {
		if _, err := ParseHash(revision); err == nil {
			continue
		}
		if err := checkRefName(revision); err != nil {
			return nil, r.wrap(err)
		}
		names = append(names, refNames(revision)...)
	}
	var refs []ref
	if len(names) > 0 {
		var err error
		if refs, err = r.list(ctx, names...); err != nil {
			return nil, err
		}
	}
	ids := make([]Hash, len(revisions))
	for i, revision := range revisions {
		id, err := ParseHash(revision)
		if err != nil {
			id = resolved(refs, refNames(revision))
		}
		if ids[i] = id; id.IsZero() {
			branches, _ := r.list(ctx, "refs/heads/") // for the story alone
			return nil, r.wrap(noRevision(revision, branches))
		}
	}
	return ids, nil
}

// noRevision says what there is instead.
func noRevision(revision string, branches []ref) error {
	what := fmt.Sprintf("%q is no branch, tag or full commit id", revision)
	if branch, ok := strings.CutPrefix(revision, "refs/heads/"); ok {
		what = fmt.Sprintf("there is no branch %q", branch)
	}
	if len(branches) > 0 {
		what += "; there is " + someNames(branches)
	}
	return failf(ErrRevisionNotFound, "%s", what)
}

// refNames are the refs that a revision may mean, the first that exists counts.
func refNames(revision string) []string {
	if revision == "HEAD" || strings.HasPrefix(revision, "refs/") {
		return []string{revision}
	}
	return []string{"refs/heads/" + revision, "refs/tags/" + revision}
}

func resolved(refs []ref, names []string) Hash {
	for _, name := range names {
		for _, ref := range refs {
			switch {
			case ref.name != name || ref.unborn:
			case !ref.peeled.IsZero():
				return ref.peeled
			default:
				return ref.id
			}
		}
	}
	return Hash{}
}

func someNames(refs []ref) string {
	var names []string
	for _, ref := range refs {
		if len(names) == 5 {
			names = append(names, "…")
			break
		}
		names = append(names, printable(strings.TrimPrefix(ref.name, "refs/heads/")))
	}
	return strings.Join(names, ", ")
}

// checkRefName applies the rules of git-check-ref-format(1) that matter here.
func checkRefName(name string) error {
	bad := name == "" || len(name) > 255 || name == "@" || strings.HasPrefix(name, "-") || strings.HasPrefix(name, "/") ||
		strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".") || strings.ContainsAny(name, " ~^:?*[\\\x7f") ||
		strings.Contains(name, "..") || strings.Contains(name, "//") || strings.Contains(name, "@{") ||
		strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == '\uFFFD' }) >= 0
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock")
	}
	if bad {
		return failf(ErrRevisionNotFound, "%q is not a valid branch or tag name", name)
	}
	return nil
}
