package gitrepo

import (
	"context"
	"fmt"
)

// historyDepths are how far contains looks back. Between two looks at a branch
// others push a few times; the second depth is for the incredible.
var historyDepths = [...]int{64, 1000}

// contains reports whether commit, made on since, is in the history of head. A
// branch that left before since and was merged after it leads past both, so not
// to have met commit in the first look means little while there is more to see.
func (r *Repo) contains(ctx context.Context, head, commit, since Hash) (bool, error) {
	met := false
	for _, depth := range historyDepths {
		if err := r.store.history(ctx, head, since, depth); err != nil {
			return false, r.wrap(err)
		}
		found, all, err := r.search(head, commit, since, depth, &met)
		if err != nil || found || all {
			return found, err
		}
	}
	if met {
		return false, nil
	}
	return false, r.wrap(fmt.Errorf("the branch's history was rewritten: %v is no longer in it", since))
}

// search looks for commit up to a depth below head, and notes whether it met
// since. all means that there is nothing more to look at.
func (r *Repo) search(head, commit, since Hash, depth int, met *bool) (found, all bool, err error) {
	seen := map[Hash]bool{}
	all = true
	level := []Hash{head}
	for ; len(level) > 0 && depth > 0; depth-- {
		var next []Hash
		for _, id := range level {
			switch {
			case id == commit:
				return true, true, nil
			case id == since:
				*met = true
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
				all = false
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
	return false, all && len(level) == 0, nil
}
