package verify

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/berth-gitops/berth/internal/build"
)

// plainFields are the fields of a Kustomization that neither load code nor leave the
// repository. Names are matched exactly: Kustomize itself also takes other spellings.
func plainFields() []string {
	return []string{
		"apiVersion", "kind", "metadata", "resources", "components", "bases", "namespace", "namePrefix", "nameSuffix",
		"commonLabels", "labels", "commonAnnotations", "images", "replicas", "patches", "patchesStrategicMerge",
		"patchesJson6902", "replacements", "configMapGenerator", "generatorOptions", "buildMetadata", "sortOptions",
	}
}

// itemFields are the fields of what a list in a Kustomization holds, for the lists that
// load files; nil for any other.
func itemFields(list string) []string {
	switch list {
	case "patches", "patchesJson6902":
		return []string{"path", "patch", "target", "options"}
	case "replacements":
		return []string{"path", "source", "sourceValue", "targets"}
	case "configMapGenerator":
		return []string{"name", "namespace", "behavior", "files", "envs", "env", "literals", "options"}
	}
	return nil
}

// isKustomization says that Kustomize takes a file, or a document, for one of its own.
func isKustomization(name string, doc *yaml.Node) bool {
	return slices.Contains([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}, path.Base(name)) ||
		strings.HasPrefix(text(field(doc, "apiVersion")), "kustomize.config.k8s.io/")
}

// homeOf is the folder that a Kustomization may not leave, or "" for one that is not
// berth's business.
func homeOf(name string) string {
	parts := strings.Split(name, "/")
	switch {
	case len(parts) > 2 && (parts[0] == "projects" || parts[0] == "templates"):
		return parts[0] + "/" + parts[1]
	case len(parts) > 3 && parts[0] == "tenants":
		return strings.Join(parts[:3], "/")
	}
	return ""
}

// checkKustomization looks at what a Kustomization loads.
func (c *checker) checkKustomization(f *file) {
	home := homeOf(f.path)
	if home == "" {
		return
	}
	for _, doc := range f.docs {
		if doc.Kind != yaml.MappingNode || !isKustomization(f.path, doc) {
			continue
		}
		for i := 0; i+1 < len(doc.Content); i += 2 {
			key := deref(doc.Content[i])
			switch {
			case key.Value == "secretGenerator":
				c.add(ruleSecretGenerator, f.path, key.Line, "makes Secrets with secretGenerator")
			case key.Tag == "!!merge":
				c.add(ruleYAML, f.path, key.Line, "takes fields of a Kustomization from a merge key")
			case !slices.Contains(plainFields(), key.Value):
				c.add(rulePlugin, f.path, key.Line, "uses the field %q", clip(key.Value))
			}
			value := deref(doc.Content[i+1])
			c.checkItems(f.path, key.Value, value)
			for _, r := range references(key.Value, value) {
				c.checkReference(f.path, home, r)
			}
		}
	}
}

// checkItems looks at the items of a list that loads files: that none hides a file in
// another spelling of a field, and that patches written as text are plain YAML.
func (c *checker) checkItems(file, list string, value *yaml.Node) {
	if value.Kind != yaml.SequenceNode {
		return
	}
	for _, item := range value.Content {
		item = deref(item)
		patch := field(item, "patch")
		if list == "patchesStrategicMerge" {
			patch = item
		}
		if strings.HasPrefix(list, "patches") && strings.Contains(text(patch), "\n") {
			if _, bad := parseYAML([]byte(patch.Value)); bad != nil {
				c.add(bad.rule, file, patch.Line, "a patch %s", bad.what)
			}
		}
		fields := itemFields(list)
		for i := 0; fields != nil && item.Kind == yaml.MappingNode && i < len(item.Content); i += 2 {
			if key := deref(item.Content[i]); !slices.Contains(fields, key.Value) {
				c.add(rulePlugin, file, key.Line, "uses the field %q of %s", clip(key.Value), list)
			}
		}
	}
}

// reference is a file or folder that a Kustomization names.
type reference struct {
	field, to string
	line      int
}

// references returns what one field names.
func references(name string, value *yaml.Node) []reference {
	var refs []reference
	add := func(n *yaml.Node) {
		if to := text(n); to != "" {
			refs = append(refs, reference{name, to, deref(n).Line})
		}
	}
	each := func(n *yaml.Node, do func(*yaml.Node)) {
		if n = deref(n); n != nil && n.Kind == yaml.SequenceNode {
			for _, item := range n.Content {
				do(item)
			}
		}
	}
	switch name {
	case "resources", "components", "bases", "crds", "configurations", "generators", "transformers", "validators", "patchesStrategicMerge":
		each(value, add)
	case "patches", "patchesJson6902", "replacements":
		each(value, func(item *yaml.Node) { add(field(item, "path")) })
	case "openapi":
		add(field(value, "path"))
	case "configMapGenerator", "secretGenerator":
		each(value, func(g *yaml.Node) {
			for _, list := range []string{"files", "envs"} {
				each(field(g, list), func(n *yaml.Node) {
					n = deref(n)
					if _, after, ok := strings.Cut(n.Value, "="); ok && list == "files" {
						n = &yaml.Node{Kind: n.Kind, Value: after, Line: n.Line}
					}
					add(n)
				})
			}
			add(field(g, "env"))
		})
	}
	return refs
}

// checkReference judges one reference of a Kustomization.
func (c *checker) checkReference(file, home string, r reference) {
	target := path.Join(path.Dir(file), r.to)
	switch {
	case r.field == "patchesStrategicMerge" && build.Inline(c.Head, path.Dir(file), r.to):
	case build.Remote(r.to) || c.looksHosted(file, r.to):
		c.add(ruleRemote, file, r.line, "%s: names %q", r.field, clip(r.to))
	case path.IsAbs(r.to), strings.Contains(r.to, `\`), target != home && !strings.HasPrefix(target, home+"/"):
		c.add(ruleEscape, file, r.line, "%s: %q is outside of %s", r.field, clip(r.to), home)
	case strings.Contains(path.Base(target), ".sops.") && (r.field != "resources" || path.Dir(target) != path.Dir(file)):
		c.add(ruleSealedReference, file, r.line, "%s: names the sealed file %q", r.field, clip(r.to))
	case strings.ContainsFunc(r.to, unicode.IsControl):
		c.add(ruleEscape, file, r.line, "%s: %q has a control character", r.field, clip(r.to))
	case leftOut(target):
		c.add(ruleHidden, file, r.line, "%s: %q is a name that Flux leaves out", r.field, clip(r.to))
	case r.field != "configMapGenerator" && c.files[target] != nil:
		c.mustBeYAML(c.files[target])
	}
}

// leftOut says that source-controller leaves a file or folder out by its name, wherever
// it stands (fluxcd.io/flux/components/source/gitrepositories, default exclusions).
func leftOut(name string) bool { return leftOutForm.MatchString(name) }

var leftOutForm = regexp.MustCompile(`(^|/)([^/]*\.(jpe?g|gif|png|wmv|flv|tar\.gz|zip)|\.git(ignore|modules|attributes|hub)?|\.circleci|\.(travis|gitlab-ci|drone)\.yml|` +
	`appveyor\.yml|cloudbuild\.yaml|codeship-(services|steps)\.yml|\.goreleaser\.yml|\.(sops|flux)\.yaml)(/|$)`)

var hostForm = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}/`)

// looksHosted says that a reference begins with a host name and that there is no such
// folder here, so that Kustomize would clone it.
func (c *checker) looksHosted(file, to string) bool {
	if !hostForm.MatchString(to) {
		return false
	}
	_, err := lstat(c.Head, path.Join(path.Dir(file), to))
	return isMissing(err)
}
