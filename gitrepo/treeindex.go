package gitrepo

import (
	"slices"
	"sync"
)

// treeIndex finds names in a large tree without reading it from the start: a
// listing of ten thousand folders is looked up many times. It is made once and
// carried over when the tree changes.
type treeIndex struct {
	once    sync.Once
	offsets []uint32 // of each entry
	plain   bool     // every name is its own folded form
	err     error
}

// indexFrom is the size from which a tree gets an index.
const indexFrom = 8 << 10

// checkTree is the function of this name, with the index of a large tree.
func (o object) checkTree() error {
	if o.index == nil {
		return checkTree(o.data)
	}
	return o.index.build(o.data)
}

// entry looks up a name in a tree that was checked.
func (o object) entry(name string) (treeEntry, bool, error) {
	if o.index == nil {
		return findEntry(o.data, name)
	}
	for _, dir := range []bool{true, false} { // a tree has one of them, in different places
		if i, ok := o.index.search(o.data, name, dir); ok {
			e, _, err := nextEntry(o.data[o.index.offsets[i]:])
			return e, err == nil, err
		}
	}
	return treeEntry{}, false, nil
}

// build reads and checks the tree once.
func (x *treeIndex) build(tree []byte) error {
	x.once.Do(func() { x.read(tree) })
	return x.err
}

func (x *treeIndex) read(tree []byte) {
	x.offsets = make([]uint32, 0, len(tree)/36)
	x.plain = true
	var order treeOrder
	for rest := tree; len(rest) > 0; {
		x.offsets = append(x.offsets, uint32(len(tree)-len(rest)))
		var e treeEntry
		if e, rest, x.err = nextEntry(rest); x.err == nil {
			x.err = order.next(e)
		}
		if x.err != nil {
			return
		}
		x.plain = x.plain && isPlain(e.name)
	}
}

// search returns the number of the entry, or the one before which it belongs.
func (x *treeIndex) search(tree []byte, name string, dir bool) (int, bool) {
	return slices.BinarySearchFunc(x.offsets, []byte(name), func(off uint32, name []byte) int {
		e, _, _ := nextEntry(tree[off:])
		return compareNames(e.name, e.isDir(), name, dir)
	})
}

// span is where the i-th entry begins and ends.
func (x *treeIndex) span(tree []byte, i int) (from, to int) {
	from, to = len(tree), len(tree)
	if i < len(x.offsets) {
		from = int(x.offsets[i])
	}
	if i+1 < len(x.offsets) {
		to = int(x.offsets[i+1])
	}
	return from, to
}

// locate is what the scan of a small tree does with the index of a large one.
// It returns false when only a scan can tell which names are alike.
func (x *treeIndex) locate(tree []byte, lines []line, like *likeness, path string) (bool, error) {
	if !x.plain {
		return false, nil
	}
	for i := range lines {
		l := &lines[i]
		var found bool
		l.at, found = x.search(tree, l.name, l.sub != nil)
		l.from, l.to = x.span(tree, l.at)
		if !found {
			l.to = l.from
		} else if e, _, err := nextEntry(tree[l.from:]); err != nil {
			return false, err
		} else {
			l.was = e
		}
	}
	for i := range lines {
		// All names of the tree are folded: what is alike has the folded name.
		fold := string(foldName([]byte(lines[i].name)))
		for _, dir := range []bool{true, false} {
			n, found := x.search(tree, fold, dir)
			if !found {
				continue
			}
			from, _ := x.span(tree, n)
			e, _, err := nextEntry(tree[from:])
			if err == nil {
				err = like.meet(e, path)
			}
			if err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// spliced is the index of the tree after splice; nil when x was never made.
func (x *treeIndex) spliced(lines []line) *treeIndex {
	if x == nil || x.offsets == nil || x.err != nil {
		return nil
	}
	y := &treeIndex{plain: x.plain, offsets: make([]uint32, 0, len(x.offsets)+len(lines))}
	y.once.Do(func() {})
	at, shift := 0, 0
	for _, l := range lines {
		for ; at < l.at; at++ {
			y.offsets = append(y.offsets, uint32(int(x.offsets[at])+shift))
		}
		if l.size > 0 {
			y.offsets = append(y.offsets, uint32(l.from+shift))
			y.plain = y.plain && isPlain([]byte(l.name))
		}
		if l.to > l.from {
			at++
		}
		shift += l.size - (l.to - l.from)
	}
	for ; at < len(x.offsets); at++ {
		y.offsets = append(y.offsets, uint32(int(x.offsets[at])+shift))
	}
	return y
}
