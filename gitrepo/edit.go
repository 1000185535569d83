package gitrepo

import (
	"context"
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
			tree, err := getObject(ctx, src, p.id, kindTree)
			if err != nil {
				return err
			}
			for name, sub := range p.d.dirs {
				e, ok, err := tree.entry(name)
				if err != nil {
					return err
				}
				if ok && e.isDir() {
					next = append(next, place{sub, e.id})
				}
			}
		}
		level = next
	}
	return nil
}
