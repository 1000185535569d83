package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"slices"
)

// stage collects the objects of one change, so that a change that fails half
// way leaves nothing behind.
type stage struct {
	source
	objects []staged
	byID    map[Hash]object
}

// staged is a new object; one like it, or zero, compresses it well.
type staged struct {
	object
	id, like Hash
}

func newStage(base source) *stage { return &stage{source: base, byID: map[Hash]object{}} }

func (s *stage) peek(id Hash) (object, bool, error) {
	if o, ok := s.byID[id]; ok {
		return o, true, nil
	}
	return s.source.peek(id)
}

func (s *stage) put(o object, like Hash) Hash {
	id := o.hash()
	if _, ok := s.byID[id]; !ok {
		s.byID[id] = o
		s.objects = append(s.objects, staged{o, id, like})
	}
	return id
}

// apply writes what becomes of the tree id (zero: there was none) at path and
// returns its new id; zero when nothing is left in it.
func (d *edit) apply(ctx context.Context, w *stage, id Hash, path string) (Hash, error) {
	var old object
	if !id.IsZero() {
		var err error
		if old, err = getObject(ctx, w, id, kindTree); err != nil {
			return Hash{}, err
		}
	}
	lines := d.lines()
	like := alike(lines)
	indexed, err := false, error(nil)
	if old.index != nil {
		indexed, err = old.index.locate(old.data, lines, like, path)
	}
	if err == nil && !indexed {
		err = locate(old.data, lines, like, path)
	}
	if err != nil {
		return Hash{}, err
	}
	for i := range lines {
		if err := lines[i].carryOut(ctx, w, path); err != nil {
			return Hash{}, err
		}
	}
	if err := like.clash(path); err != nil {
		return Hash{}, err
	}
	tree := object{kind: kindTree, data: splice(old.data, lines)}
	switch {
	case len(tree.data) == 0:
		return Hash{}, nil
	case bytes.Equal(tree.data, old.data):
		return id, nil
	case indexed:
		tree.index = old.index.spliced(lines, len(tree.data))
	}
	return w.put(tree, id), nil
}

// line is what an edit does to one name of a folder.
type line struct {
	name string
	sub  *edit  // a folder, else
	data []byte // a file; nil deletes

	was      treeEntry // mode 0: nothing of this name
	from, to int       // its bytes in the old tree; equal: where it belongs
	now      treeEntry // zero id: nothing
	size     int       // its bytes in the new tree
}

func (l *line) adds() bool {
	if l.sub != nil {
		return l.sub.adds()
	}
	return l.data != nil
}

// adds reports whether the edit leaves any file in the folder.
func (d *edit) adds() bool {
	for _, data := range d.files {
		if data != nil {
			return true
		}
	}
	for _, sub := range d.dirs {
		if sub.adds() {
			return true
		}
	}
	return false
}

// lines returns what the edit does, in the order of a tree.
func (d *edit) lines() []line {
	out := make([]line, 0, len(d.dirs)+len(d.files))
	for name, sub := range d.dirs {
		out = append(out, line{name: name, sub: sub})
	}
	for name, data := range d.files {
		out = append(out, line{name: name, data: data})
	}
	slices.SortFunc(out, func(a, b line) int {
		return compareNames([]byte(a.name), a.sub != nil, []byte(b.name), b.sub != nil)
	})
	return out
}

// locate reads the old tree once: it finds the place of every line, and
// refuses what clashes with an entry that is already there.
func locate(old []byte, lines []line, like *likeness, path string) error {
	i := 0
	for rest := old; len(rest) > 0; {
		at := len(old) - len(rest)
		var e treeEntry
		var err error
		if e, rest, err = nextEntry(rest); err != nil {
			return err
		}
		for ; i < len(lines); i++ {
			l := &lines[i]
			c := compareNames([]byte(l.name), l.sub != nil, e.name, e.isDir())
			if c > 0 {
				break
			}
			if l.from, l.to = at, at; c == 0 {
				l.was, l.to = e, len(old)-len(rest)
			}
		}
		if err := like.meet(e, path); err != nil {
			return err
		}
	}
	for ; i < len(lines); i++ {
		lines[i].from, lines[i].to = len(old), len(old)
	}
	return nil
}

// meets checks a line against an entry whose name is the same, or is the same
// where case does not count. An entry that the edit touches too may be gone in
// the end: clash looks at those.
func (l *line) meets(e treeEntry, touched bool, path string) error {
	bad := func(reason error, detail string) error {
		return &PathError{Path: path + l.name, Err: reason, Detail: detail}
	}
	deletes := l.sub == nil && l.data == nil
	switch same := string(e.name) == l.name; {
	case !same && !touched && l.was.mode == 0 && l.adds():
		return bad(ErrCaseClash, fmt.Sprintf("the repository has %q", path+string(e.name)))
	case !same:
		return nil
	case l.sub != nil && e.isFile():
		return bad(ErrFolderConflict, "the repository has a file where a folder is needed")
	case l.sub == nil && e.isDir():
		return bad(ErrFolderConflict, "the repository has a folder of this name")
	case !e.isDir() && !e.isFile() && !deletes:
		return bad(ErrLink, "")
	}
	return nil
}

// likeness finds lines by name where case does not count.
type likeness struct {
	lines map[string][]*line
	sizes [256]bool // most entries are ruled out by the length of their name
}

func alike(lines []line) *likeness {
	k := &likeness{lines: make(map[string][]*line, len(lines))}
	for i := range lines {
		fold := string(foldName([]byte(lines[i].name)))
		k.lines[fold] = append(k.lines[fold], &lines[i])
		if len(fold) < len(k.sizes) {
			k.sizes[len(fold)] = true
		}
	}
	return k
}

// clash refuses names that are both there in the end, one of them new.
func (k *likeness) clash(path string) error {
	for _, same := range k.lines {
		var there *line
		for _, l := range same {
			switch {
			case l.now.id.IsZero():
			case there == nil:
				there = l
			case l.was.mode == 0 || there.was.mode == 0:
				return &PathError{Path: path + l.name, Err: ErrCaseClash, Detail: fmt.Sprintf("the change also has %q", path+there.name)}
			}
		}
	}
	return nil
}

// meet checks an entry of the old tree against the lines that are like it.
func (k *likeness) meet(e treeEntry, path string) error {
	fold := foldName(e.name)
	if len(fold) < len(k.sizes) && !k.sizes[len(fold)] {
		return nil
	}
	same := k.lines[string(fold)]
	touched := slices.ContainsFunc(same, func(l *line) bool { return l.name == string(e.name) })
	for _, l := range same {
		if err := l.meets(e, touched, path); err != nil {
			return err
		}
	}
	return nil
}

// carryOut makes the objects of one line.
func (l *line) carryOut(ctx context.Context, w *stage, path string) error {
	switch {
	case l.sub != nil:
		id, err := l.sub.apply(ctx, w, l.was.id, path+l.name+"/")
		if err != nil {
			return err
		}
		l.now = treeEntry{mode: modeTree, id: id}
	case l.data != nil:
		blob := object{kind: kindBlob, data: l.data}
		l.now = treeEntry{mode: modeFile, id: blob.hash()}
		if l.was.mode != 0 {
			l.now.mode = l.was.mode // keeps the executable bit
		}
		if l.now.id != l.was.id {
			w.put(blob, Hash{})
		}
	}
	return nil
}

// splice puts the lines into a tree. What is between them is copied as it is.
func splice(old []byte, lines []line) []byte {
	size := len(old)
	for _, l := range lines {
		size += len(l.name) + 32
	}
	out := make([]byte, 0, size)
	at := 0
	for i := range lines {
		l := &lines[i]
		out = append(out, old[at:l.from]...)
		before := len(out)
		if !l.now.id.IsZero() {
			out = appendEntry(out, l.now.mode, l.name, l.now.id)
		}
		l.size = len(out) - before
		at = l.to
	}
	return append(out, old[at:]...)
}
