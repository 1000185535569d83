package project

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
)

// Deletion tells what deleting would take away, before it does.
type Deletion struct {
	Project    string       `json:"project"`
	Namespaces []Namespace  `json:"namespaces"` // go with everything in them, persistent volumes included
	Files      []FileChange `json:"files"`
	Left       []string     `json:"left,omitempty"` // files in the project's folders that are not berth's
	Commit     string       `json:"commit,omitempty"`

	PullRequest *PullRequest `json:"pullRequest,omitempty"`
}

// Namespace names one environment's namespace and the cluster that it is on.
type Namespace struct {
	Name    string `json:"name"`
	Cluster string `json:"cluster"`
}

// PlanDelete says what [Steps.Delete] would do.
func (s *Steps) PlanDelete(ctx context.Context, id string, environments []string, overwrite bool) (*Deletion, error) {
	tip, err := s.Repo.Tip(ctx, s.Branch)
	if err != nil {
		return nil, err
	}
	return s.planDelete(ctx, tip, id, environments, overwrite)
}

// Delete removes a project, or only the named environments of it, in one commit.
// Flux then deletes the Namespaces and what is in them. Files that berth did not
// write stay.
func (s *Steps) Delete(ctx context.Context, id string, environments []string, overwrite bool) (*Deletion, error) {
	var deletion *Deletion
	done, err := s.write(ctx, id, func(tip, _ fs.FS) (*gitrepo.Change, error) {
		var err error
		if deletion, err = s.planDelete(ctx, tip, id, environments, overwrite); err != nil {
			return nil, err
		}
		subject := "Delete project " + id
		if len(environments) > 0 {
			subject = fmt.Sprintf("Delete %s of project %s", strings.Join(environments, ", "), id)
		}
		return (&Result{Project: id, Files: deletion.Files}).change(subject), nil
	})
	if err != nil {
		return nil, err
	}
	deletion.Commit, deletion.PullRequest = done.commit, done.pull
	return deletion, nil
}

func (s *Steps) planDelete(ctx context.Context, tip fs.FS, id string, environments []string, overwrite bool) (*Deletion, error) {
	if err := prefetch(ctx, tip, generator.PlatformPath, "projects/"+id+"/"); err != nil {
		return nil, err
	}
	platform, err := s.platform(tip)
	if err != nil {
		return nil, err
	}
	owned := generator.Owned(platform, id)
	if err := prefetch(ctx, tip, owned...); err != nil {
		return nil, err
	}
	_, project, err := committed(tip, id)
	if err != nil {
		return nil, err
	}
	if project == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoProject, id)
	}
	deletion := &Deletion{Project: id}
	if deletion.Namespaces, err = namespaces(platform, project, environments); err != nil {
		return nil, err
	}
	if len(environments) > 0 {
		return deletion, s.planDeleteEnvironments(ctx, tip, project, deletion, environments, overwrite)
	}
	deletion.Files, deletion.Left, err = compare(tip, nil, append(owned, generator.ProjectPath(id)), overwrite)
	return deletion, err
}

// planDeleteEnvironments plans the project again without the named environments.
func (s *Steps) planDeleteEnvironments(ctx context.Context, tip fs.FS, p *generator.Project, deletion *Deletion, names []string, overwrite bool) error {
	for _, name := range names {
		if !hasEnvironment(p, name) {
			return fmt.Errorf("%w: project %s has no environment %s", ErrNoProject, deletion.Project, name)
		}
	}
	if len(deletion.Namespaces) == len(p.Spec.Environments) {
		return generator.Problems{{
			File: generator.ProjectPath(deletion.Project), Field: "spec.environments",
			Reason: "would be empty",
			Hint:   fmt.Sprintf("run `berth delete project %s` to delete the whole project", deletion.Project),
		}}
	}
	result, err := s.plan(ctx, tip, tip, Request{
		Project: deletion.Project, Overwrite: overwrite,
		Edit: func(p *generator.Project) (*generator.Project, error) {
			p.Spec.Environments = slices.DeleteFunc(p.Spec.Environments, func(e generator.Environment) bool {
				return slices.Contains(names, e.Name)
			})
			return p, nil
		},
	}, false)
	if err != nil {
		return err
	}
	deletion.Files, deletion.Left = result.Files, result.Left
	return nil
}

func hasEnvironment(p *generator.Project, name string) bool {
	return slices.ContainsFunc(p.Spec.Environments, func(e generator.Environment) bool { return e.Name == name })
}

// namespaces lists the namespaces of the named environments, or of all.
func namespaces(platform *generator.Platform, p *generator.Project, names []string) ([]Namespace, error) {
	plan, err := newGenerator().Plan(platform, p)
	if err != nil {
		return nil, err
	}
	var found []Namespace
	for _, target := range plan.Targets {
		if len(names) == 0 || slices.Contains(names, target.Environment) {
			found = append(found, Namespace{Name: target.Namespace, Cluster: target.Cluster})
		}
	}
	return found, nil
}
