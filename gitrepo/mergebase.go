package gitrepo

import "context"

// MergeBase returns a newest commit that both a and b descend from, which is a or b
// itself when one descends from the other. It is the zero Hash when there is none
// within the last thousand commits of each.
func (r *Repo) MergeBase(ctx context.Context, a, b Hash) (Hash, error) {
	if a == b {
		return a, nil
	}
	for _, depth := range historyDepths {
		var sides [2]map[Hash][]Hash
		for i, head := range []Hash{a, b} {
			if err := r.store.history(ctx, head, Hash{}, depth); err != nil {
				return Hash{}, r.wrap(err)
			}
			var err error
			if sides[i], err = r.ancestors(head, depth); err != nil {
				return Hash{}, r.wrap(err)
			}
		}
		if base := newestCommon(sides[0], sides[1]); !base.IsZero() {
			return base, nil
		}
	}
	return Hash{}, nil
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

// newestCommon returns a commit of both that no other commit of both descends from.
// Of several, which a criss-cross of merges makes, it takes the one with the least id.
func newestCommon(a, b map[Hash][]Hash) Hash {
	older := map[Hash]bool{}
	for id, parents := range a {
		if _, common := b[id]; common {
			for _, p := range parents {
				older[p] = true
			}
		}
	}
	var best Hash
	for id := range a {
		if _, common := b[id]; common && !older[id] && (best.IsZero() || string(id[:]) < string(best[:])) {
			best = id
		}
	}
	return best
}
