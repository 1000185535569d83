package project

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/internal/verify"
	"github.com/berth-gitops/berth/sops"
)

// OwnerError says that a project belongs to somebody else. File is what says so where the
// project has no spec any more.
type OwnerError struct{ Project, Owner, Wanted, File string }

func (e *OwnerError) Error() string {
	if e.File != "" {
		return fmt.Sprintf("project %s has no project.yaml, and %s says that it belongs to %s, not to %s",
			e.Project, e.File, cmp.Or(e.Owner, "nobody"), e.Wanted)
	}
	return fmt.Sprintf("project %s belongs to %s, not to %s", e.Project, e.Owner, e.Wanted)
}

// checkRemains refuses to make a project anew over another owner's: its namespaces, and the
// volumes in them, are there as long as its files are.
func checkRemains(tip fs.FS, platform *generator.Platform, id, owner string) error {
	owned, err := ownedEverywhere(tip, platform, id)
	if err != nil {
		return err
	}
	for _, root := range owned {
		files, err := walkFiles(tip, root)
		if err != nil {
			return err
		}
		for _, name := range files {
			doc, err := readFile(tip, name)
			if errors.Is(err, gitrepo.ErrLink) {
				continue
			}
			if err != nil {
				return err
			}
			if other, says := ownerIn(name, doc); says && other != owner {
				return &OwnerError{Project: id, Owner: other, Wanted: owner, File: name}
			}
		}
	}
	return nil
}

// ownerIn returns the owner whom a sealed file or a Namespace names. A file of the platform
// half that cannot be read names nobody.
func ownerIn(name string, doc []byte) (owner string, says bool) {
	if isSealed(name) {
		info, err := sops.Inspect(doc)
		if err != nil || info.Owner == "" {
			return "", false
		}
		return info.Owner, true
	}
	if !strings.HasPrefix(name, "tenants/") || !isOwn(name, doc) {
		return "", false
	}
	objects, err := verify.Documents(doc)
	for _, o := range objects {
		if o["kind"] == "Namespace" {
			meta, _ := o["metadata"].(map[string]any)
			annotations, _ := meta["annotations"].(map[string]any)
			owner, _ := annotations[generator.AnnotationOwner].(string)
			return owner, true
		}
	}
	return "", err != nil
}
