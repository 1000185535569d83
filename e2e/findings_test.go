package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// finding is one entry of `berth verify -o json`.
type finding struct{ File, Rule, Level string }

type findingList []finding

// findings are what `berth verify` blocks on the tip.
func findings(t *testing.T, args ...string) findingList {
	t.Helper()
	return findingsIn(t, fleet.GitURL(), args...).blocking()
}

// findingsIn are all, warnings too, in one repository.
func findingsIn(t *testing.T, repository string, args ...string) findingList {
	t.Helper()
	// As in CI: no berth key is at hand.
	args = append([]string{"XDG_CONFIG_HOME=" + t.TempDir(), fleet.Berth, "verify", "--repo", repository, "--output", "json"}, args...)
	result, err := fleet.Run(t.Context(), "", "env", args...)
	must(t, err)
	var report struct{ Findings findingList }
	if err := json.Unmarshal([]byte(result.Stdout), &report); err != nil {
		t.Fatalf("berth verify: exit %d: %v\n%s%s", result.Code, err, result.Stdout, result.Stderr)
	}
	if blocking := report.Findings.blocking(); (len(blocking) > 0) != (result.Code == 3) {
		t.Fatalf("berth verify: exit %d with %d blocking findings", result.Code, len(blocking))
	}
	return report.Findings
}

func (l findingList) blocking() findingList {
	return slices.DeleteFunc(slices.Clone(l), func(f finding) bool { return f.Level != "blocking" })
}

// of names the rules that a project's files break.
func (l findingList) of(id string) []string {
	return slices.DeleteFunc(slices.Clone(l), func(f finding) bool {
		return !strings.Contains(f.File, "/"+id+"/") && !strings.HasSuffix(f.File, "/"+id+".yaml")
	}).rules()
}

// rules names them once each. Every hand edit of a generated file also breaks
// the rule "edited", which says nothing about the attack.
func (l findingList) rules() []string {
	var rules []string
	for _, f := range l {
		if f.Rule != "edited" {
			rules = append(rules, f.Rule)
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}
