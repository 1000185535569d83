package stand

import (
	"slices"
	"testing"
)

func TestChanged(t *testing.T) {
	before := Snapshot{"a/Secret/n/same": "1", "a/Secret/n/written": "1", "a/Secret/n/gone": "1"}
	after := Snapshot{"a/Secret/n/same": "1", "a/Secret/n/written": "2", "a/Secret/n/new": "3"}
	want := []string{"a/Secret/n/gone", "a/Secret/n/new", "a/Secret/n/written"}
	if got := before.Changed(after); !slices.Equal(got, want) {
		t.Errorf("changed are %q, want %q", got, want)
	}
	if got := before.Changed(before); len(got) != 0 {
		t.Errorf("nothing has changed, got %q", got)
	}
}
