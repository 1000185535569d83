package main

import (
	"testing"

	"github.com/berth-gitops/berth/internal/project"
)

// TestDiffHarmsNoTerminal: what somebody committed cannot clear the screen, go back over a
// line or turn its order around.
func TestDiffHarmsNoTerminal(t *testing.T) {
	for name, test := range map[string]struct {
		change project.FileChange
		want   string
	}{
		"content": {
			project.FileChange{Path: "a.yaml", Before: []byte("# \x1b[2Jgone\rback\na: é\tb\n"), After: []byte("a: x\u202Ey\n")},
			"diff a/a.yaml b/a.yaml\n--- a/a.yaml\n+++ b/a.yaml\n@@ -1,2 +1,1 @@\n-# �[2Jgone�back\n-a: é b\n+a: x�y\n",
		},
		"a name": {
			project.FileChange{Path: "\x1b[2J.sops.yaml", Before: []byte("x")},
			"diff a/�[2J.sops.yaml /dev/null\n--- a/�[2J.sops.yaml\n+++ /dev/null\n-(not a sealed file)\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := fileDiff(test.change); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
