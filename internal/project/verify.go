package project

import (
	"context"
	"errors"
	"io/fs"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/sops"
)

// Finding is one sealed file that cannot be trusted.
type Finding struct {
	Path string `json:"path"`
	Kind string `json:"kind"` // as in sops.TamperedError
	Why  string `json:"why"`
}

// Verify checks every sealed file of the branch with berth's public keys alone: that
// berth signed exactly these bytes for exactly this path. With base, a revision, also
// that no file is older than the one there. It returns how many it checked.
func (s *Steps) Verify(ctx context.Context, base string) ([]Finding, int, error) {
	tip, err := s.Repo.Tip(ctx, s.Branch)
	if err != nil {
		return nil, 0, err
	}
	if err := prefetch(ctx, tip, generator.PlatformPath, "projects/", "tenants/"); err != nil {
		return nil, 0, err
	}
	// The keys that count are the base's: a change must not bring its own.
	var old fs.FS
	judge := fs.FS(tip)
	if base != "" {
		if old, err = s.Repo.At(ctx, base); err != nil {
			return nil, 0, err
		}
		judge = old
	}
	platform, err := s.platform(judge)
	if err != nil {
		return nil, 0, err
	}
	trusted, err := s.trusted(platform)
	if err != nil {
		return nil, 0, err
	}
	files, err := sealedFiles(tip)
	if err != nil {
		return nil, 0, err
	}
	var findings []Finding
	for _, name := range files {
		finding, err := verifyFile(tip, old, name, trusted)
		if err != nil {
			return nil, 0, err
		}
		if finding != nil {
			findings = append(findings, *finding)
		}
	}
	return findings, len(files), nil
}

func verifyFile(tip, base fs.FS, name string, trusted []sops.PublicKey) (*Finding, error) {
	data, err := fs.ReadFile(tip, name)
	if err != nil {
		return nil, err
	}
	var before []byte
	if base != nil {
		if before, err = readFile(base, name); err != nil {
			return nil, err
		}
	}
	_, err = sops.Verify(name, data, trusted, before)
	if err == nil {
		return nil, nil
	}
	finding := &Finding{Path: name, Kind: "unknown", Why: err.Error()}
	if tampered, ok := errors.AsType[*sops.TamperedError](err); ok {
		finding.Kind, finding.Why = string(tampered.Kind), tampered.Detail
	}
	return finding, nil
}

// sealedFiles lists every sealed file of the two trees that hold them.
func sealedFiles(tip fs.FS) ([]string, error) {
	var sealed []string
	for _, root := range []string{"projects", "tenants"} {
		files, err := walkFiles(tip, root)
		if err != nil {
			return nil, err
		}
		for _, name := range files {
			if isSealed(name) {
				sealed = append(sealed, name)
			}
		}
	}
	return sealed, nil
}
