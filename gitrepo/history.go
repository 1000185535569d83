package gitrepo

import "context"

// historyDepths are how far back a history is looked at. Between two looks at a
// branch others push a few times; the second depth is for those who push many
// commits at once, the third for branches that were left long ago.
var historyDepths = [...]int{64, 1000, 20_000}

// descent is how the tip of a branch relates to a commit and to the one that it was
// made on.
type descent int

const (
	unrelated descent = iota // it descends from neither
	beside                   // from the older one alone
	includes                 // from both
)

// descentOf looks for commit, unless it is zero, and for since, on which it was made,
// in the history of head. A branch that left before since and was merged after it
// leads past both, so not to have met commit in the first look means little while
// there is more to see.
func (r *Repo) descentOf(ctx context.Context, head, commit, since Hash) (descent, error) {
	met := false
	if commit.IsZero() {
		// Nearly always others made one commit, which tells.
		if _, _, err := r.search(head, commit, since, 2, &met); err != nil || met {
			return beside, err
		}
	}
	for _, depth := range historyDepths {
		if err := r.store.history(ctx, []Hash{head}, since, depth); err != nil {
			return unrelated, r.wrap(err)
		}
		found, all, err := r.search(head, commit, since, depth, &met)
		switch {
		case err != nil:
			return unrelated, err
		case found:
			return includes, nil
		case met && (all || commit.IsZero()):
			return beside, nil
		case all:
			return unrelated, nil
		}
	}
	if met {
		return beside, nil
	}
	return unrelated, nil
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
