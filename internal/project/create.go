package project

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/sops"
)

// Request asks for a project to be created or changed.
type Request struct {
	Project string // id

	// Whole is the wanted spec. The environments that it leaves out stay: only
	// [Steps.Delete] removes them.
	Whole *generator.Project

	// Edit, without Whole, returns the wanted spec, given the committed one: nil for a
	// new project. It may change and return its argument. It runs again when the
	// branch moves.
	Edit func(committed *generator.Project) (*generator.Project, error)

	Token     *sops.Token // the user's registry token; nil keeps what is sealed
	Overwrite bool        // replace files that were edited by hand
}

// Result tells what a verb did, or what [Steps.Diff] found it would do.
type Result struct {
	Project  string              `json:"project"`
	Commit   string              `json:"commit,omitempty"`
	Changed  bool                `json:"changed"`
	Files    []FileChange        `json:"files"`
	Seals    []Seal              `json:"seals,omitempty"`
	Kept     []string            `json:"kept,omitempty"` // environments that the request's whole spec leaves out
	Left     []string            `json:"left,omitempty"` // files in the project's folders that are not berth's
	Warnings []generator.Problem `json:"warnings,omitempty"`

	PullRequest *PullRequest `json:"pullRequest,omitempty"`
}

// Create brings a project to the state that req wants, in at most one commit. A
// project that is there already is only committed to when something differs.
func (s *Steps) Create(ctx context.Context, req Request) (*Result, error) {
	return s.create(ctx, req, func(plan planFunc) (written, error) { return s.write(ctx, req.Project, plan) })
}

// create runs req through write.
func (s *Steps) create(ctx context.Context, req Request, write func(planFunc) (written, error)) (*Result, error) {
	var result *Result
	done, err := write(func(tip, proposed fs.FS) (*gitrepo.Change, error) {
		planned, err := s.plan(ctx, tip, proposed, req, false)
		if err != nil {
			return nil, err
		}
		result = planned
		return planned.change(subject(planned)), nil
	})
	if err != nil {
		return nil, req.orFlaws(err)
	}
	result.Commit, result.Changed, result.PullRequest = done.commit, done.changed, done.pull
	return result, nil
}

// Diff plans req on the tip of the branch and writes nothing. A pull secret that
// could not be sealed for want of a token is reported as a [Seal] that is pending.
func (s *Steps) Diff(ctx context.Context, req Request) (*Result, error) {
	tip, err := s.Repo.Tip(ctx, s.Branch)
	if err != nil {
		return nil, req.orFlaws(err)
	}
	result, err := s.plan(ctx, tip, tip, req, true)
	if err != nil {
		return nil, req.orFlaws(err)
	}
	result.Changed = len(result.Files) > 0 || slices.ContainsFunc(result.Seals, func(s Seal) bool { return s.Pending })
	return result, nil
}

// plan works out what req changes on tip. Seals that proposed holds are kept while they
// are right. With preview a missing token is no error.
func (s *Steps) plan(ctx context.Context, tip, proposed fs.FS, req Request, preview bool) (*Result, error) {
	if err := checkID(req.Project, req.Token); err != nil {
		return nil, err
	}
	if err := prefetchProject(ctx, tip, req.Project); err != nil {
		return nil, err
	}
	platform, err := s.platform(tip)
	if err != nil {
		return nil, err
	}
	prior, project, err := s.wanted(ctx, tip, proposed, platform, req)
	if err != nil {
		return nil, err
	}
	plan, err := planOn(tip, platform, project)
	if err != nil {
		return nil, err
	}
	doc, err := generator.MergeProject(generator.ProjectPath(req.Project), prior, project)
	if err != nil {
		return nil, err
	}
	warnings, err := checkToken(project, req.Token)
	if err != nil {
		return nil, err
	}
	result := &Result{Project: req.Project, Warnings: append(plan.Warnings, warnings...)}
	for _, env := range req.leftOut(project) {
		result.Kept = append(result.Kept, env.Name)
	}
	files := maps.Clone(plan.Files)
	files[generator.ProjectPath(req.Project)] = doc
	sealed, err := s.seal(ctx, tip, proposed, platform, plan, req, preview)
	if err != nil {
		return nil, err
	}
	for _, seal := range sealed {
		files[seal.Path] = seal.data // nil when it is pending: what is there stays
		result.Seals = append(result.Seals, seal.Seal)
	}
	result.Files, result.Left, err = compare(tip, files, generator.Owned(platform, req.Project), req.Overwrite)
	if err != nil {
		return nil, err
	}
	return result, checkFiles(result, req.Token)
}

// wanted returns the committed project.yaml, nil when there is none, and the spec to commit.
func (s *Steps) wanted(ctx context.Context, tip, proposed fs.FS, platform *generator.Platform, req Request) ([]byte, *generator.Project, error) {
	prior, project, err := committed(tip, req.Project)
	if err != nil {
		return nil, nil, err
	}
	var owners []string
	if project != nil {
		owners = append(owners, project.Spec.Owner)
	}
	if proposed != tip {
		pending, err := s.pending(ctx, tip, proposed, req.Project)
		if err != nil {
			return nil, nil, err
		}
		if pending != nil {
			owners = append(owners, pending.Spec.Owner)
		}
		if req.Whole == nil { // which takes the place of what is proposed
			project = pending
		}
	}
	want, err := req.edited(project)
	if err != nil {
		return nil, nil, err
	}
	if err := checkSpec(want, req.Token); err != nil { // first of all: other errors quote names
		return nil, nil, err
	}
	for _, owner := range owners {
		if want.Spec.Owner != owner {
			return nil, nil, &OwnerError{Project: req.Project, Owner: owner, Wanted: want.Spec.Owner}
		}
	}
	if prior == nil {
		if err := checkRemains(tip, platform, req.Project, want.Spec.Owner); err != nil {
			return nil, nil, err
		}
	}
	return prior, want, nil
}

// checkToken says whether the token can be what the project's pull secret needs. It
// returns what is allowed but unwise.
func checkToken(p *generator.Project, token *sops.Token) ([]generator.Problem, error) {
	if token == nil {
		return nil, nil
	}
	const field = "spec.pullSecret"
	if p.Spec.PullSecret == nil {
		return nil, generator.Problems{p.Problem(field, "say whose token it is: --registry and --username, or spec.pullSecret",
			"a token was given, but the project wants no pull secret")}
	}
	credential := sops.Credential{Registry: p.Spec.PullSecret.Registry, Username: p.Spec.PullSecret.Username, Token: *token}
	if err := credential.Validate(); err != nil {
		return nil, generator.Problems{p.Problem(field, "", "%s", err)}
	}
	var warnings []generator.Problem
	for _, text := range credential.Warnings() {
		warnings = append(warnings, p.Problem(field, "", "%s", text))
	}
	return warnings, nil
}

// planOn plans the project, and says what stands in the plan's way on tip. All that is wrong
// with the spec is told at once.
func planOn(tip fs.FS, platform *generator.Platform, p *generator.Project) (*generator.Plan, error) {
	plan, err := newGenerator().Plan(platform, p)
	problems, ok := errors.AsType[generator.Problems](err)
	if err != nil && !ok {
		return nil, err
	}
	if err == nil {
		if problems, err = checkMoves(tip, platform, plan, p); err != nil {
			return nil, err
		}
	}
	missing, err := checkComponents(tip, p)
	if err != nil {
		return nil, err
	}
	for _, m := range missing {
		if !slices.ContainsFunc(problems, func(p generator.Problem) bool { return p.Field == m.Field }) {
			problems = append(problems, m)
		}
	}
	slices.SortStableFunc(problems, func(a, b generator.Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return plan, asError(problems)
}

// checkMoves refuses to move an environment to another cluster: the Namespace on
// the old one would go, with everything in it.
func checkMoves(tip fs.FS, platform *generator.Platform, plan *generator.Plan, p *generator.Project) (generator.Problems, error) {
	var problems generator.Problems
	id := p.Metadata.Name
	for _, target := range plan.Targets {
		i := slices.IndexFunc(p.Spec.Environments, func(e generator.Environment) bool { return e.Name == target.Environment })
		for _, c := range platform.Spec.Clusters {
			if c.Name == target.Cluster {
				continue
			}
			there, err := exists(tip, fmt.Sprintf("tenants/%s/%s/%s.yaml", c.Name, id, target.Environment))
			if err != nil {
				return nil, err
			}
			if there {
				problems = append(problems, p.Problem(fmt.Sprintf("spec.environments[%d].cluster", i),
					fmt.Sprintf("run `berth delete project %s --env %s` first, if that is meant", id, target.Environment),
					"%s moves from cluster %s to %s, which would remove its Namespace on %s and everything in it",
					target.Environment, c.Name, target.Cluster, c.Name))
			}
		}
	}
	return problems, nil
}

// checkComponents finds components that the spec names and the repository lacks.
func checkComponents(tip fs.FS, p *generator.Project) (generator.Problems, error) {
	var problems generator.Problems
	seen := map[string]bool{}
	check := func(field string, names []string) error {
		for i, name := range names {
			if seen[name] {
				continue
			}
			seen[name] = true
			dir := "projects/" + p.Metadata.Name + "/components/" + name
			if !fs.ValidPath(dir) {
				continue // the spec itself is wrong
			}
			there, err := exists(tip, dir+"/kustomization.yaml", dir+"/kustomization.yml", dir+"/Kustomization")
			if err != nil {
				return err
			}
			if !there {
				problems = append(problems, p.Problem(fmt.Sprintf("%s[%d]", field, i), "commit the component first",
					"names the component %q, but %s/kustomization.yaml is not in the repository", name, dir))
			}
		}
		return nil
	}
	if err := check("spec.components", p.Spec.Components); err != nil {
		return nil, err
	}
	for i, env := range p.Spec.Environments {
		if err := check(fmt.Sprintf("spec.environments[%d].components", i), env.Components); err != nil {
			return nil, err
		}
	}
	return problems, nil
}

// asError avoids an error that holds an empty list.
func asError(problems generator.Problems) error {
	if len(problems) == 0 {
		return nil
	}
	return problems
}

// change turns the result into what gitrepo commits; nil when nothing differs.
func (r *Result) change(subject string) *gitrepo.Change {
	if len(r.Files) == 0 {
		return nil
	}
	files := make(map[string][]byte, len(r.Files))
	for _, f := range r.Files {
		files[f.Path] = f.After
	}
	return &gitrepo.Change{
		Files:    files,
		Message:  r.message(subject),
		Trailers: []gitrepo.Trailer{{Key: "Berth-Project", Value: r.Project}},
	}
}

// subject is the first line of the commit message of a create.
func subject(r *Result) string {
	verb := "Update"
	for _, f := range r.Files {
		if f.Path == generator.ProjectPath(r.Project) && f.Before == nil {
			verb = "Create"
		}
	}
	var fresh []string
	for _, seal := range r.Seals {
		if seal.Environment != "" && slices.ContainsFunc(r.Files, func(f FileChange) bool { return f.Path == seal.Path }) {
			fresh = append(fresh, seal.Environment)
		}
	}
	if verb == "Update" && len(fresh) > 0 && len(fresh) == len(r.Files) {
		slices.Sort(fresh)
		return fmt.Sprintf("Seal a new token for project %s (%s)", r.Project, strings.Join(fresh, ", "))
	}
	return fmt.Sprintf("%s project %s", verb, r.Project)
}
