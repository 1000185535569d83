package gitrepo

import (
	"context"
	"fmt"
)

// historyDepths are how far contains looks back. Between two looks at a branch
// others push a few times; the second depth is for the incredible.
var historyDepths = [...]int{64, 1000}

// contains reports whether commit, made on since, is in the history of head.
func (r *Repo) contains(ctx context.Context, head, commit, since Hash) (bool, error) {
	for _, depth := range historyDepths {
		if err := r.store.history(ctx, head, since, depth); err != nil {
			return false, r.wrap(err)
		}
		found, reached, err := r.search(head, commit, since, depth)
		if err != nil || found || reached {
			return found, err
		}
	}
	return false, r.wrap(fmt.Errorf("the branch's history was rewritten: %v is no longer in it", since))
}

// search looks for commit up to a depth below head. reached means that looking
// deeper is pointless: since was met, or there is no more history.
func (r *Repo) search(head, commit, since Hash, depth int) (found, reached bool, err error) {
	seen := map[Hash]bool{}
	whole := true
	level := []Hash{head}
	for ; len(level) > 0 && depth > 0; depth-- {
		var next []Hash
		for _, id := range level {
			switch {
			case id == commit:
				return true, true, nil
			case id == since:
				reached = true
				continue
			case seen[id]:
				continue
			}
			seen[id] = true
			o, ok, err := r.store.peek(id)
			if err != nil {
				return false, false, r.wrap(err)
			}
			if !ok {
				whole = false
				continue
			}
			c, err := parseCommit(o.data)
			if err != nil {
				return false, false, r.wrap(err)
			}
			next = append(next, c.parents...)
		}
		level = next
	}
	return false, reached || whole && len(level) == 0, nil
}
