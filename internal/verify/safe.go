package verify

import (
	"errors"
	"io/fs"

	"go.yaml.in/yaml/v3"
)

// Safe says whether a project's files in a tree can be built without harm: they stay
// inside the project, load no code and do not grow beyond measure.
func Safe(tree fs.FS, id string) (bool, error) {
	c := newChecker(Input{Head: tree})
	entries, err := c.projectFiles(id)
	if errors.Is(err, errCrowded) || err == nil && len(entries) > maxFiles {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if ok, err := c.readAll(&project{id: id, entries: entries}); err != nil || !ok {
		return false, err
	}
	for _, e := range entries {
		if f := c.files[e.path]; f != nil {
			c.checkKustomization(f)
		}
	}
	return buildable(c.report.Findings), nil
}

// Secretive looks for what must not be shown in texts: tokens and keys, also encoded or
// in parts.
type Secretive struct{ scan scanner }

// NewSecretive returns a Secretive.
func NewSecretive() Secretive { return Secretive{scanner{secretForms()}} }

// Holds says that a text, taken as YAML where it is, contains a secret.
func (s Secretive) Holds(text []byte) bool {
	if _, _, ok := s.scan.find(text, false); ok {
		return true
	}
	docs, bad := parseYAML(text)
	if bad != nil {
		return false
	}
	clean := map[*yaml.Node]bool{}
	for _, doc := range docs {
		for _, values := range valueLists(doc) {
			if _, _, ok := s.scan.findValues(values, clean); ok {
				return true
			}
		}
	}
	return false
}

// Grants lists in words what a workload's pods ask for beyond the pod security level
// baseline, and an Ingress or a Service by annotations that are not known to be
// harmless. o is the object as YAML has it.
func Grants(o map[string]any) []string {
	if spec, ok := podSpec(o); ok {
		return podFlaws(spec, "baseline")
	}
	var grants []string
	for _, name := range foreignAnnotations(o) {
		grants = append(grants, name+": "+object(o).text("metadata", "annotations", name))
	}
	return grants
}

// Images returns the images of a workload's containers by container; init containers
// have "init " in front.
func Images(o map[string]any) map[string]string {
	spec, ok := podSpec(o)
	if !ok {
		return nil
	}
	images := map[string]string{}
	for prefix, containers := range map[string][]object{"": list(spec["containers"]), "init ": list(spec["initContainers"])} {
		for _, c := range containers {
			images[prefix+c.text("name")] = c.text("image")
		}
	}
	return images
}

// Documents reads a built YAML stream into objects.
func Documents(stream []byte) ([]map[string]any, error) {
	all, err := objects(stream)
	out := make([]map[string]any, len(all))
	for i, o := range all {
		out[i] = o
	}
	return out, err
}

// Written reads a YAML file, as somebody wrote it, into objects; not plain when it has
// duplicate keys or aliases, or holds something else than objects.
func Written(doc []byte) (all []map[string]any, plain bool) {
	docs, grown, bad := readYAML(doc)
	if bad != nil || grown > 0 {
		return nil, false
	}
	for _, d := range docs {
		var o map[string]any
		if err := d.Decode(&o); err != nil {
			return nil, false
		}
		if o != nil {
			all = append(all, o)
		}
	}
	return all, true
}
