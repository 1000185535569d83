package gitrepo

import "fmt"

// Differences returns the paths of the files, links and submodules that are not
// the same in t and in base, in the order of names. Folders with equal ids are
// not read, and the others of one level come in one round trip: the cost
// follows the change.
func (t *Tree) Differences(base *Tree) ([]string, error) {
	d := differ{new: t, old: base}
	err := d.load(t.root, base.root)
	if err == nil {
		err = d.folder("", t.root, base.root)
	}
	if err != nil {
		return nil, fmt.Errorf("compare trees: %w", err)
	}
	return d.paths, nil
}

type differ struct {
	new, old *Tree
	paths    []string
}

// maxDifferences bounds what a few small trees, each holding the next many
// times, can stand for.
const maxDifferences = 1 << 20

var errTooDifferent = failf(ErrTooLarge, "more than %d files or folders differ", maxDifferences)

// load gets all folders that differ, one level after the other.
func (d *differ) load(a, b Hash) error {
	newer, older := []Hash{a}, []Hash{b}
	for len(newer) > 0 {
		if err := d.new.src.fetch(d.new.ctx, newer, filterExact); err != nil {
			return err
		}
		if err := d.old.src.fetch(d.old.ctx, older, filterExact); err != nil {
			return err
		}
		var nextNewer, nextOlder []Hash
		for i := range newer {
			err := d.compare(newer[i], older[i], func(is, was treeEntry) error {
				if len(nextNewer) >= maxDifferences {
					return errTooDifferent
				}
				if is.isDir() || was.isDir() {
					nextNewer, nextOlder = append(nextNewer, is.folder()), append(nextOlder, was.folder())
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		newer, older = nextNewer, nextOlder
	}
	return nil
}

// folder returns the id of an entry that is a folder, else zero.
func (e treeEntry) folder() Hash {
	if e.isDir() {
		return e.id
	}
	return Hash{}
}

func (d *differ) folder(prefix string, a, b Hash) error {
	return d.compare(a, b, func(is, was treeEntry) error {
		name := is.name
		if name == nil {
			name = was.name
		}
		p := prefix + string(name)
		if is.isDir() || was.isDir() {
			return d.folder(p+"/", is.folder(), was.folder())
		}
		if len(d.paths) >= maxDifferences {
			return errTooDifferent
		}
		d.paths = append(d.paths, p)
		return nil
	})
}

// compare visits the entries that differ between two folders. Either may be
// zero, and either entry, for what is not there. A file and a folder of one
// name have different places in a tree, so they come one after the other.
func (d *differ) compare(a, b Hash, visit func(is, was treeEntry) error) error {
	if a == b {
		return nil
	}
	newer, err := d.new.tree(a)
	if err != nil {
		return err
	}
	older, err := d.old.tree(b)
	if err != nil {
		return err
	}
	for x, y := newer.data, older.data; len(x)+len(y) > 0; {
		is, xRest, err := firstEntry(x)
		if err != nil {
			return err
		}
		was, yRest, err := firstEntry(y)
		if err != nil {
			return err
		}
		switch order := entryOrder(is, was); {
		case order < 0:
			x, was = xRest, treeEntry{}
		case order > 0:
			y, is = yRest, treeEntry{}
		default:
			x, y = xRest, yRest
		}
		if is.id == was.id && is.mode == was.mode {
			continue
		}
		if err := visit(is, was); err != nil {
			return err
		}
	}
	return nil
}

// firstEntry is nextEntry, and a zero entry at the end of a tree.
func firstEntry(tree []byte) (treeEntry, []byte, error) {
	if len(tree) == 0 {
		return treeEntry{}, nil, nil
	}
	return nextEntry(tree)
}

// entryOrder is the order of a tree, a zero entry last.
func entryOrder(a, b treeEntry) int {
	switch {
	case a.name == nil:
		return 1
	case b.name == nil:
		return -1
	}
	return compareNames(a.name, a.isDir(), b.name, b.isDir())
}
