package review

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/internal/verify"
)

// Input is a change and what it is judged by.
type Input struct {
	Base, Head fs.FS
	Commit     string   // id of the head's
	Changed    []string // paths of the files that differ
	// Policy is the berth.yaml of the base, Settings that of the head as far as it
	// can be read.
	Policy, Settings *generator.Platform
	Generator        *generator.Generator
	// Report is what verify says about the change.
	Report *verify.Report
}

// Review is what a change does.
type Review struct {
	Commit     string           `json:"commit,omitempty"`
	Deletions  []Phrase         `json:"deletions"`  // what Flux will delete
	Privileges []Phrase         `json:"privileges"` // that are new
	Secrets    []Phrase         `json:"secrets"`
	Images     []Phrase         `json:"images"`
	Projects   []Project        `json:"projects"`
	Platform   *Project         `json:"platform,omitempty"` // what changes of the platform's own objects
	Settings   []string         `json:"settings,omitempty"` // changed files of the platform's
	Others     []string         `json:"others,omitempty"`   // changed files that Flux does not apply for berth
	Unnamed    int              `json:"unnamed,omitempty"`  // further ones of these two
	Findings   []verify.Finding `json:"findings"`
}

// Project is one project that changes, or what changes of the platform's own objects.
type Project struct {
	ID      string   `json:"id,omitempty"` // none: the platform
	Action  string   `json:"action"`       // created, changed, deleted
	Objects []Object `json:"objects"`
	Notes   []Phrase `json:"notes,omitempty"` // why something is not shown
}

// Object is one Kubernetes object that changes on a cluster.
type Object struct {
	Cluster string        `json:"cluster"`
	Name    Phrase        `json:"name"`   // Kind/namespace/name
	Action  string        `json:"action"` // created, changed, deleted
	Fields  []FieldChange `json:"fields,omitempty"`
	Note    string        `json:"note,omitempty"` // why fields are not shown
}

// FieldChange is one value that differs; an empty side was not there.
type FieldChange struct {
	Path   Phrase `json:"path"`
	Before Phrase `json:"before,omitempty"`
	After  Phrase `json:"after,omitempty"`
}

// Blocking says how many findings must be dealt with before the change is merged.
func (r *Review) Blocking() int { return (&verify.Report{Findings: r.Findings}).Blocked() }

// Empty says that the change does nothing to any project or platform file and has no
// finding.
func (r *Review) Empty() bool {
	return len(r.Deletions)+len(r.Privileges)+len(r.Secrets)+len(r.Images)+len(r.Projects)+len(r.Settings)+len(r.Findings) == 0
}

// Build reviews a change. An error means that something could not be read.
func Build(ctx context.Context, in Input) (*Review, error) {
	r := &reviewer{Input: in, secretive: verify.NewSecretive(), compared: map[string]bool{}, granted: map[Phrase]bool{}, review: &Review{
		Commit:    in.Commit,
		Deletions: []Phrase{}, Privileges: []Phrase{}, Secrets: []Phrase{}, Images: []Phrase{}, Projects: []Project{},
		Findings: in.Report.Findings,
	}}
	ids := map[string]bool{}
	for _, name := range in.Changed {
		switch id := verify.ProjectOf(name); {
		case id != "" && generator.CheckID(id) == nil:
			ids[id] = true
		case verify.IsPlatform(name):
			r.review.Settings = append(r.review.Settings, name)
		default:
			r.review.Others = append(r.review.Others, name)
		}
	}
	for _, list := range []*[]string{&r.review.Settings, &r.review.Others} {
		if more := len(*list) - maxNamed; more > 0 {
			*list = (*list)[:maxNamed]
			r.review.Unnamed += more
		}
	}
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if in.Report.Incomplete {
			break // as a finding says
		}
		if err := r.project(id); err != nil {
			return nil, fmt.Errorf("review project %s: %w", id, err)
		}
	}
	if err := r.platform(); err != nil {
		return nil, fmt.Errorf("review the platform: %w", err)
	}
	r.redact()
	return r.review, nil
}

// maxNamed files of a kind are named. A change that brings more is blocked by verify.
const maxNamed = 20_000

type reviewer struct {
	Input
	secretive verify.Secretive
	compared  map[string]bool // entries of the fleet
	granted   map[Phrase]bool // what is among the privileges
	review    *Review
}

// side is one project in one tree.
type side struct {
	tree    fs.FS
	plan    *generator.Plan // nil when there is no project, or none that can be planned
	objects map[string]built
	entries []string // of the fleet
	left    int64    // bytes of the platform's files that may be read yet
	notes   []Phrase
}

// missing says that there is no project.
func (s *side) missing() bool { return s.plan == nil && len(s.notes) == 0 }

// project reviews one project.
func (r *reviewer) project(id string) error {
	was, err := r.side(r.Base, r.Policy, id, "base")
	if err != nil {
		return err
	}
	is, err := r.side(r.Head, r.Settings, id, "change")
	if err != nil {
		return err
	}
	p := Project{ID: id, Action: "changed", Objects: []Object{}, Notes: append(was.notes, is.notes...)}
	switch {
	case was.missing() && !is.missing():
		p.Action = "created"
	case is.missing() && !was.missing():
		p.Action = "deleted"
	}
	if len(p.Notes) == 0 {
		r.objects(&p, was, is)
		for _, name := range append(was.entries, is.entries...) {
			r.compared[name] = true
		}
	}
	if err := r.secrets(id, was, is); err != nil {
		return err
	}
	r.review.Projects = append(r.review.Projects, p)
	return nil
}

// side plans and builds one project in one tree.
func (r *reviewer) side(tree fs.FS, settings *generator.Platform, id, which string) (*side, error) {
	s := &side{tree: tree, objects: map[string]built{}}
	doc, err := fs.ReadFile(tree, generator.ProjectPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	note := func(format string) {
		s.notes = append(s.notes, phrase(format, which))
	}
	if err != nil {
		note("the spec of the %s cannot be read, so objects are not compared")
		return s, nil //nolint:nilerr // a link or a submodule, which verify finds
	}
	spec, err := generator.ParseProject(generator.ProjectPath(id), doc)
	if err == nil {
		s.plan, err = r.Generator.Plan(settings, spec)
	}
	if err != nil {
		note("the spec of the %s is wrong, so objects are not compared")
		return s, nil //nolint:nilerr // verify finds it
	}
	safe, err := verify.Safe(tree, id)
	if err != nil {
		return nil, err
	}
	if !safe {
		note("the %s is not safe to build, so objects are not compared")
		return s, nil
	}
	if !s.build(id) {
		note("the %s does not build, so objects are not compared")
	}
	return s, nil
}
