package verify

import (
	"context"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/berth-gitops/berth/generator"
)

// project is one project of Head while it is looked at.
type project struct {
	id      string
	entries []entry
	plan    *generator.Plan // nil when the spec is wrong
	was     *generator.Plan // of Base; nil when there was none
}

func (p *project) specPath() string { return generator.ProjectPath(p.id) }

// namespaces are those of the project's environments.
func (p *project) namespaces() []string {
	var names []string
	for _, t := range p.plan.Targets {
		names = append(names, t.Namespace)
	}
	return names
}

// checkProject looks at everything of one project.
func (c *checker) checkProject(ctx context.Context, id string, entries []entry) error {
	if len(entries) == 0 {
		return nil // deleted
	}
	c.report.Projects = append(c.report.Projects, id)
	p := &project{id: id, entries: entries}
	if len(entries) > maxFiles {
		c.add(ruleTooLarge, entries[0].path, 0, "project %q has %d files", clip(id), len(entries))
		return nil
	}
	defer func() { // one project at a time is held in memory
		for _, e := range entries {
			delete(c.files, e.path)
		}
	}()
	c.grown = 0
	before := len(c.report.Findings)
	if ok, err := c.readAll(p); err != nil || !ok {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f := c.files[e.path]; f != nil {
			c.checkSource(f)
		}
	}
	if err := c.checkSpec(p); err != nil || p.plan == nil {
		return err
	}
	c.checkNamespaces(p)
	if err := c.checkRendered(p.plan.Files, planFiles(p.was)); err != nil {
		return err
	}
	c.checkStrays(p)
	infos, err := c.checkSealed(p)
	if err != nil {
		return err
	}
	c.checkLists(p)
	if buildable(c.report.Findings[before:]) {
		c.checkBuilt(p, infos)
	}
	return nil
}

// readAll reads a project's files; not ok when they are too much.
func (c *checker) readAll(p *project) (ok bool, err error) {
	size := 0
	for _, e := range p.entries {
		c.checkName(e.path)
		f, err := c.read(e)
		if err != nil || c.report.Incomplete {
			return false, err
		}
		if f != nil {
			size += len(f.data)
		}
		if size > maxProjectSize {
			c.add(ruleTooLarge, e.path, 0, "project %q has more than 10 MiB", clip(p.id))
			return false, nil
		}
	}
	return true, nil
}

func planFiles(p *generator.Plan) map[string][]byte {
	if p == nil {
		return nil
	}
	return p.Files
}

// buildable says that nothing was found that a build should not be tried with.
func buildable(findings []Finding) bool {
	return !slices.ContainsFunc(findings, func(f Finding) bool {
		return slices.Contains([]string{
			ruleEscape, ruleRemote, rulePlugin, ruleSecretGenerator, ruleSealedReference,
			ruleSymlink, ruleModule, ruleYAML, ruleYAMLBomb, ruleTooLarge,
		}, f.Rule)
	})
}

// checkSpec reads the project's spec and plans it.
func (c *checker) checkSpec(p *project) error {
	if err := generator.CheckID(p.id); err != nil {
		return c.problems(ruleSpec, p.entries[0].path, err)
	}
	f := c.files[p.specPath()]
	if f == nil {
		left := c.isLeftover(p)
		for _, e := range p.entries {
			if left {
				c.add(ruleLeftover, e.path, 0, "project %s has no %s, and this is no file of berth's", p.id, p.specPath())
			} else if strings.HasPrefix(e.path, "projects/") {
				c.add(ruleSpec, p.specPath(), 0, "is not there, but other files of the project are")
			} else {
				c.add(ruleOrphan, e.path, 0, "project %s has no %s", p.id, p.specPath())
			}
		}
		return nil
	}
	spec, err := generator.ParseProject(p.specPath(), f.data)
	if err != nil {
		return c.problems(ruleSpec, p.specPath(), err)
	}
	if p.plan, err = c.Generator.Plan(c.settings, spec); err != nil {
		return c.problems(ruleSpec, p.specPath(), err)
	}
	doc, err := c.base(p.specPath())
	if err != nil || doc == nil {
		return err
	}
	if was, err := generator.ParseProject(p.specPath(), doc); err == nil { // a wrong base proves nothing
		p.was, _ = c.Generator.Plan(c.Policy, was)
		if was.Spec.Owner != spec.Spec.Owner {
			c.add(ruleOwnerChanged, p.specPath(), 0, "the owner was %q and is %q", clip(was.Spec.Owner), clip(spec.Spec.Owner))
		}
	}
	return nil
}

// isLeftover says that a project without a spec has nothing either that berth writes or Flux
// looks for: what `berth delete project` leaves.
func (c *checker) isLeftover(p *project) bool {
	folder := "projects/" + p.id + "/"
	return !slices.ContainsFunc(p.entries, func(e entry) bool {
		inside, ours := strings.CutPrefix(e.path, folder)
		f := c.files[e.path]
		switch {
		case !ours, inside == "project.yaml", isSealedPath(e.path):
			return true
		case strings.HasPrefix(inside, "components/"):
			return false
		}
		overlay := strings.HasPrefix(inside, "overlays/") && strings.Count(inside, "/") == 2
		return f != nil && isGenerated(f.data) || overlay && isKustomization(e.path, nil)
	})
}

// checkNamespaces finds objects and Kustomizations that name another namespace than
// the project's: Flux moves the objects without a word.
func (c *checker) checkNamespaces(p *project) {
	own := p.namespaces()
	for _, e := range p.entries {
		f := c.files[e.path]
		if f == nil || !strings.HasPrefix(e.path, "projects/") || isSealedPath(e.path) {
			continue
		}
		for _, doc := range f.docs {
			look := visitPlain // a ConfigMap's texts are the application's own business
			if isKustomization(e.path, doc) {
				look = visit
			}
			look(doc, func(n *yaml.Node) {
				if n.Kind != yaml.MappingNode || text(field(n, "kind")) == "" {
					return
				}
				name := field(field(n, "metadata"), "namespace")
				if isKustomization("", n) {
					name = field(n, "namespace")
				}
				if ns := text(name); ns != "" && !slices.Contains(own, ns) {
					c.add(ruleNamespace, e.path, max(n.Line, name.Line), "names the namespace %q", clip(ns))
				}
			})
		}
	}
}

// checkStrays finds files that neither the spec nor the project's user accounts for.
func (c *checker) checkStrays(p *project) {
	wanted := map[string]bool{p.specPath(): true}
	for name := range p.plan.Files {
		wanted[name] = true
	}
	for _, k := range p.plan.Keys {
		wanted[k.Path] = true
	}
	for _, s := range p.plan.Secrets {
		wanted[s.Path] = true
	}
	components := "projects/" + p.id + "/components/"
	for _, e := range p.entries {
		switch {
		case wanted[e.path] || strings.HasPrefix(e.path, components):
		case strings.HasPrefix(e.path, "fleet/"):
			c.add(ruleOrphan, e.path, 0, "project %s is not on that cluster", p.id)
		case strings.HasPrefix(e.path, "tenants/"):
			if f := c.files[e.path]; f != nil && isGenerated(f.data) || isSealedPath(e.path) {
				c.add(ruleOrphan, e.path, 0, "the spec of project %s does not ask for it", p.id)
			} else {
				c.add(ruleStray, e.path, 0, "is not a file that berth writes")
			}
		default:
			c.warn(ruleStray, e.path, "is not a file that the spec of project %s asks for", p.id)
		}
	}
}

func isGenerated(doc []byte) bool {
	generated, _ := generator.Generated(doc)
	return generated
}

// cluster returns the cluster of that name in the settings of Head, or nil.
func (c *checker) cluster(name string) *generator.Cluster {
	return clusterOf(c.settings, name)
}

func clusterOf(p *generator.Platform, name string) *generator.Cluster {
	for i := range p.Spec.Clusters {
		if p.Spec.Clusters[i].Name == name {
			return &p.Spec.Clusters[i]
		}
	}
	return nil
}

// tenantFolder is the folder of a target's platform half.
func tenantFolder(t generator.Target) string { return path.Dir(t.Tenant) }
