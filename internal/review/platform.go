package review

import (
	"errors"
	"io/fs"
	"maps"
	"math"
	"path"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/internal/verify"
)

// maxPlatform is how many bytes of the platform's files a change may bring that are
// looked at.
const maxPlatform = 10 << 20

// platform compares the objects in the files that Flux applies as they are: those of the
// clusters, and entries of the fleet that belong to no project that could be compared.
func (r *reviewer) platform() error {
	p := Project{Action: "changed", Objects: []Object{}}
	was := &side{tree: r.Base, objects: map[string]built{}, left: math.MaxInt64}
	is := &side{tree: r.Head, objects: map[string]built{}, left: maxPlatform}
	found := false
	for _, name := range r.Changed {
		cluster := appliedOn(name)
		if cluster == "" || r.compared[name] {
			continue
		}
		found = true
		before, plain, err := was.objectsOf(name, cluster)
		if err != nil {
			return err
		}
		after, alsoPlain, err := is.objectsOf(name, cluster)
		if err != nil {
			return err
		}
		if !plain || !alsoPlain {
			p.Notes = append(p.Notes, phrase("%s is not plain YAML, or too large with the others, so its objects are not compared", name))
			continue
		}
		maps.Copy(was.objects, before)
		maps.Copy(is.objects, after)
	}
	if found {
		r.objects(&p, was, is)
		r.review.Platform = &p
	}
	return nil
}

// appliedOn is the cluster that a file's objects are applied on as they are, or "".
func appliedOn(name string) string {
	parts := strings.Split(name, "/")
	entry, _ := path.Match("fleet/*/*.yaml", name)
	if entry || len(parts) > 2 && parts[0] == "clusters" && verify.IsPlatform(name) {
		return parts[1]
	}
	return ""
}

// objectsOf reads the objects of a file; plain says that it could be read.
func (s *side) objectsOf(name, cluster string) (objects map[string]built, plain bool, err error) {
	info, err := fs.Lstat(s.tree, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, true, nil
	}
	if err != nil || !info.Mode().IsRegular() || info.Size() > min(s.left, maxFile) {
		return nil, false, nil //nolint:nilerr // what is there is for verify to say
	}
	s.left -= info.Size()
	doc, err := fs.ReadFile(s.tree, name)
	if err != nil {
		return nil, false, err
	}
	all, plain := verify.Written(doc)
	return keyed(all, cluster, ""), plain, nil
}

// isFlux says that an object is a Flux Kustomization.
func (b built) isFlux() bool {
	version, _ := b.data["apiVersion"].(string)
	return b.kind == "Kustomization" && strings.HasPrefix(version, "kustomize.toolkit.fluxcd.io/")
}

// pruning forecasts what goes with a Flux Kustomization.
func pruning(b built) Phrase {
	spec, _ := b.data["spec"].(map[string]any)
	if spec["prune"] != true || spec["deletionPolicy"] == "Orphan" {
		return phrase("%s on %s; what it applied stays as it is", b.label(), b.cluster)
	}
	return phrase("%s on %s and everything that it applied", b.label(), b.cluster)
}

// place is the object and, where others have the same, its cluster.
func (b built) place() Phrase {
	if b.namespace == "" || b.namespace == generator.PlatformNamespace {
		return phrase("%s on %s", b.label(), b.cluster)
	}
	return phrase("%s", b.label())
}
