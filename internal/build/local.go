package build

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
)

// maxDepth bounds how deep kustomizations may include each other.
const maxDepth = 16

// checkLocal walks the kustomizations reachable from dir and fails on every
// reference that is not a file or folder of fsys. Kustomize itself would try such
// a reference as a URL or clone it with git.
func checkLocal(fsys fs.FS, dir string) error {
	seen := map[string]bool{}
	var visit func(dir string, depth int) error
	visit = func(dir string, depth int) error {
		if seen[dir] {
			return nil
		}
		seen[dir] = true
		if depth > maxDepth {
			return fmt.Errorf("%s: kustomizations are nested more than %d deep", dir, maxDepth)
		}
		k, file, err := read(fsys, dir)
		if err != nil {
			return err
		}
		if len(k.HelmCharts) > 0 || len(k.HelmChartInflationGenerator) > 0 {
			return fmt.Errorf("%s: Helm charts are not built: they would be downloaded and run", file)
		}
		for _, ref := range references(fsys, dir, k) {
			target := path.Join(dir, ref)
			info, err := fs.Stat(fsys, target)
			if err != nil || Remote(ref) || strings.ContainsFunc(ref, unicode.IsControl) {
				return fmt.Errorf("%s: %q is not a file or folder of this repository", file, ref)
			}
			if info.IsDir() {
				if err := visit(target, depth+1); err != nil {
					return err
				}
			}
		}
		if len(k.Generators)+len(k.Transformers)+len(k.Validators) > 0 {
			return fmt.Errorf("%s: generators, transformers and validators are not built: what configures them may name addresses", file)
		}
		return nil
	}
	return visit(path.Clean(dir), 0)
}

// Remote says that Kustomize takes a reference for an address, whether or not there is a
// file or folder of that name.
func Remote(ref string) bool { return remoteForm.MatchString(strings.ToLower(ref)) } // as Kustomize folds case

// Inline says that an entry of patchesStrategicMerge in dir is YAML and no reference.
// Kustomize tries text that is no object as a file or an address, line breaks or not.
func Inline(fsys fs.FS, dir, text string) bool {
	return strings.Contains(text, "\n") && !addressForm.MatchString(strings.ToLower(text)) &&
		!readOnly{fsys}.Exists(path.Join("/", dir, text))
}

const address = `^git::|^(ssh|https?|file)://|^[a-z][a-z0-9-]*@|^github\.com[/:]`

var (
	addressForm = regexp.MustCompile(address)
	remoteForm  = regexp.MustCompile(address + `|://|^https?:|^[a-z0-9._-]+@[a-z0-9.-]+:|[?&](ref|version|submodules|timeout)=|^[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]+)?/.*//`)
)

// read returns the kustomization of dir and its path.
func read(fsys fs.FS, dir string) (*types.Kustomization, string, error) {
	for _, base := range konfig.RecognizedKustomizationFileNames() {
		file := path.Join(dir, base)
		doc, err := fs.ReadFile(fsys, file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, file, err
		}
		var k types.Kustomization
		if err := k.Unmarshal(doc); err != nil {
			return nil, file, fmt.Errorf("%s: %w", file, err)
		}
		return &k, file, nil
	}
	return nil, dir, fmt.Errorf("%s: no kustomization.yaml", dir)
}

// references lists what k, in dir, names outside itself: every field that Kustomize hands
// to its loader.
//
//nolint:staticcheck // Kustomize still loads what the deprecated fields name
func references(fsys fs.FS, dir string, k *types.Kustomization) []string {
	var refs []string
	add := func(entries ...string) {
		for _, e := range entries {
			if e != "" {
				refs = append(refs, e)
			}
		}
	}
	add(k.Resources...)
	add(k.Bases...)
	add(k.Components...)
	add(k.Crds...)
	add(k.Configurations...)
	add(k.Generators...)
	add(k.Transformers...)
	add(k.Validators...)
	add(k.OpenAPI["path"])
	for _, p := range k.PatchesStrategicMerge {
		if !Inline(fsys, dir, string(p)) {
			add(string(p))
		}
	}
	for _, p := range append(k.Patches, k.PatchesJson6902...) {
		add(p.Path)
	}
	for _, r := range k.Replacements {
		add(r.Path)
	}
	for _, g := range k.ConfigMapGenerator {
		add(sources(g.KvPairSources)...)
	}
	for _, g := range k.SecretGenerator {
		add(sources(g.KvPairSources)...)
	}
	return refs
}

// sources lists the files of a ConfigMap or Secret generator, without their keys.
func sources(s types.KvPairSources) []string {
	files := append([]string{s.EnvSource}, s.EnvSources...)
	for _, f := range s.FileSources {
		if _, file, found := strings.Cut(f, "="); found {
			f = file
		}
		files = append(files, f)
	}
	return files
}
