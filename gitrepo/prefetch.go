package gitrepo

import (
	"context"
	"fmt"
	"path"
	"strings"
)

// Prefetch gets what is about to be read in as few round trips as possible:
// one for each level of folders that is not known yet, and one for all files.
// A pattern is a path whose parts may be globs as in path.Match; a folder that
// matches comes with everything below it. What does not exist is no error.
// For a local repository it does nothing.
func (t *Tree) Prefetch(ctx context.Context, patterns ...string) error {
	if t.local {
		return nil
	}
	return prefetch(ctx, t.src, []Hash{t.root}, patterns)
}

// Prefetch is [Tree.Prefetch] for several trees of this repository, in the round
// trips of one.
func (r *Repo) Prefetch(ctx context.Context, trees []*Tree, patterns ...string) error {
	if r.store.local != nil {
		return nil
	}
	roots := make([]Hash, len(trees))
	for i, t := range trees {
		roots[i] = t.root
	}
	return prefetch(ctx, r.store, roots, patterns)
}

func prefetch(ctx context.Context, src source, roots []Hash, patterns []string) error {
	var split [][]string
	for _, p := range patterns {
		p = strings.Trim(p, "/")
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return fmt.Errorf("prefetch %q: %w", p, path.ErrBadPattern)
		}
		split = append(split, strings.Split(p, "/"))
	}
	level := map[Hash][][]string{} // tree → patterns that go on below it
	for _, root := range roots {
		if !root.IsZero() {
			level[root] = split
		}
	}
	var leaves []Hash
	left := maxMatches
	for len(level) > 0 {
		trees := make([]Hash, 0, len(level))
		for id := range level {
			trees = append(trees, id)
		}
		if err := src.fetch(ctx, trees, filterExact); err != nil {
			return err
		}
		next := map[Hash][][]string{}
		for id, below := range level {
			tree, err := getObject(ctx, src, id, kindTree)
			if err != nil {
				return err
			}
			if leaves, err = descend(tree, below, next, leaves, &left); err != nil {
				return err
			}
		}
		level = next
	}
	return fetchWhole(ctx, src, leaves)
}

// maxMatches bounds what many patterns come to in folders of many entries.
const maxMatches = 1 << 22

// descend follows the first part of each pattern into one folder: names are
// looked up, only globs are matched against everything, as often as is left.
func descend(tree object, patterns [][]string, next map[Hash][][]string, leaves []Hash, left *int) ([]Hash, error) {
	follow := func(e treeEntry, p []string) {
		switch {
		case len(p) == 1 && e.mode&0o170000 != modeSubmodule:
			leaves = append(leaves, e.id)
		case len(p) > 1 && e.isDir():
			next[e.id] = append(next[e.id], p[1:])
		}
	}
	var globs [][]string
	for _, p := range patterns {
		if strings.ContainsAny(p[0], `*?[\`) {
			globs = append(globs, p)
			continue
		}
		e, ok, err := tree.entry(p[0])
		if err != nil {
			return nil, err
		}
		if ok {
			follow(e, p)
		}
	}
	if len(globs) == 0 {
		return leaves, nil
	}
	for e, err := range entries(tree.data) {
		if err != nil {
			return nil, err
		}
		if *left -= len(globs); *left < 0 {
			return nil, failf(ErrTooLarge, "more than %d names to look for in folders", maxMatches)
		}
		for _, p := range globs {
			if ok, _ := path.Match(p[0], string(e.name)); ok {
				follow(e, p)
			}
		}
	}
	return leaves, nil
}

// fetchWhole gets these objects and all that is below the trees among them.
func fetchWhole(ctx context.Context, src source, ids []Hash) error {
	var gaps []Hash
	seen := map[Hash]bool{}
	for len(ids) > 0 {
		id := ids[len(ids)-1]
		ids = ids[:len(ids)-1]
		if seen[id] {
			continue
		}
		seen[id] = true
		o, ok, err := src.peek(id)
		if err != nil {
			return err
		}
		if !ok {
			gaps = append(gaps, id)
			continue
		}
		if o.kind != kindTree {
			continue
		}
		for e, err := range entries(o.data) {
			if err != nil {
				return err
			}
			if e.mode&0o170000 != modeSubmodule {
				ids = append(ids, e.id)
			}
		}
	}
	return src.fetch(ctx, gaps, filterNone)
}
