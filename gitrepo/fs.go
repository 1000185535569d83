package gitrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"
)

// Tree is what a commit holds, as a file system. Nothing is read before it is
// asked for; a remote repository is asked over the network, under the context
// the Tree was opened with. It never changes and may be used by many
// goroutines.
//
// Links are not followed: Stat describes the link itself, ReadLink returns its
// target, and opening it, or anything through it, is an error. A submodule has
// mode fs.ModeIrregular. The FileInfo of every entry returns its object id, a
// [Hash], from Sys, so that two trees are compared without reading files.
type Tree struct {
	ctx    context.Context //nolint:containedctx // fs.FS has no other way to be cancelled
	src    source
	commit Hash
	root   Hash // zero: an empty tree that is not stored
	local  bool // nothing is ever fetched

	sizes sync.Map // Hash → int64, of files that are too large to be kept in memory
}

// The interfaces that readers look for.
var (
	_ fs.ReadDirFS  = (*Tree)(nil)
	_ fs.ReadFileFS = (*Tree)(nil)
	_ fs.StatFS     = (*Tree)(nil)
	_ fs.ReadLinkFS = (*Tree)(nil)
)

// Commit returns the id of the commit; zero when the repository has none yet.
func (t *Tree) Commit() Hash { return t.commit }

// Root returns the id of the tree; equal ids mean equal content.
func (t *Tree) Root() Hash { return t.root }

// lookup finds the entry at a path.
func (t *Tree) lookup(name string) (treeEntry, error) {
	e := treeEntry{mode: modeTree, name: []byte("."), id: t.root}
	if !fs.ValidPath(name) {
		return e, fs.ErrInvalid
	}
	if name == "." {
		return e, nil
	}
	for rest, more := name, true; more; {
		var part string
		part, rest, more = strings.Cut(rest, "/")
		switch {
		case e.isFile():
			return e, fs.ErrNotExist
		case !e.isDir():
			return e, fmt.Errorf("%s: %w", e.name, ErrLink)
		}
		o, err := t.tree(e.id)
		if err != nil {
			return e, err
		}
		var ok bool
		if e, ok, err = o.entry(part); err != nil {
			return e, err
		}
		if !ok {
			return e, fs.ErrNotExist
		}
	}
	return e, nil
}

func (t *Tree) tree(id Hash) (object, error) {
	if id.IsZero() {
		return object{kind: kindTree}, nil
	}
	return getObject(t.ctx, t.src, id, kindTree)
}

func (t *Tree) blob(e treeEntry) ([]byte, error) { return get(t.ctx, t.src, e.id, kindBlob) }

func pathError(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// ReadFile returns a file's content; the caller may change it.
func (t *Tree) ReadFile(name string) ([]byte, error) {
	e, err := t.lookup(name)
	if err == nil && !e.isFile() {
		err = ErrLink
		if e.isDir() {
			err = errors.New("is a folder")
		}
	}
	if err != nil {
		return nil, pathError("read", name, err)
	}
	data, err := t.blob(e)
	if err != nil {
		return nil, pathError("read", name, err)
	}
	return bytes.Clone(data), nil
}

// ReadDir lists a folder in the order of names.
func (t *Tree) ReadDir(name string) ([]fs.DirEntry, error) {
	e, err := t.lookup(name)
	if err == nil && !e.isDir() {
		err = errors.New("is not a folder")
	}
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	list, err := t.list(e.id)
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	return list, nil
}

// list sorts by name: a tree sorts folders as if they ended in a slash.
func (t *Tree) list(id Hash) ([]fs.DirEntry, error) {
	o, err := t.tree(id)
	if err != nil {
		return nil, err
	}
	// A few allocations for all entries, instead of a few for each.
	names, rest := string(o.data), o.data
	list := make([]info, 0, len(o.data)/36)
	for len(rest) > 0 {
		var e treeEntry
		if e, rest, err = nextEntry(rest); err != nil {
			return nil, err
		}
		end := len(names) - len(rest) - len(e.id) - 1
		list = append(list, info{t: t, e: e, name: names[end-len(e.name) : end]})
	}
	out := make([]fs.DirEntry, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	slices.SortFunc(out, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return out, nil
}

// Stat describes a file, folder, link or submodule. The time is always zero:
// Git has none for files.
func (t *Tree) Stat(name string) (fs.FileInfo, error) {
	e, err := t.lookup(name)
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	i, err := t.info(e, name).Info()
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	return i, nil
}

func (t *Tree) info(e treeEntry, path string) *info {
	return &info{t: t, e: e, name: path[strings.LastIndexByte(path, '/')+1:]}
}

// Lstat is Stat, which follows no links either.
func (t *Tree) Lstat(name string) (fs.FileInfo, error) { return t.Stat(name) }

// ReadLink returns the target of a symbolic link.
func (t *Tree) ReadLink(name string) (string, error) {
	e, err := t.lookup(name)
	if err == nil && e.mode&0o170000 != modeLink {
		err = fs.ErrInvalid
	}
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	data, err := t.blob(e)
	if err != nil {
		return "", pathError("readlink", name, err)
	}
	return string(data), nil
}

// Open opens a file or folder for reading.
func (t *Tree) Open(name string) (fs.File, error) {
	e, err := t.lookup(name)
	if err == nil && !e.isFile() && !e.isDir() {
		err = ErrLink
	}
	if err != nil {
		return nil, pathError("open", name, err)
	}
	i := t.info(e, name)
	if e.isDir() {
		return &openDir{info: i, path: name}, nil
	}
	data, err := t.blob(e)
	if err != nil {
		return nil, pathError("open", name, err)
	}
	i.size = int64(len(data))
	i.sized = true
	return &openFile{info: i, Reader: bytes.NewReader(data)}, nil
}

// info is the fs.FileInfo and fs.DirEntry of one entry.
type info struct {
	t     *Tree
	e     treeEntry
	name  string
	size  int64
	sized bool
}

func (i *info) Name() string       { return i.name }
func (i *info) Mode() fs.FileMode  { return i.e.fileMode() }
func (i *info) Type() fs.FileMode  { return i.e.fileMode().Type() }
func (i *info) IsDir() bool        { return i.e.isDir() }
func (i *info) ModTime() time.Time { return time.Time{} }
func (i *info) Sys() any           { return i.e.id }
func (i *info) Size() int64        { return i.size }
func (i *info) String() string     { return fs.FormatDirEntry(i) }

// Info reads the file for its size.
func (i *info) Info() (fs.FileInfo, error) {
	if i.sized || i.e.isDir() || i.e.mode&0o170000 == modeSubmodule {
		return i, nil
	}
	full := *i
	full.sized = true
	if size, ok := i.t.sizes.Load(i.e.id); ok {
		full.size = size.(int64)
		return &full, nil
	}
	data, err := i.t.blob(i.e)
	if err != nil {
		return nil, err
	}
	if full.size = int64(len(data)); full.size > maxKept {
		i.t.sizes.Store(i.e.id, full.size)
	}
	return &full, nil
}

type openFile struct {
	info *info
	*bytes.Reader
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	info *info
	path string
	list []fs.DirEntry
	read bool
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }

func (d *openDir) Read([]byte) (int, error) {
	return 0, pathError("read", d.path, errors.New("is a folder"))
}

// ReadDir is fs.ReadDirFile's.
func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	if !d.read {
		list, err := d.info.t.list(d.info.e.id)
		if err != nil {
			return nil, pathError("readdir", d.path, err)
		}
		d.list, d.read = list, true
	}
	if n <= 0 {
		n = len(d.list)
	} else if len(d.list) == 0 {
		return nil, io.EOF
	}
	n = min(n, len(d.list))
	out := d.list[:n:n]
	d.list = d.list[n:]
	return out, nil
}
