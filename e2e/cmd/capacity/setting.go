package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/berth-gitops/berth/e2e/capacity"
	"github.com/berth-gitops/berth/e2e/stand"
)

// A setting is how one control plane is set up, and the sizes that it grows
// through.
type setting struct {
	disk      bool   // the controllers' /tmp is on disk, not in memory
	workers   int    // of kustomize-controller
	elsewhere int    // environments of another cluster in the same repository
	ignore    string // the GitRepository's spec.ignore
	sizes     []int
}

// settings are a line for the setting that docs/capacity.md recommends, which
// comes first, and points beside it for what else one may think of.
func settings() []setting {
	const (
		unread = "/*.yaml\n/clusters/\n/projects/*/project.yaml\n" // of the files that Flux does not need
		others = "/fleet/other/\n/tenants/other/\n"
	)
	return []setting{
		{workers: 4, sizes: []int{30, 100, 300}},
		{workers: 20, sizes: []int{100}},
		{workers: 4, disk: true, sizes: []int{30, 100}},
		{workers: 20, disk: true, sizes: []int{100}},
		{workers: 4, ignore: unread, sizes: []int{100}},
		{workers: 4, elsewhere: 200, sizes: []int{100}},
		{workers: 4, elsewhere: 200, ignore: unread + others, sizes: []int{100}},
	}
}

func (s setting) String() string {
	text := "memory"
	if s.disk {
		text = "disk"
	}
	text += fmt.Sprintf(", %d workers", s.workers)
	if s.elsewhere > 0 {
		text += fmt.Sprintf(", %d more on another cluster", s.elsewhere)
	}
	if s.ignore != "" {
		text += ", `ignore`"
	}
	return text
}

// measure starts a control plane, makes it grow, and reports what a change
// costs at each size.
func (s setting) measure(ctx context.Context, rounds int, r *report) error {
	fmt.Fprintf(os.Stderr, "► %s\n", s)
	plane, err := stand.Start(ctx, stand.Options{Log: os.Stderr, Concurrent: s.workers, Disk: s.disk})
	if err != nil {
		return err
	}
	defer plane.Stop(false)
	if err := s.prepare(ctx, plane); err != nil {
		return err
	}
	have := 0
	for _, size := range s.sizes {
		row, err := s.measureAt(ctx, plane, have, size, rounds)
		if err != nil {
			return fmt.Errorf("%s, %d environments: %w", s, size, err)
		}
		r.rows = append(r.rows, row)
		have = size
	}
	return nil
}

func (s setting) prepare(ctx context.Context, plane *stand.Stand) error {
	if err := plane.Init(ctx); err != nil {
		return err
	}
	if s.elsewhere > 0 {
		if err := capacity.Elsewhere(ctx, plane, s.elsewhere); err != nil {
			return err
		}
	}
	if s.ignore != "" {
		return capacity.Ignore(ctx, plane, s.ignore)
	}
	return nil
}

func (s setting) measureAt(ctx context.Context, plane *stand.Stand, have, size, rounds int) (row, error) {
	first, err := capacity.Grow(ctx, plane, have, size)
	if err != nil {
		return row{}, err
	}
	fmt.Fprintf(os.Stderr, "✔ %d environments, %d of them new, applied in %s\n", size, size-have, seconds(first))
	made := row{setting: s, size: size, added: size - have, first: first}
	for round := range rounds {
		c, err := capacity.Measure(ctx, plane, size, round, rounds)
		if err != nil {
			return row{}, err
		}
		if len(c.Disturbed) > 0 {
			return row{}, fmt.Errorf("a change to one project changed %d objects of others: %q", len(c.Disturbed), c.Disturbed)
		}
		fmt.Fprintf(os.Stderr, "✔ a change applied after %s, all looked at after %s\n", seconds(c.Applied), seconds(c.Quiet))
		made.changes = append(made.changes, c)
	}
	return made, nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
