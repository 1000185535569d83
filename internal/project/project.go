// Package project holds the steps that berth's commands share: read what the
// branch holds, plan, seal, compare, write.
//
// Everything starts with a [Steps]. [Steps.Create] is the main job; [Steps.Diff] is
// the same plan without the write; [Steps.Delete], [Steps.List], [Steps.Export],
// [Steps.Init] and [Steps.Verify] are the other verbs. The package reads no flag and
// no environment variable and prints nothing.
package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/gitrepo/forge"
	"github.com/berth-gitops/berth/internal/verify"
	"github.com/berth-gitops/berth/sops"
	"github.com/berth-gitops/berth/templates"
)

// Steps runs berth's verbs on one branch of one GitOps repository.
type Steps struct {
	Repo   *gitrepo.Repo
	Branch string
	Key    *sops.Key    // the berth key; nil when none is at hand, which is enough to keep seals
	Forge  *forge.Forge // where changes become pull requests; nil writes to Branch itself
}

// Errors that callers tell apart with [errors.Is].
var (
	ErrNotBerth      = errors.New("the repository has no berth.yaml")
	ErrNoProject     = errors.New("no such project")
	ErrNoCluster     = errors.New("no such cluster")
	ErrNoEnvironment = errors.New("no such environment")
	ErrForeign       = errors.New("the berth key does not belong to this repository")

	ErrChanged     = errors.New("the project was changed by others meanwhile")
	ErrNotRendered = errors.New("the spec was changed and the project not rendered again")
)

// ConflictError lists files that berth would have to overwrite or remove although
// it did not write them as they are.
type ConflictError struct {
	Edited   []string // written by berth, changed by hand since
	Foreign  []string // at a path of berth's, but never written by it
	Deleting bool     // that they go is what was asked for
}

func (e *ConflictError) Error() string {
	var parts []string
	if len(e.Edited) > 0 {
		parts = append(parts, "edited by hand: "+printable(e.Edited))
	}
	if len(e.Foreign) > 0 {
		parts = append(parts, "not written by berth: "+printable(e.Foreign))
	}
	return strings.Join(parts, "; ")
}

// printable lists file names from Git on one line.
func printable(names []string) string { return verify.Printable(strings.Join(names, ", ")) }

// platform reads berth.yaml and checks that the berth key, when there is one, is the
// repository's own and pins every recipient named there.
func (s *Steps) platform(tip fs.FS) (*generator.Platform, error) {
	platform, err := readPlatform(tip)
	if err != nil {
		return nil, err
	}
	return platform, checkKey(s.Key, platform)
}

func readPlatform(tip fs.FS) (*generator.Platform, error) {
	doc, err := fs.ReadFile(tip, generator.PlatformPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotBerth
	}
	if err != nil {
		return nil, err
	}
	return generator.ParsePlatform(generator.PlatformPath, doc)
}

// checkKey checks the key against the platform, and its pins against the recipients of
// all clusters or of those that are named.
func checkKey(key *sops.Key, platform *generator.Platform, clusters ...string) error {
	if key == nil {
		return nil
	}
	if own := key.PublicKeys()[0].String(); !slices.Contains(platform.Spec.PublicKeys, own) {
		return fmt.Errorf("%w: %s lists %s, the key at hand is %s",
			ErrForeign, generator.PlatformPath, strings.Join(platform.Spec.PublicKeys, ", "), own)
	}
	for _, c := range platform.Spec.Clusters {
		if len(clusters) > 0 && !slices.Contains(clusters, c.Name) {
			continue
		}
		for _, r := range c.Recipients {
			if !key.Pinned(r) {
				return fmt.Errorf("%w: %s, cluster %s: %s", sops.ErrUnpinned, generator.PlatformPath, c.Name, r)
			}
		}
	}
	return nil
}

// trusted returns the public keys whose signatures count: those of the berth key, or
// without one those that the repository itself lists.
func (s *Steps) trusted(platform *generator.Platform) ([]sops.PublicKey, error) {
	if s.Key != nil {
		return s.Key.PublicKeys(), nil
	}
	return publicKeys(platform)
}

// publicKeys are those that the repository itself lists.
func publicKeys(platform *generator.Platform) ([]sops.PublicKey, error) {
	var keys []sops.PublicKey
	for _, text := range platform.Spec.PublicKeys {
		k, err := sops.ParsePublicKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: spec.publicKeys: %w", generator.PlatformPath, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// committed returns the bytes and the meaning of a project's spec on the tip, or nil
// and nil for a project that does not exist.
func committed(tip fs.FS, id string) ([]byte, *generator.Project, error) {
	doc, err := fs.ReadFile(tip, generator.ProjectPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := generator.ParseProject(generator.ProjectPath(id), doc)
	return doc, p, err
}

func newGenerator() *generator.Generator { return generator.New(templates.FS) }

// everywhere names all that a project may have, on any cluster, as patterns.
func everywhere(id string) []string {
	return []string{"projects/" + id, "tenants/*/" + id, "fleet/*/" + id + ".yaml"}
}

// prefetchProject asks for what a plan for a project will read.
func prefetchProject(ctx context.Context, tip fs.FS, id string) error {
	return prefetch(ctx, tip, append(everywhere(id), generator.PlatformPath)...)
}

// prefetch asks a remote tree for what will be read in few round trips.
func prefetch(ctx context.Context, tip fs.FS, patterns ...string) error {
	if t, ok := tip.(*gitrepo.Tree); ok {
		return t.Prefetch(ctx, patterns...)
	}
	return nil
}

// readFile returns nil for a file that does not exist.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	doc, err := fs.ReadFile(fsys, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return doc, err
}

// exists says whether one of the files or folders is there.
func exists(fsys fs.FS, names ...string) (bool, error) {
	for _, name := range names {
		if _, err := fs.Stat(fsys, name); !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
	}
	return false, nil
}

// walkFiles lists the files and links below name, or name itself when it is one. Below a
// link there is nothing.
func walkFiles(fsys fs.FS, name string) ([]string, error) {
	var files []string
	root := strings.TrimSuffix(name, "/")
	err := fs.WalkDir(fsys, root, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, gitrepo.ErrLink) && p == root {
			if _, err := fs.Lstat(fsys, root); err == nil {
				files = append(files, root)
			}
			return nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !d.IsDir() {
			files = append(files, path.Clean(p))
		}
		return err
	})
	return files, err
}
