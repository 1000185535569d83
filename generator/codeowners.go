package generator

import (
	"fmt"
	"strings"
)

// CodeOwnersPath is where GitHub, GitLab and Gitea look for code owners.
const CodeOwnersPath = "CODEOWNERS"

// CodeOwners renders the file that asks the platform's owners, users or teams as the
// forge writes them, to review what only the platform may change. Projects' own folders
// are not among it.
func CodeOwners(owners []string) []byte {
	var b strings.Builder
	b.WriteString("# What lets projects run is the platform's; what runs, in projects/, is not.\n")
	for _, path := range []string{
		"/" + CodeOwnersPath, "/" + PlatformPath, "/.sops.yaml", "/clusters/", "/fleet/", "/tenants/", "/templates/",
		"/.github/", "/.gitlab-ci.yml", "/.gitea/", "/.forgejo/",
	} {
		fmt.Fprintf(&b, "%-17s %s\n", path, strings.Join(owners, " "))
	}
	return withHeader("berth init --code-owners", []byte(b.String()))
}
