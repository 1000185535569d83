package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// edit is a change to one folder, as a tree of names: each is either a file
// to write or delete, or a folder with edits of its own.
type edit struct {
	name  string
	dirs  map[string]*edit
	files map[string][]byte // nil deletes
}

// newEdit checks all paths of a change against the rules and each other.
func newEdit(files map[string][]byte) (*edit, error) {
	root := &edit{}
	paths := make([]string, 0, len(files))
	for p := range files {
		paths = append(paths, p)
	}
	sort.Strings(paths) // so that the same change always fails at the same path
	for _, p := range paths {
		if err := checkPath(p); err != nil {
			return nil, err
		}
		if len(files[p]) > maxObject {
			return nil, &PathError{Path: p, Err: ErrTooLarge}
		}
		if err := root.add(p, files[p]); err != nil {
			return nil, err
		}
	}
	return root, nil
}

func (d *edit) add(path string, data []byte) error {
	parts := strings.Split(path, "/")
	for _, dir := range parts[:len(parts)-1] {
		if _, file := d.files[dir]; file {
			return &PathError{Path: path, Err: ErrFolderConflict, Detail: "the change itself has a file " + dir}
		}
		if d.dirs[dir] == nil {
			if d.dirs == nil {
				d.dirs = map[string]*edit{}
			}
			d.dirs[dir] = &edit{name: dir}
		}
		d = d.dirs[dir]
	}
	name := parts[len(parts)-1]
	if d.dirs[name] != nil {
		return &PathError{Path: path, Err: ErrFolderConflict, Detail: "the change itself has a folder of this name"}
	}
	if d.files == nil {
		d.files = map[string][]byte{}
	}
	d.files[name] = data
	return nil
}

// names returns everything the edit touches in this folder.
func (d *edit) names() []string {
	out := make([]string, 0, len(d.dirs)+len(d.files))
	for n := range d.dirs {
		out = append(out, n)
	}
	for n := range d.files {
		out = append(out, n)
	}
	return out
}

// load makes all folders that the edit touches available, one request for
// each level.
func (d *edit) load(ctx context.Context, src source, root Hash) error {
	type place struct {
		d  *edit
		id Hash
	}
	level := []place{{d, root}}
	for len(level) > 0 {
		var ids []Hash
		for _, p := range level {
			ids = append(ids, p.id)
		}
		if err := src.fetch(ctx, ids, filterExact); err != nil {
			return err
		}
		var next []place
		for _, p := range level {
			if p.id.IsZero() {
				continue
			}
			data, err := get(ctx, src, p.id, kindTree)
			if err != nil {
				return err
			}
			for e, err := range entries(data) {
				if err != nil {
					return err
				}
				if sub := p.d.dirs[string(e.name)]; sub != nil && e.isDir() {
					next = append(next, place{sub, e.id})
				}
			}
		}
		level = next
	}
	return nil
}

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
	var old []byte
	if !id.IsZero() {
		var err error
		if old, err = get(ctx, w, id, kindTree); err != nil {
			return Hash{}, err
		}
	}
	lines, err := d.lines(ctx, w, old, path)
	if err != nil {
		return Hash{}, err
	}
	tree, err := mergeLines(old, lines)
	if err != nil {
		return Hash{}, err
	}
	switch {
	case len(tree) == 0:
		return Hash{}, nil
	case bytes.Equal(tree, old):
		return id, nil
	}
	return w.put(object{kind: kindTree, data: tree}, id), nil
}

// treeLine is what becomes of one name in a folder; a zero id removes it.
type treeLine struct {
	was, now treeEntry // was.mode is 0 for a new name
}

func (d *edit) lines(ctx context.Context, w *stage, old []byte, path string) ([]treeLine, error) {
	was, err := d.existing(old, path)
	if err != nil {
		return nil, err
	}
	var out []treeLine
	for name, data := range d.files {
		e := was[name]
		if e.isDir() {
			return nil, &PathError{Path: path + name, Err: ErrFolderConflict, Detail: "the repository has a folder of this name"}
		}
		line := treeLine{was: e}
		if data == nil {
			if e.mode != 0 {
				out = append(out, line)
			}
			continue
		}
		if e.mode != 0 && !e.isFile() {
			return nil, &PathError{Path: path + name, Err: ErrLink}
		}
		line.now = treeEntry{mode: modeFile, name: []byte(name)}
		if e.mode != 0 {
			line.now.mode = e.mode // keeps the executable bit
		}
		if line.now.id = (object{kind: kindBlob, data: data}).hash(); line.now.id != e.id {
			w.put(object{kind: kindBlob, data: data}, Hash{})
		}
		out = append(out, line)
	}
	for name, sub := range d.dirs {
		e := was[name]
		switch {
		case e.mode == 0 || e.isDir():
		case e.isFile():
			return nil, &PathError{Path: path + name, Err: ErrFolderConflict, Detail: "the repository has a file where a folder is needed"}
		default:
			return nil, &PathError{Path: path + name, Err: ErrLink}
		}
		id, err := sub.apply(ctx, w, e.id, path+name+"/")
		if err != nil {
			return nil, err
		}
		if e.mode == 0 && id.IsZero() {
			continue // a deletion in a folder that is not there
		}
		line := treeLine{was: e}
		if !id.IsZero() {
			line.now = treeEntry{mode: modeTree, name: []byte(name), id: id}
		}
		out = append(out, line)
	}
	return out, nil
}

// existing returns the entries of the touched names, and refuses new names
// that differ from their neighbours only in case.
func (d *edit) existing(old []byte, path string) (map[string]treeEntry, error) {
	was := map[string]treeEntry{}
	touched := map[string][]string{} // by folded name
	for _, n := range d.names() {
		fold := foldName([]byte(n))
		touched[string(fold)] = append(touched[string(fold)], n)
	}
	var neighbours []string
	for e, err := range entries(old) {
		if err != nil {
			return nil, err
		}
		same := touched[string(foldName(e.name))]
		if len(same) == 0 {
			continue
		}
		e.name = bytes.Clone(e.name)
		if slices.Contains(same, string(e.name)) {
			was[string(e.name)] = e
		} else {
			neighbours = append(neighbours, string(e.name))
		}
	}
	for _, n := range neighbours {
		for _, mine := range touched[string(foldName([]byte(n)))] {
			if was[mine].mode == 0 && d.adds(mine) {
				return nil, &PathError{Path: path + mine, Err: ErrCaseClash, Detail: fmt.Sprintf("the repository has %q", path+n)}
			}
		}
	}
	return was, d.clashes(touched, path)
}

// clashes looks for new names of the change that differ only in case.
func (d *edit) clashes(touched map[string][]string, path string) error {
	for _, same := range touched {
		same = slices.DeleteFunc(slices.Clone(same), func(n string) bool { return !d.adds(n) })
		if len(same) > 1 {
			slices.Sort(same)
			return &PathError{Path: path + same[1], Err: ErrCaseClash, Detail: fmt.Sprintf("the change also has %q", path+same[0])}
		}
	}
	return nil
}

// adds reports whether the edit leaves something at name.
func (d *edit) adds(name string) bool {
	if data, ok := d.files[name]; ok {
		return data != nil
	}
	sub := d.dirs[name]
	if sub == nil {
		return false
	}
	return slices.ContainsFunc(sub.names(), sub.adds)
}

// mergeLines merges changes into a sorted tree. Everything between two changes
// is copied as it is.
func mergeLines(old []byte, lines []treeLine) ([]byte, error) {
	slices.SortFunc(lines, func(a, b treeLine) int {
		x, y := a.key(), b.key()
		return compareNames(x.name, x.isDir(), y.name, y.isDir())
	})
	grow := 0
	for _, l := range lines {
		grow += len(l.now.name) + 32
	}
	out := make([]byte, 0, len(old)+grow)
	for len(old) > 0 {
		e, rest, err := nextEntry(old)
		if err != nil {
			return nil, err
		}
		for len(lines) > 0 {
			k := lines[0].key()
			c := compareNames(k.name, k.isDir(), e.name, e.isDir())
			if c > 0 {
				break
			}
			if !lines[0].now.id.IsZero() {
				out = appendEntry(out, lines[0].now.mode, string(k.name), lines[0].now.id)
			}
			lines = lines[1:]
			if c == 0 {
				old = nil // replaced or removed
				break
			}
		}
		if old != nil {
			out = append(out, old[:len(old)-len(rest)]...)
		}
		old = rest
	}
	for _, l := range lines {
		if !l.now.id.IsZero() {
			out = appendEntry(out, l.now.mode, string(l.now.name), l.now.id)
		}
	}
	return out, nil
}

// key is the entry that decides the place of a line; name and type stay the
// same when an entry is replaced.
func (l treeLine) key() treeEntry {
	if l.was.mode != 0 {
		return l.was
	}
	return l.now
}
