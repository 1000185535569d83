package verify

import (
	"io/fs"
	"path"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/berth-gitops/berth/internal/build"
)

// checkClusterFile looks at a file below clusters/ that is not berth's: at what Flux
// applies with all rights.
func (c *checker) checkClusterFile(f *file) {
	parts := strings.Split(f.path, "/")
	if parts[0] != "clusters" || isFluxProjects(f.path) && c.cluster(parts[1]) != nil {
		return
	}
	if len(parts) == 3 && c.cluster(parts[1]) != nil && isKustomization(f.path, nil) {
		if what := alters(f.docs); what != "" {
			c.addAt(Blocking, ruleClusterFile, f.path, 0, "%s", what)
			return
		}
	}
	if c.changed(f.path) {
		c.add(ruleClusterFile, f.path, 0, "is applied by Flux, and not looked at here")
	}
}

// fluxProjects is the file that makes a cluster ready.
const fluxProjects = "flux-projects.yaml"

// isFluxProjects says that a path is where the fluxProjects of a cluster stands.
func isFluxProjects(name string) bool {
	ok, _ := path.Match("clusters/*/"+fluxProjects, name)
	return ok
}

// isBeside says that a reference stays in its folder.
func isBeside(name string) bool {
	return fs.ValidPath(path.Clean(name)) && !build.Remote(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// alters says how a Kustomization could change the fluxProjects beside it, or "".
func alters(docs []*yaml.Node) string {
	lists := false
	for _, doc := range docs {
		if doc.Kind != yaml.MappingNode {
			return "is not a Kustomization"
		}
		for i := 0; i+1 < len(doc.Content); i += 2 {
			switch key := deref(doc.Content[i]); key.Value {
			case "apiVersion", "kind":
			case "resources":
				for _, n := range deref(doc.Content[i+1]).Content {
					name := text(n)
					if !isBeside(name) {
						return "lists " + clip(name) + ", which is not below this folder"
					}
					lists = lists || path.Clean(name) == fluxProjects
				}
			default:
				return "has the field " + clip(key.Value) + ", which may change " + fluxProjects
			}
		}
	}
	if !lists {
		return "leaves out " + fluxProjects
	}
	return ""
}
