package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/berth-gitops/berth/generator"
)

// List returns the specs of all projects in name order, or of the named ones. What
// does not parse or is not there is left out and named in the error, which joins a
// [generator.Problems] or an [ErrNoProject] for each.
func (s *Steps) List(ctx context.Context, ids ...string) ([]*generator.Project, error) {
	tip, err := s.Repo.Tip(ctx, s.Branch)
	if err != nil {
		return nil, err
	}
	if err := prefetch(ctx, tip, generator.PlatformPath); err != nil {
		return nil, err
	}
	if _, err := s.platform(tip); err != nil {
		return nil, err
	}
	named := len(ids) > 0
	if !named {
		if ids, err = projectIDs(tip); err != nil {
			return nil, err
		}
	}
	files := make([]string, len(ids))
	for i, id := range ids {
		files[i] = literal(generator.ProjectPath(id))
	}
	if err := prefetch(ctx, tip, files...); err != nil {
		return nil, err
	}
	var projects []*generator.Project
	var bad error
	for _, id := range ids {
		switch _, p, err := committed(tip, id); {
		case err != nil:
			bad = errors.Join(bad, err)
		case p != nil:
			projects = append(projects, p)
		case named:
			bad = errors.Join(bad, fmt.Errorf("%w: %s", ErrNoProject, id))
		}
	}
	return projects, bad
}

func projectIDs(tip fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(tip, "projects")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if !e.Type().IsRegular() { // a link cannot be read, which is told
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}
