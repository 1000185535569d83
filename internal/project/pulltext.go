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

// pullLabel is on every pull request of berth's; what it labels beyond that begins with
// it and a slash.
const pullLabel = "berth"

// pullLabels tell reviewers what kind of look a change needs.
func pullLabels(change *gitrepo.Change) []string {
	labels := []string{pullLabel}
	add := func(label string, is func(file string, content []byte) bool) {
		for file, content := range change.Files {
			if is(file, content) {
				labels = append(labels, pullLabel+"/"+label)
				return
			}
		}
	}
	add("secret", func(file string, content []byte) bool {
		return content != nil && isSealed(file)
	})
	add("delete", func(_ string, content []byte) bool { return content == nil })
	return labels
}

// message is the commit message of a result: the subject, and a list of what changes
// against the base, whatever this run found already proposed.
func (r *Result) message(subject string) string {
	seals := map[string]Seal{}
	for _, seal := range r.Seals {
		seals[seal.Path] = seal
	}
	var b strings.Builder
	b.WriteString(subject + "\n\n")
	for _, f := range r.Files {
		switch seal, ok := seals[f.Path]; {
		case !ok:
			fmt.Fprintf(&b, "- %s %s\n", f.Action(), code(f.Path))
		case seal.Environment == "":
			fmt.Fprintf(&b, "- %s the project key on cluster %s\n", f.Action(), code(seal.Cluster))
		default:
			fmt.Fprintf(&b, "- %s: seal %s's token for %s, generation %d\n", seal.Environment, code(seal.Username), code(seal.Registry), seal.Generation)
		}
	}
	return b.String()
}

// code quotes text for Markdown, so that a name cannot be a link or a mention.
func code(text string) string { return "`" + strings.ReplaceAll(text, "`", "'") + "`" }
