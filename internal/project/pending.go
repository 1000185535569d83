package project

import (
	"bytes"
	"context"
	"io/fs"
	"reflect"
	"slices"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/gitrepo/forge"
)

// pending returns the spec that the next edit of a project starts from: the one on tip
// with what its open pull request, whose branch holds head, changes. So a second proposal
// adds to the first. A pull request that was merged or closed changes nothing any more.
func (s *Steps) pending(ctx context.Context, tip, head fs.FS, id string) (*generator.Project, error) {
	doc, base, err := committed(tip, id)
	if err != nil {
		return nil, err
	}
	proposal, err := readFile(head, generator.ProjectPath(id))
	if err != nil || proposal == nil || bytes.Equal(proposal, doc) {
		return base, err
	}
	pull, err := s.Forge.Find(ctx, proposalBranch(id), s.Branch)
	if err != nil || pull != nil && pull.State != forge.Open {
		return base, err
	}
	proposed, err := generator.ParseProject(generator.ProjectPath(id), proposal)
	if err != nil {
		return nil, err
	}
	fork, err := s.forkPoint(ctx, tip.(*gitrepo.Tree), head.(*gitrepo.Tree)) // of [gitrepo.Repo.Propose]
	if err != nil {
		return nil, err
	}
	_, before, err := committed(fork, id)
	if err != nil {
		return nil, err
	}
	return rebased(before, proposed, base), nil
}

// rebased puts onto base what a proposal made of before. What it did not touch is as base
// has it; a value that both changed is the proposal's, as it would be after a merge.
func rebased(before, proposed, base *generator.Project) *generator.Project {
	if before == nil {
		before = &generator.Project{}
		if base == nil {
			return proposed
		}
	}
	if base == nil {
		return nil // deleted since
	}
	want := *base
	was, is, spec := reflect.ValueOf(before.Spec), reflect.ValueOf(proposed.Spec), reflect.ValueOf(&want.Spec).Elem()
	for i := range spec.NumField() {
		if !reflect.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			spec.Field(i).Set(is.Field(i))
		}
	}
	want.Spec.Environments = rebasedEnvironments(before.Spec.Environments, proposed.Spec.Environments, base.Spec.Environments)
	return &want
}

// rebasedEnvironments is rebased for environments, each of which is one value.
func rebasedEnvironments(before, proposed, base []generator.Environment) []generator.Environment {
	find := func(all []generator.Environment, name string) *generator.Environment {
		i := slices.IndexFunc(all, func(e generator.Environment) bool { return e.Name == name })
		if i < 0 {
			return nil
		}
		return &all[i]
	}
	var want []generator.Environment
	for _, e := range base {
		was, is := find(before, e.Name), find(proposed, e.Name)
		switch {
		case reflect.DeepEqual(was, is):
			want = append(want, e)
		case is != nil:
			want = append(want, *is)
		}
	}
	for _, e := range proposed {
		if find(base, e.Name) == nil && find(before, e.Name) == nil {
			want = append(want, e)
		}
	}
	return want
}
