package gitrepo

import "fmt"

// Differences returns the paths of the files, links and submodules that are not
// the same in t and in base, in the order of names. Folders with equal ids are
// not read: the cost follows the change.
func (t *Tree) Differences(base *Tree) ([]string, error) {
	d := differ{new: t, old: base}
	if err := d.folder("", t.root, base.root); err != nil {
		return nil, fmt.Errorf("compare trees: %w", err)
	}
	return d.paths, nil
}

type differ struct {
	new, old *Tree
	paths    []string
}

// folder compares two folders; a zero id stands for one that is not there.
func (d *differ) folder(prefix string, a, b Hash) error {
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
		if err := d.entry(prefix, is, was); err != nil {
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

// entry compares two entries of one name; a zero entry is not there.
func (d *differ) entry(prefix string, is, was treeEntry) error {
	name := is.name
	if name == nil {
		name = was.name
	}
	p := prefix + string(name)
	switch {
	case is.id == was.id && is.mode == was.mode:
		return nil
	case is.isDir() || was.isDir():
		return d.folder(p+"/", is.id, was.id)
	}
	d.paths = append(d.paths, p)
	return nil
}
