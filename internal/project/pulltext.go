package project

import (
	"fmt"
	"strings"

	"github.com/berth-gitops/berth/gitrepo"
)

// pullText is the title and the Markdown body of a change's pull request: its commit
// message, which says in words what changes. Nothing in it comes from a secret.
func pullText(change *gitrepo.Change) (title, body string) {
	title, body, _ = strings.Cut(change.Message, "\n")
	body = strings.TrimSpace(body)
	return title, body + "\n\nThis branch is kept current by berth: it is planned again when its base moves. " +
		"Push nothing to it; change the project's spec or comment here instead.\n"
}

// message is the commit message of a result: the subject, and a list of what changes.
func (r *Result) message(subject string) string {
	var b strings.Builder
	b.WriteString(subject + "\n\n")
	for _, seal := range r.Seals {
		switch {
		case seal.Kept || seal.Environment == "":
		case seal.Generation == 1:
			fmt.Fprintf(&b, "- %s: %s's token for %s sealed\n", seal.Environment, code(seal.Username), code(seal.Registry))
		default:
			fmt.Fprintf(&b, "- %s: %s's token for %s replaced (generation %d)\n", seal.Environment, code(seal.Username), code(seal.Registry), seal.Generation)
		}
	}
	for _, f := range r.Files {
		if !isSealed(f.Path) {
			fmt.Fprintf(&b, "- %s %s\n", f.Action(), code(f.Path))
		}
	}
	return b.String()
}

// code quotes text for Markdown, so that a name cannot be a link or a mention.
func code(text string) string { return "`" + strings.ReplaceAll(text, "`", "'") + "`" }
