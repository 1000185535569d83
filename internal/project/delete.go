package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
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

	environments []string // that were asked for; none means all
	overwrite    bool
}

// Namespace names one environment's namespace and the cluster that it is on.
type Namespace struct {
	Name    string `json:"name"`
	Cluster string `json:"cluster"`
}

// PlanDelete works out what deleting a project, or only the named environments of it, takes
// away.
func (s *Steps) PlanDelete(ctx context.Context, id string, environments []string, overwrite bool) (*Deletion, error) {
	tip, err := s.Repo.Tip(ctx, s.Branch)
	if err != nil {
		return nil, err
	}
	return s.planDelete(ctx, tip, id, environments, overwrite)
}

// Delete does what shown, of [Steps.PlanDelete], says, in one commit. Flux then deletes the
// Namespaces and what is in them. Files that berth did not write stay. When something else
// would go by now than was shown, nothing goes: that is an [ErrChanged].
func (s *Steps) Delete(ctx context.Context, shown *Deletion) (*Deletion, error) {
	id, environments := shown.Project, shown.environments
	var deletion *Deletion
	done, err := s.write(ctx, id, func(tip, _ fs.FS) (*gitrepo.Change, error) {
		var err error
		if deletion, err = s.planDelete(ctx, tip, id, environments, shown.overwrite); err != nil {
			return nil, err
		}
		if !reflect.DeepEqual(deletion.Files, shown.Files) {
			return nil, fmt.Errorf("%w: %s", ErrChanged, id)
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
	if err := prefetchProject(ctx, tip, id); err != nil {
		return nil, err
	}
	platform, err := s.platform(tip)
	if err != nil {
		return nil, err
	}
	deletion := &Deletion{Project: id, environments: environments, overwrite: overwrite}
	if len(environments) > 0 {
		err = planDeleteEnvironments(tip, platform, deletion, environments, overwrite)
	} else {
		err = planDeleteAll(tip, platform, deletion, overwrite)
	}
	if conflict, ok := errors.AsType[*ConflictError](err); ok {
		conflict.Deleting = true
	}
	if err != nil {
		return nil, err
	}
	deletion.Namespaces = namespaces(id, deletion.Files)
	return deletion, nil
}

// planDeleteAll takes away all that berth wrote for a project. It reads no spec: one that
// is broken, or gone, is no reason to keep the rest.
func planDeleteAll(tip fs.FS, platform *generator.Platform, deletion *Deletion, overwrite bool) error {
	owned, err := ownedEverywhere(tip, platform, deletion.Project)
	if err != nil {
		return err
	}
	owned = append(owned, generator.ProjectPath(deletion.Project))
	deletion.Files, deletion.Left, err = compare(tip, nil, owned, overwrite)
	if err != nil {
		return err
	}
	if len(deletion.Files) == 0 {
		return fmt.Errorf("%w: %s", ErrNoProject, deletion.Project)
	}
	return deletion.addComponents(tip)
}

// addComponents names what stays besides, in folders that are never berth's.
func (d *Deletion) addComponents(tip fs.FS) error {
	told := map[string]bool{}
	for _, f := range d.Files {
		told[f.Path] = true
	}
	for _, name := range d.Left {
		told[name] = true
	}
	found, err := walkFiles(tip, "projects/"+d.Project)
	for _, name := range found {
		if !told[name] {
			d.Left = append(d.Left, name)
		}
	}
	return err
}

// ownedEverywhere is what a project may own on the platform's clusters and on those that
// berth.yaml no longer names but that still have a folder.
func ownedEverywhere(tip fs.FS, platform *generator.Platform, id string) ([]string, error) {
	clusters, err := clustersEverywhere(tip, platform)
	return generator.Owned(&generator.Platform{Spec: generator.PlatformSpec{Clusters: clusters}}, id), err
}

func clustersEverywhere(tip fs.FS, platform *generator.Platform) ([]generator.Cluster, error) {
	clusters := slices.Clone(platform.Spec.Clusters)
	for _, folder := range []string{"tenants", "fleet"} {
		entries, err := fs.ReadDir(tip, folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			if !slices.ContainsFunc(clusters, func(c generator.Cluster) bool { return c.Name == e.Name() }) {
				clusters = append(clusters, generator.Cluster{Name: e.Name()})
			}
		}
	}
	return clusters, nil
}

// planDeleteEnvironments takes away what is there for the named environments alone. The
// files of the others stay as they are: they may be edited by hand, may be what another
// version rendered, or may wait for a token to be sealed again.
func planDeleteEnvironments(tip fs.FS, platform *generator.Platform, deletion *Deletion, names []string, overwrite bool) error {
	id := deletion.Project
	prior, project, err := committed(tip, id)
	if err != nil {
		return err
	}
	if project, err = without(project, id, names); err != nil {
		return err
	}
	plan, err := planOn(tip, platform, project)
	if err != nil {
		return err
	}
	doc, err := generator.MergeProject(generator.ProjectPath(id), prior, project)
	if err != nil {
		return err
	}
	clusters, err := clustersEverywhere(tip, platform)
	if err != nil {
		return err
	}
	files := map[string][]byte{generator.ProjectPath(id): doc}
	var owned []string
	for _, name := range names {
		owned = append(owned, "projects/"+id+"/overlays/"+name)
	}
	for _, c := range clusters {
		folder := "tenants/" + c.Name + "/" + id + "/"
		if !slices.ContainsFunc(plan.Targets, func(t generator.Target) bool { return t.Cluster == c.Name }) {
			owned = append(owned, folder, "fleet/"+c.Name+"/"+id+".yaml")
			continue
		}
		list := folder + "kustomization.yaml"
		shorter, err := shortened(tip, list, plan.Files[list], names)
		if err != nil {
			return err
		}
		files[list] = shorter
		for _, name := range names {
			owned = append(owned, folder+name+".yaml")
		}
	}
	deletion.Files, deletion.Left, err = compare(tip, files, owned, overwrite)
	return err
}

// shortened returns want, the rendered list of a platform half without the named
// environments, or nil when the list on tip names none of them. It must be that list but
// for these: files that only the spec speaks of are not there to be listed.
func shortened(tip fs.FS, list string, want []byte, names []string) ([]byte, error) {
	doc, err := readFile(tip, list)
	if err != nil {
		return nil, err
	}
	before := resources(doc)
	after := slices.DeleteFunc(slices.Clone(before), func(file string) bool {
		name, isYAML := strings.CutSuffix(file, ".yaml")
		return isYAML && slices.Contains(names, name)
	})
	if len(after) == len(before) {
		return nil, nil
	}
	wanted := resources(want)
	slices.Sort(after)
	slices.Sort(wanted)
	if !slices.Equal(after, wanted) {
		return nil, fmt.Errorf("%w: %s lists other files than the spec needs", ErrNotRendered, list)
	}
	return want, nil
}

// without takes environments from the committed spec of a project.
func without(p *generator.Project, id string, names []string) (*generator.Project, error) {
	if p == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoProject, id)
	}
	for _, name := range names {
		if !slices.ContainsFunc(p.Spec.Environments, func(e generator.Environment) bool { return e.Name == name }) {
			return nil, fmt.Errorf("%w: %s of project %s", ErrNoEnvironment, name, id)
		}
	}
	p.Spec.Environments = slices.DeleteFunc(p.Spec.Environments, func(e generator.Environment) bool {
		return slices.Contains(names, e.Name)
	})
	if len(p.Spec.Environments) == 0 {
		return nil, generator.Problems{p.Problem("spec.environments",
			fmt.Sprintf("run `berth delete project %s` to delete the whole project", id), "would be empty")}
	}
	return p, nil
}

// namespaces are those whose files go: what Flux then takes from the clusters, whatever
// the spec says.
func namespaces(id string, files []FileChange) []Namespace {
	found := []Namespace{}
	for _, f := range files {
		parts := strings.Split(f.Path, "/")
		if f.After != nil || len(parts) != 4 || parts[0] != "tenants" || parts[2] != id {
			continue
		}
		environment, isYAML := strings.CutSuffix(parts[3], ".yaml")
		if isYAML && environment != "kustomization" && !isSealed(f.Path) {
			found = append(found, Namespace{Name: generator.Namespace(id, environment), Cluster: parts[1]})
		}
	}
	return found
}
