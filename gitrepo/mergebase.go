package gitrepo

import "context"

// MergeBase returns the newest commit that both a and b descend from, which is a or
// b itself when one descends from the other. It is the zero Hash when there is none,
// when merges criss-crossed so that there are several, and when it is further back
// than twenty thousand commits: whoever made a could else choose among them.
func (r *Repo) MergeBase(ctx context.Context, a, b Hash) (Hash, error) {
	if a == b {
		return a, nil
	}
	// That one was made on the other is told by these two alone.
	if base, _, err := r.newestCommon(a, b, 2); err != nil || base == a || base == b {
		return base, err
	}
	for _, depth := range historyDepths {
		if err := r.store.history(ctx, []Hash{a, b}, Hash{}, depth); err != nil {
			return Hash{}, r.wrap(err)
		}
		if base, certain, err := r.newestCommon(a, b, depth); err != nil || certain {
			return base, err
		}
	}
	return Hash{}, nil
}

// newestCommon is MergeBase as far as a depth and what is known here. certain means
// that no commit further back can change the answer.
func (r *Repo) newestCommon(a, b Hash, depth int) (base Hash, certain bool, err error) {
	var sides [2]map[Hash][]Hash
	for i, head := range []Hash{a, b} {
		if sides[i], err = r.ancestors(head, depth); err != nil {
			return Hash{}, false, r.wrap(err)
		}
	}
	base, certain = newestCommon(sides[0], sides[1])
	return base, certain, nil
}

// ancestors returns head and what it descends from, each with its parents, as far as
// it is known here.
func (r *Repo) ancestors(head Hash, depth int) (map[Hash][]Hash, error) {
	known := map[Hash][]Hash{}
	for level := []Hash{head}; len(level) > 0 && depth > 0; depth-- {
		var next []Hash
		for _, id := range level {
			if _, ok := known[id]; ok {
				continue
			}
			o, ok, err := r.store.peek(id)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			c, err := parseCommit(o.data)
			if err != nil {
				return nil, err
			}
			known[id] = c.parents
			next = append(next, c.parents...)
		}
		level = next
	}
	return known, nil
}

// newestCommon returns the one commit of both that no other commit of both descends
// from. It is certain when all that is on one side only was looked at.
func newestCommon(a, b map[Hash][]Hash) (base Hash, certain bool) {
	older := map[Hash]bool{}
	certain = true
	for _, side := range []map[Hash][]Hash{a, b} {
		for id, parents := range side {
			_, inA := a[id]
			_, inB := b[id]
			for _, p := range parents {
				_, seen := side[p]
				switch {
				case inA && inB:
					older[p] = true
				case !seen:
					certain = false
				}
			}
		}
	}
	several := false
	for id := range a {
		if _, common := b[id]; common && !older[id] {
			several = several || !base.IsZero()
			base = id
		}
	}
	if several { // or one of them descends from the other by what was not looked at
		return Hash{}, false
	}
	return base, certain
}
