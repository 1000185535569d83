package e2e

import (
	"testing"
	"time"

	"github.com/berth-gitops/berth/e2e/capacity"
)

// Proof 8, small: with thirty environments a change to one project leaves every
// object of the others as it is. cmd/capacity does the same with three hundred
// and measures; docs/capacity.md has the figures.
func TestScale(t *testing.T) {
	const size = 30
	var projects []project
	for i := range capacity.Projects(size) {
		projects = append(projects, project{id: capacity.ID(i)})
	}
	t.Cleanup(func() { removeAll(t, projects) })
	first, err := capacity.Grow(t.Context(), fleet, 0, size)
	must(t, err)
	change, err := capacity.Measure(t.Context(), fleet, size, 0, 1)
	must(t, err)
	t.Logf("%d environments: all applied after %v; a change of one after %v, all looked at after %v",
		size, first.Round(time.Millisecond), change.Applied.Round(time.Millisecond), change.Quiet.Round(time.Millisecond))
	for _, object := range change.Disturbed {
		t.Errorf("%s changed, although it is another project's", object)
	}
}
