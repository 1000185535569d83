package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// finding is one line of `berth verify -o json`.
type finding struct{ Path, Kind, Why string }

type findingList []finding

// findings runs `berth verify` on the tip, compared with a commit before it.
func findings(t *testing.T, base string) findingList {
	t.Helper()
	result, err := fleet.Run(t.Context(), "", fleet.Berth, "verify", "--base", base, "--output", "json")
	must(t, err)
	var verified struct{ Findings findingList }
	if err := json.Unmarshal([]byte(result.Stdout), &verified); err != nil {
		t.Fatalf("berth verify: exit %d: %v\n%s%s", result.Code, err, result.Stdout, result.Stderr)
	}
	return verified.Findings
}

// of names the kinds of what was found in a project's folders.
func (l findingList) of(id string) string {
	var kinds []string
	for _, f := range l {
		if strings.Contains(f.Path, "/"+id+"/") && !slices.Contains(kinds, f.Kind) {
			kinds = append(kinds, f.Kind)
		}
	}
	if len(kinds) == 0 {
		return "silent"
	}
	slices.Sort(kinds)
	return strings.Join(kinds, ", ")
}
