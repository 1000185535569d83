package gitrepo

import "fmt"

// Differences returns the paths of the files, links and submodules that are not
// the same in t and in base, a tree of the same repository, in the order of
// names. A folder for which whole returns true is named itself instead of what
// is in it; whole may be nil. Folders with equal ids are not read, and the
// others of one level come in one round trip: the cost follows the change.
func (t *Tree) Differences(base *Tree, whole func(folder string) bool) ([]string, error) {
	if whole == nil {
		whole = func(string) bool { return false }
	}
	d := differ{new: t, old: base, whole: whole}
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
	whole    func(folder string) bool
	paths    []string

	entries, bytes int // files and folders so far, and the length of their paths
}

// What a few small trees, each holding the next many times, can stand for is bounded.
const (
	maxDifferences    = 1 << 20
	maxDifferentPaths = 64 << 20
)

var errTooDifferent = failf(ErrTooLarge, "more than %d files and folders differ, or their paths have more than %d MiB",
	maxDifferences, maxDifferentPaths>>20)

// count takes in one more path, and says whether to go on.
func (d *differ) count(path string) error {
	d.entries++
	d.bytes += len(path)
	if d.entries > maxDifferences || d.bytes > maxDifferentPaths {
		return errTooDifferent
	}
	return d.new.ctx.Err()
}

// load gets all folders that differ, one level after the other.
func (d *differ) load(a, b Hash) error {
	type folder struct {
		prefix  string
		is, was Hash
	}
	for level := []folder{{"", a, b}}; len(level) > 0; {
		ids := make([]Hash, 0, 2*len(level))
		for _, f := range level {
			ids = append(ids, f.is, f.was)
		}
		if err := d.new.src.fetch(d.new.ctx, ids, filterExact); err != nil {
			return err
		}
		var next []folder
		for _, f := range level {
			err := d.compare(f.is, f.was, func(is, was treeEntry) error {
				p := f.prefix + nameOf(is, was)
				if (!is.isDir() && !was.isDir()) || d.whole(p) {
					return nil
				}
				next = append(next, folder{p + "/", is.folder(), was.folder()})
				return d.count(p)
			})
			if err != nil {
				return err
			}
		}
		level = next
	}
	return nil
}

// nameOf is the name of two entries of which one may not be there.
func nameOf(is, was treeEntry) string {
	if is.name == nil {
		return string(was.name)
	}
	return string(is.name)
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
		p := prefix + nameOf(is, was)
		if (is.isDir() || was.isDir()) && !d.whole(p) {
			return d.folder(p+"/", is.folder(), was.folder())
		}
		d.paths = append(d.paths, p)
		return d.count(p)
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
