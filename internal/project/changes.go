package project

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/sops"
)

// FileChange is one file that differs from the branch. Before is nil for a new file,
// After for a removed one.
type FileChange struct {
	Path   string `json:"path"`
	Before []byte `json:"-"`
	After  []byte `json:"-"`
}

// Action says in one word what happens to the file.
func (c FileChange) Action() string {
	switch {
	case c.Before == nil:
		return "add"
	case c.After == nil:
		return "remove"
	default:
		return "change"
	}
}

// MarshalJSON prints the path and the action, never the content.
func (c FileChange) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"path": c.Path, "action": c.Action()})
}

// compare lists what must change on tip so that it holds files, in path order, and
// which other files below owned are not berth's and stay, whatever overwrite says. A nil
// file stays as it is. It fails with a [ConflictError] rather than overwrite or remove what
// berth wrote and a person changed, unless overwrite is set.
func compare(tip fs.FS, files map[string][]byte, owned []string, overwrite bool) ([]FileChange, []string, error) {
	changes := []FileChange{}
	var left []string
	var conflict ConflictError
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if files[name] == nil {
			continue
		}
		before, err := readFile(tip, name)
		if err != nil {
			return nil, nil, err
		}
		if before != nil && bytes.Equal(before, files[name]) {
			continue
		}
		conflict.add(name, before)
		changes = append(changes, FileChange{Path: name, Before: before, After: files[name]})
	}
	for _, root := range owned {
		found, err := walkFiles(tip, root)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range found {
			if _, wanted := files[name]; wanted {
				continue
			}
			before, err := readFile(tip, name)
			if errors.Is(err, gitrepo.ErrLink) {
				left = append(left, name)
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			if !isOwn(name, before) {
				left = append(left, name)
				continue
			}
			conflict.add(name, before)
			changes = append(changes, FileChange{Path: name, Before: before})
		}
	}
	if !overwrite && len(conflict.Edited)+len(conflict.Foreign) > 0 {
		return nil, nil, &conflict
	}
	return changes, left, nil
}

// add notes name when replacing before would lose somebody's work.
func (e *ConflictError) add(name string, before []byte) {
	if before == nil || isMerged(name) || isSealed(name) {
		return
	}
	switch generated, pristine := generator.Generated(before); {
	case !generated:
		e.Foreign = append(e.Foreign, name)
	case !pristine:
		e.Edited = append(e.Edited, name)
	}
}

// isOwn says that berth wrote the file, or merges into it: it goes with the project.
func isOwn(name string, doc []byte) bool {
	generated, _ := generator.Generated(doc)
	return generated || isMerged(name) || isSealed(name) && sops.Signed(doc)
}

// isMerged says that people edit the file and berth merges into it.
func isMerged(name string) bool {
	spec, _ := path.Match(generator.ProjectPath("*"), name)
	return spec || name == generator.PlatformPath
}

// isSealed says that a seal belongs at the path; sealing looks at its signature. Settings
// of the sops command, a .sops.yaml, are none.
func isSealed(name string) bool {
	return strings.HasSuffix(name, ".sops.yaml") && path.Base(name) != ".sops.yaml"
}
