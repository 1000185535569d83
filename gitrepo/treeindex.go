package gitrepo

import (
	"sort"
	"sync"
)

// treeIndex finds names in a large tree without reading it from the start: a
// listing of ten thousand folders is looked up many times. It is made once and
// carried over when the tree changes.
type treeIndex struct {
	once  sync.Once
	marks []uint32 // where some entries begin, in order, the first among them
	plain bool     // every name is its own folded form
	err   error
}

const (
	// indexFrom is the size from which a tree gets an index.
	indexFrom = 8 << 10
	// markEvery so many entries is enough: those between two marks are read.
	markEvery = 16
)

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
		if from, to := o.index.search(o.data, name, dir); from < to {
			e, _, err := nextEntry(o.data[from:])
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
	x.marks = make([]uint32, 0, len(tree)/36/markEvery)
	x.plain = true
	var order treeOrder
	for n, rest := 0, tree; len(rest) > 0; n++ {
		if n%markEvery == 0 {
			x.marks = append(x.marks, uint32(len(tree)-len(rest)))
		}
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

// search returns where an entry begins and ends; both are the place where it
// belongs when there is none.
func (x *treeIndex) search(tree []byte, name string, dir bool) (from, to int) {
	order := func(at int) (int, int) {
		e, rest, _ := nextEntry(tree[at:])
		return compareNames(e.name, e.isDir(), []byte(name), dir), len(tree) - len(rest)
	}
	i := sort.Search(len(x.marks), func(i int) bool {
		c, _ := order(int(x.marks[i]))
		return c > 0
	})
	if i > 0 {
		from = int(x.marks[i-1])
	}
	for from < len(tree) {
		c, end := order(from)
		switch {
		case c == 0:
			return from, end
		case c > 0:
			return from, from
		}
		from = end
	}
	return from, from
}

// locate is what the scan of a small tree does with the index of a large one.
// It returns false when only a scan can tell which names are alike.
func (x *treeIndex) locate(tree []byte, lines []line, like *likeness, path string) (bool, error) {
	if !x.plain {
		return false, nil
	}
	for i := range lines {
		l := &lines[i]
		if l.from, l.to = x.search(tree, l.name, l.sub != nil); l.from == l.to {
			continue
		}
		e, _, err := nextEntry(tree[l.from:])
		if err != nil {
			return false, err
		}
		l.was = e
	}
	for i := range lines {
		// All names of the tree are folded: what is alike has the folded name.
		fold := string(foldName([]byte(lines[i].name)))
		for _, dir := range []bool{true, false} {
			from, to := x.search(tree, fold, dir)
			if from == to {
				continue
			}
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

// spliced is the index of the tree after splice, which has a size; nil when x was
// never made. New entries are marked, so that the distance does not grow.
func (x *treeIndex) spliced(lines []line, size int) *treeIndex {
	if x == nil || x.marks == nil || x.err != nil {
		return nil
	}
	y := &treeIndex{plain: x.plain, marks: make([]uint32, 0, len(x.marks)+len(lines))}
	y.once.Do(func() {})
	shift, i := 0, 0
	for _, l := range lines {
		for ; i < len(x.marks) && int(x.marks[i]) < l.from; i++ {
			y.marks = append(y.marks, uint32(int(x.marks[i])+shift))
		}
		marked := false
		for ; i < len(x.marks) && int(x.marks[i]) < l.to; i++ {
			marked = true
		}
		if at := l.from + shift; (marked || l.size > 0) && at < size {
			y.marks = append(y.marks, uint32(at))
		}
		y.plain = y.plain && (l.size == 0 || isPlain([]byte(l.name)))
		shift += l.size - (l.to - l.from)
	}
	for ; i < len(x.marks); i++ {
		y.marks = append(y.marks, uint32(int(x.marks[i])+shift))
	}
	return y
}
