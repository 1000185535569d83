package project

import (
	"errors"
	"slices"

	"github.com/berth-gitops/berth/generator"
)

// edited applies the request to the committed spec, which is nil for a new project.
func (r Request) edited(committed *generator.Project) (*generator.Project, error) {
	if r.Whole == nil {
		return r.Edit(committed)
	}
	want := *r.Whole
	want.Spec.Environments = slices.Clone(r.Whole.Spec.Environments)
	if committed != nil {
		want.Spec.Environments = append(want.Spec.Environments, r.leftOut(committed)...)
	}
	return &want, nil
}

// leftOut lists the environments of p that the whole spec of the request does not name.
func (r Request) leftOut(p *generator.Project) []generator.Environment {
	if r.Whole == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.Spec.Environments), func(e generator.Environment) bool {
		return slices.ContainsFunc(r.Whole.Spec.Environments, func(named generator.Environment) bool { return named.Name == e.Name })
	})
}

// Flaws are what is wrong with the whole spec of the request by itself, or nil. The steps
// fail with it, and with what else they find wrong with the spec.
func (r Request) Flaws() error {
	if r.Whole == nil {
		return nil
	}
	return r.Whole.Flaws()
}

// orFlaws prefers the flaws to an error that is none of the spec's: those can be mended.
func (r Request) orFlaws(err error) error {
	if flaws := r.Flaws(); flaws != nil && !errors.As(err, new(generator.Problems)) {
		return flaws
	}
	return err
}
