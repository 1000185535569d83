package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-gitops/berth/e2e/components"
)

// checkTable compares a generated page of docs/ with the committed one, or
// writes it with -update.
func checkTable(t *testing.T, name, want string) {
	t.Helper()
	module, err := components.ModuleDir(t.Context())
	must(t, err)
	file := filepath.Join(module, "..", "docs", name)
	if *update {
		must(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	got, err := os.ReadFile(file)
	must(t, err)
	if string(got) != want {
		t.Errorf("docs/%s does not say what the tests have seen; run the test with -update and look at the difference. Want:\n%s", name, want)
	}
}
