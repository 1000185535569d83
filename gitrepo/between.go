package gitrepo

import "context"

// Commit is a commit and what it holds.
type Commit struct {
	*Tree
	Message string
	Parents []Hash
}

// Between returns the commits that head descends from and base does not, head first.
// all is false when there are more than most, or when their beginning is further back
// than twenty thousand commits: then there are none.
func (r *Repo) Between(ctx context.Context, base, head Hash, most int) (commits []Commit, all bool, err error) {
	const alone = 2 // what is known of two branches that were just read
	for i := -1; i < len(historyDepths); i++ {
		depth := alone
		if i >= 0 {
			depth = historyDepths[i]
			if err := r.store.history(ctx, []Hash{head, base}, Hash{}, depth); err != nil {
				return nil, false, r.wrap(err)
			}
		}
		ids, certain, err := r.between(base, head, depth)
		switch {
		case err != nil:
			return nil, false, r.wrap(err)
		case certain && len(ids) > most:
			return nil, false, nil
		case certain:
			commits, err = r.commitsOf(ctx, ids)
			return commits, true, err
		}
	}
	return nil, false, nil
}

// between is Between as far as a depth and what is known here. certain means that no
// commit further back belongs to it.
func (r *Repo) between(base, head Hash, depth int) (ids []Hash, certain bool, err error) {
	theirs, err := r.ancestors(base, depth)
	if err != nil {
		return nil, false, err
	}
	ours, err := r.ancestors(head, depth)
	if err != nil {
		return nil, false, err
	}
	seen := map[Hash]bool{}
	certain = true
	for next := []Hash{head}; len(next) > 0; next = next[1:] {
		id := next[0]
		if _, ok := theirs[id]; ok || seen[id] {
			continue
		}
		parents, known := ours[id]
		if !known {
			return nil, false, nil
		}
		// The first commit of a history is base's, too, unless all of base's is known.
		certain = certain && (len(parents) > 0 || closed(theirs))
		seen[id] = true
		ids, next = append(ids, id), append(next, parents...)
	}
	return ids, certain, nil
}

// closed says that a part of a history has no commit further back.
func closed(history map[Hash][]Hash) bool {
	for _, parents := range history {
		for _, p := range parents {
			if _, ok := history[p]; !ok {
				return false
			}
		}
	}
	return len(history) > 0
}

func (r *Repo) commitsOf(ctx context.Context, ids []Hash) ([]Commit, error) {
	commits := make([]Commit, len(ids))
	for i, id := range ids {
		data, err := get(ctx, r.store, id, kindCommit)
		if err != nil {
			return nil, r.wrap(err)
		}
		c, err := parseCommit(data)
		if err != nil {
			return nil, r.wrap(err)
		}
		commits[i] = Commit{Tree: r.tree(ctx, tip{id, c.tree}), Message: c.message, Parents: c.parents}
	}
	return commits, nil
}
