package gitrepo

import (
	"bytes"
	"fmt"
	"io/fs"
	"iter"
)

// Modes of tree entries (git-fast-import(1) lists them).
const (
	modeTree      = 0o040000
	modeFile      = 0o100644
	modeExec      = 0o100755
	modeLink      = 0o120000
	modeSubmodule = 0o160000
)

// treeEntry is one line of a tree. Trees are kept as the bytes Git stores and
// read entry by entry: a folder of ten thousand costs no ten thousand values.
type treeEntry struct {
	mode uint32
	name []byte // part of the tree's bytes
	id   Hash
}

func (e treeEntry) isDir() bool  { return e.mode&0o170000 == modeTree }
func (e treeEntry) isFile() bool { return e.mode&0o170000 == 0o100000 }

// fileMode maps to what os.FileInfo would show. A submodule is neither file
// nor folder.
func (e treeEntry) fileMode() fs.FileMode {
	switch e.mode & 0o170000 {
	case modeTree:
		return fs.ModeDir | 0o755
	case modeLink:
		return fs.ModeSymlink | 0o777
	case 0o100000:
		if e.mode&0o100 != 0 {
			return 0o755
		}
		return 0o644
	}
	return fs.ModeIrregular
}

// nextEntry splits the first entry off a tree.
func nextEntry(tree []byte) (treeEntry, []byte, error) {
	var e treeEntry
	i := 0
	for ; i < len(tree) && tree[i] != ' '; i++ {
		if tree[i] < '0' || tree[i] > '7' || i > 6 {
			return e, nil, errMalformedTree
		}
		e.mode = e.mode<<3 | uint32(tree[i]-'0')
	}
	if i == 0 || i >= len(tree) {
		return e, nil, errMalformedTree
	}
	tree = tree[i+1:]
	n := bytes.IndexByte(tree, 0)
	if n <= 0 || len(tree) < n+1+len(e.id) {
		return e, nil, errMalformedTree
	}
	e.name = tree[:n]
	e.id = Hash(tree[n+1:])
	return e, tree[n+1+len(e.id):], nil
}

var errMalformedTree = fmt.Errorf("%w: malformed tree", ErrDamaged)

// checkTree refuses what is no folder: entries that are not sorted, two of one
// name, of which readers would see one or the other, and names that lead out.
// git's fsck refuses them too, but a server need not have asked it.
func checkTree(tree []byte) error {
	var order treeOrder
	for e, err := range entries(tree) {
		if err == nil {
			err = order.next(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// treeOrder checks entries one after the other.
type treeOrder struct {
	last  treeEntry
	files [][]byte // names that a folder may still repeat, each the start of the next
}

func (o *treeOrder) next(e treeEntry) error {
	if leadsOut(e.name) || o.last.name != nil && compareNames(o.last.name, o.last.isDir(), e.name, e.isDir()) >= 0 {
		return errMalformedTree
	}
	o.last = e
	// A folder x comes after everything that sorts between x and x/: all of it begins with x.
	n := len(o.files)
	for n > 0 && !bytes.HasPrefix(e.name, o.files[n-1]) {
		n--
	}
	o.files = o.files[:n]
	switch {
	case !e.isDir():
		o.files = append(o.files, e.name)
	case n > 0 && len(o.files[n-1]) == len(e.name):
		return errMalformedTree
	}
	return nil
}

// leadsOut reports whether a name is no name inside its folder.
func leadsOut(name []byte) bool {
	return bytes.IndexByte(name, '/') >= 0 || name[0] == '.' && (len(name) == 1 || len(name) == 2 && name[1] == '.')
}

// entries yields every entry of a tree; the last pair may be an error.
func entries(tree []byte) iter.Seq2[treeEntry, error] {
	return func(yield func(treeEntry, error) bool) {
		for len(tree) > 0 {
			e, rest, err := nextEntry(tree)
			if !yield(e, err) || err != nil {
				return
			}
			tree = rest
		}
	}
}

// findEntry looks up one name.
func findEntry(tree []byte, name string) (treeEntry, bool, error) {
	for e, err := range entries(tree) {
		if err != nil {
			return treeEntry{}, false, err
		}
		if string(e.name) == name {
			return e, true, nil
		}
	}
	return treeEntry{}, false, nil
}

func appendEntry(tree []byte, mode uint32, name string, id Hash) []byte {
	tree = fmt.Appendf(tree, "%o %s\x00", mode, name)
	return append(tree, id[:]...)
}

// compareNames is the order of a tree: by bytes, a folder as if its name
// ended in a slash.
func compareNames(a []byte, aDir bool, b []byte, bDir bool) int {
	n := min(len(a), len(b))
	if c := bytes.Compare(a[:n], b[:n]); c != 0 {
		return c
	}
	return int(terminator(a, n, aDir)) - int(terminator(b, n, bDir))
}

func terminator(name []byte, n int, dir bool) byte {
	if n < len(name) {
		return name[n]
	}
	if dir {
		return '/'
	}
	return 0
}

// foldName is equal for names that a file system without case would mix up.
// Nearly all names are their own folded form and cost nothing.
func foldName(name []byte) []byte {
	if isPlain(name) {
		return name
	}
	return bytes.ToLower(bytes.ToUpper(name))
}

func isPlain(name []byte) bool {
	for _, c := range name {
		if c >= 0x80 || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}
