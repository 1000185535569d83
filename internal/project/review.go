package project

import (
	"context"
	"io/fs"
	"slices"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/internal/review"
)

// Review tells what a change does, and judges it as Verify does. base and head are
// revisions; an empty head is the branch's tip.
func (s *Steps) Review(ctx context.Context, base, head string) (*review.Review, error) {
	c, err := s.Compare(ctx, base, head)
	if err != nil {
		return nil, err
	}
	report, err := s.judge(ctx, c, "")
	if err != nil {
		return nil, err
	}
	policy, err := readPlatform(c.Tip)
	if err != nil {
		return nil, err
	}
	settings := policy
	if slices.Contains(c.Changed, generator.PlatformPath) {
		if doc, err := fs.ReadFile(c.Head, generator.PlatformPath); err == nil {
			if p, err := generator.ParsePlatform(generator.PlatformPath, doc); err == nil {
				settings = p
			}
		}
	}
	return review.Build(ctx, review.Input{
		Base: c.Base, Head: c.Head, Commit: c.Head.Commit().String(), Changed: c.Changed,
		Policy: policy, Settings: settings, Generator: newGenerator(), Report: report,
	})
}
