package generator

import (
	"regexp"
	"strings"
	"testing"
)

// TestCodeOwnersOnGitea reads the file as Gitea and Forgejo do, which take a
// pattern for a regular expression over the whole path: Gitea since 1.26
// without its leading slash, those before with it.
func TestCodeOwnersOnGitea(t *testing.T) {
	asked := map[string]bool{
		"CODEOWNERS":                            true,
		"berth.yaml":                            true,
		".sops.yaml":                            true,
		"clusters/home/flux-projects.yaml":      true,
		"fleet/home/shop.yaml":                  true,
		"tenants/home/shop/production.yaml":     true,
		"templates/own/kustomization.yaml":      true,
		".github/workflows/berth.yaml":          true,
		".gitlab-ci.yml":                        true,
		".gitea/workflows/berth.yaml":           true,
		".forgejo/workflows/berth.yaml":         true,
		"projects/shop/project.yaml":            false,
		"projects/shop/components/x/fleet/a.md": false,
		"README.md":                             false,
	}
	for forge, strip := range map[string]string{"Gitea 1.26": "/", "Forgejo": ""} {
		owned := func(path string) bool {
			for line := range strings.Lines(string(CodeOwners([]string{"@acme/platform"}))) {
				pattern, owners, _ := strings.Cut(line, " ")
				if strings.TrimSpace(owners) == "@acme/platform" && regexp.MustCompile("^"+strings.TrimPrefix(pattern, strip)+"$").MatchString(path) {
					return true
				}
			}
			return false
		}
		for path, want := range asked {
			if got := owned(path); got != want {
				t.Errorf("%s: the owners of %s are asked: %v, want %v", forge, path, got, want)
			}
		}
	}
}
