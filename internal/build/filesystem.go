package build

import (
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// readOnly shows an fs.FS to Kustomize, rooted at "/".
type readOnly struct{ fsys fs.FS }

// name turns a Kustomize path into one of the fs.FS.
func name(p string) string {
	p = strings.TrimPrefix(path.Clean("/"+filepath.ToSlash(p)), "/")
	if p == "" {
		return "."
	}
	return p
}

func (r readOnly) ReadFile(p string) ([]byte, error)        { return fs.ReadFile(r.fsys, name(p)) }
func (r readOnly) Open(p string) (filesys.File, error)      { return nil, refuse("open", p) }
func (r readOnly) Create(p string) (filesys.File, error)    { return nil, refuse("create", p) }
func (r readOnly) Mkdir(p string) error                     { return refuse("mkdir", p) }
func (r readOnly) MkdirAll(p string) error                  { return refuse("mkdir", p) }
func (r readOnly) RemoveAll(p string) error                 { return refuse("remove", p) }
func (r readOnly) WriteFile(p string, _ []byte) error       { return refuse("write", p) }
func (r readOnly) Walk(p string, _ filepath.WalkFunc) error { return refuse("walk", p) }

func (r readOnly) Exists(p string) bool {
	_, err := fs.Stat(r.fsys, name(p))
	return err == nil
}

func (r readOnly) IsDir(p string) bool {
	info, err := fs.Stat(r.fsys, name(p))
	return err == nil && info.IsDir()
}

func (r readOnly) ReadDir(p string) ([]string, error) {
	entries, err := fs.ReadDir(r.fsys, name(p))
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, err
}

func (r readOnly) Glob(pattern string) ([]string, error) {
	found, err := fs.Glob(r.fsys, name(pattern))
	for i := range found {
		found[i] = "/" + found[i]
	}
	return found, err
}

// CleanedAbs splits an existing path into its folder and, for a file, its name.
func (r readOnly) CleanedAbs(p string) (filesys.ConfirmedDir, string, error) {
	info, err := fs.Stat(r.fsys, name(p))
	if err != nil {
		return "", "", err
	}
	abs := path.Clean("/" + name(p))
	if info.IsDir() {
		return filesys.ConfirmedDir(abs), "", nil
	}
	return filesys.ConfirmedDir(path.Dir(abs)), path.Base(abs), nil
}

func refuse(op, p string) error {
	return &fs.PathError{Op: op, Path: p, Err: fmt.Errorf("%w: the tree is read-only", fs.ErrPermission)}
}
