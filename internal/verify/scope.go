package verify

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/berth-gitops/berth/generator"
)

// Limits that nothing berth writes comes near.
const (
	maxFileSize    = 1 << 20   // bytes of one file
	maxProjectSize = 10 << 20  // bytes of one project
	maxFiles       = 1000      // of one project
	maxEntries     = 2_000_000 // files and folders of all
	maxNesting     = 100       // folders in folders
	maxPath        = 1024
)

// Limits of all that is looked at, with a Base and without. A small push can stand for
// any number of files, since Git may hold one of them under many names.
const (
	maxChange      = 512 << 20 // bytes; those of a file that is too large count an eighth
	maxWhole       = 2 << 30
	maxOthers      = 20_000 // files that belong to no project
	maxOthersWhole = 200_000
	maxLookups     = 1 << 20 // projects × clusters
	maxEqual       = 16      // times that a file is read in which something is found
)

// errCrowded says that there are more files and folders than are listed.
var errCrowded = errors.New("more files and folders, or folders in folders, than berth looks at")

// entry is one file, link or submodule.
type entry struct {
	path string
	mode fs.FileMode
}

// scope is what has to be looked at.
type scope struct {
	projects  []string
	byProject map[string][]entry // all files of each
	crowded   map[string]bool    // projects whose files cannot be listed
	others    []string           // files that belong to no project
	settings  bool               // berth.yaml or what is made from it
}

// scope finds out which projects and which other files to look at.
func (c *checker) scope(ctx context.Context) (*scope, error) {
	s := &scope{byProject: map[string][]entry{}, crowded: map[string]bool{}, settings: c.Base == nil}
	if c.Base == nil {
		all, err := c.walk(".", maxEntries)
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			if id := ProjectOf(e.path); id != "" {
				s.byProject[id] = append(s.byProject[id], e)
			} else {
				s.others = append(s.others, e.path)
			}
		}
		s.projects = slices.Sorted(maps.Keys(s.byProject))
		return s, nil
	}
	for _, name := range c.Changed {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		id := ProjectOf(name)
		switch {
		case id == "":
			s.others = append(s.others, name)
			s.settings = s.settings || isSettings(name)
		case s.byProject[id] == nil:
			entries, err := c.projectFiles(id)
			if err != nil && !errors.Is(err, errCrowded) {
				return nil, err
			}
			s.byProject[id], s.crowded[id] = entries, err != nil
			if c.lookups < 0 {
				c.giveUp(name, "too many projects and clusters: their product is above a million")
				return s, nil
			}
		}
	}
	s.projects = slices.Sorted(maps.Keys(s.byProject))
	return s, nil
}

// ProjectOf returns the id of the project that a path belongs to, or "". It need
// not be a valid one.
func ProjectOf(name string) string {
	parts := strings.Split(name, "/")
	switch {
	case parts[0] == "projects" && len(parts) > 2:
		return parts[1]
	case parts[0] == "tenants" && len(parts) > 3:
		return parts[2]
	case parts[0] == "fleet" && len(parts) == 3 && path.Ext(name) == ".yaml" && parts[2] != "berth.yaml":
		return strings.TrimSuffix(parts[2], ".yaml")
	}
	return ""
}

// isOurs says that a path is in one of the folders that Flux applies for berth, or
// decides what is in them.
func isOurs(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return slices.Contains([]string{"projects", "tenants", "fleet", "templates", generator.PlatformPath, ".sops.yaml"}, first) ||
		path.Base(name) == fluxProjects && first == "clusters"
}

// isCluster says that a path is in the folder that Flux applies with all rights, of
// which berth knows one file for each cluster.
func isCluster(name string) bool { return strings.HasPrefix(name, "clusters/") }

// IsPlatform says that a path is berth.yaml, or another file that Flux applies, or is
// built from, and that belongs to no project.
func IsPlatform(name string) bool { return ProjectOf(name) == "" && isOurs(name) }

// isSettings says that a path is berth.yaml, or generated from it.
func isSettings(name string) bool {
	return isOurs(name) && !strings.HasPrefix(name, "templates/")
}

// projectFiles lists everything of a project in Head.
func (c *checker) projectFiles(id string) ([]entry, error) {
	const most = 2 * maxFiles
	found, err := c.walk("projects/"+id, most)
	if err != nil {
		return nil, err
	}
	for _, root := range []string{"tenants", "fleet"} {
		clusters, err := readDir(c.Head, root)
		if err != nil {
			return nil, err
		}
		if c.lookups -= len(clusters); c.lookups < 0 {
			return nil, errCrowded
		}
		for _, d := range clusters {
			if !d.IsDir() {
				continue
			}
			name := root + "/" + d.Name() + "/" + id
			if root == "fleet" {
				name += ".yaml"
			}
			more, err := c.walk(name, most)
			if err != nil {
				return nil, err
			}
			found = append(found, more...)
		}
	}
	if found == nil {
		found = []entry{}
	}
	return found, nil
}

// walk lists the files in and below name, which may be a file or not be there. It
// follows no link, and gives up with errCrowded at more than most files and folders.
func (c *checker) walk(name string, most int) ([]entry, error) {
	info, err := lstat(c.Head, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []entry{{name, info.Mode().Type()}}, nil
	}
	var found []entry
	err = c.walkFolder(name, &most, &found)
	return found, err
}

func (c *checker) walkFolder(name string, left *int, found *[]entry) error {
	entries, err := fs.ReadDir(c.Head, name)
	if err != nil {
		return err
	}
	if *left -= len(entries) * (1 + len(name)/256); *left < 0 || strings.Count(name, "/") > maxNesting {
		return errCrowded
	}
	folded := map[string]string{}
	for _, d := range entries {
		p := path.Join(name, d.Name())
		if other, ok := folded[strings.ToLower(d.Name())]; ok && isOurs(p) {
			c.add(ruleCaseClash, p, 0, "differs from %s in upper and lower case only", path.Join(name, other))
		}
		folded[strings.ToLower(d.Name())] = d.Name()
		if !fs.ValidPath(p) {
			c.checkName(p)
			continue
		}
		if d.IsDir() {
			if err := c.walkFolder(p, left, found); err != nil {
				return err
			}
			continue
		}
		*found = append(*found, entry{p, d.Type()})
	}
	return nil
}

// checkClash looks for a sibling of a project's folder or file that differs in
// case only; folders of a project are looked at by walk.
func (c *checker) checkClash(name string) error {
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		if c.names[dir] == nil {
			siblings, err := readDir(c.Head, dir)
			if err != nil {
				return err
			}
			c.names[dir] = map[string][]string{}
			for _, d := range siblings {
				c.names[dir][fold(d.Name())] = append(c.names[dir][fold(d.Name())], d.Name())
			}
		}
		for _, other := range c.names[dir][fold(path.Base(name))] {
			if other != path.Base(name) {
				c.add(ruleCaseClash, name, 0, "differs from %s in upper and lower case only", path.Join(dir, other))
			}
		}
		if dir == "." {
			return nil
		}
		name = dir
	}
}

// fold is the same for names that strings.EqualFold takes for equal.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
			least = min(least, other)
		}
		return least
	}, name)
}

// lstat describes an entry without following links.
func lstat(fsys fs.FS, name string) (fs.FileInfo, error) {
	if name == "." {
		return fs.Stat(fsys, name)
	}
	info, err := fs.Lstat(fsys, name)
	if err == nil {
		return info, nil
	}
	if isSpecial(fsys, path.Dir(name)) {
		return nil, fs.ErrNotExist // below a link or a submodule
	}
	return nil, err
}

// isSpecial says that name, or a folder above it, is a link or a submodule.
func isSpecial(fsys fs.FS, name string) bool {
	for ; name != "."; name = path.Dir(name) {
		if info, err := fs.Lstat(fsys, name); err == nil && info.Mode()&(fs.ModeSymlink|fs.ModeIrregular) != 0 {
			return true
		}
	}
	return false
}

// readDir lists a folder, or nothing when there is none.
func readDir(fsys fs.FS, name string) ([]fs.DirEntry, error) {
	info, err := lstat(fsys, name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return fs.ReadDir(fsys, name)
}
