package generator

import (
	"fmt"
	"strings"
)

// CodeOwnersPath is where GitHub, GitLab and Gitea look for code owners.
const CodeOwnersPath = "CODEOWNERS"

// CodeOwners renders the file that asks the platform's owners, users or teams as the
// forge writes them, to review what only the platform may change. Projects' own folders
// are not among it. A folder is there twice: GitHub and GitLab read patterns as gitignore
// does, while for Gitea and Forgejo they are regular expressions over a file's whole path.
func CodeOwners(owners []string) []byte {
	patterns := []string{CodeOwnersPath, PlatformPath, ".sops.yaml", ".gitlab-ci.yml"}
	for _, folder := range []string{"clusters/", "fleet/", "tenants/", "templates/", ".github/", ".gitea/", ".forgejo/"} {
		patterns = append(patterns, "/"+folder, folder+".*")
	}
	var b strings.Builder
	b.WriteString("# What lets projects run is the platform's; what runs, in projects/, is not.\n")
	for _, pattern := range patterns {
		fmt.Fprintf(&b, "%-15s %s\n", pattern, strings.Join(owners, " "))
	}
	return withHeader("berth init --code-owners", []byte(b.String()))
}
