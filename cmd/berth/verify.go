package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-gitops/berth/internal/verify"
	"github.com/berth-gitops/berth/sops"
)

func newVerifyCommand(g *globals) *cobra.Command {
	var base, head, ageKeyFile string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check the repository, or a change to it, with public keys alone",
		Long: `Check that berth sealed every sealed file for exactly that path, that no secret stands in
plain text, that no project leaves its own folder, namespaces and rights, that generated
files say what their spec says, and that everything builds. No secret key is needed; what
is read is never run. docs/rules.md explains every rule.

With --base only what differs from that revision is looked at, and what counts (public
keys, recipients, settings) is taken from there. With --age-key-file sealed files are
opened as well, and their MAC and content checked.
` + exitCodes,
		Example: "  berth verify\n  berth verify --branch berth/shop --base main",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := givenWhole(cmd.Flags(), "base", "head"); err != nil {
				return err
			}
			return g.verify(cmd.Context(), base, head, ageKeyFile)
		},
	}
	cmd.Flags().StringVar(&base, "base", "", "`revision` to compare with: a branch, tag or commit")
	cmd.Flags().StringVar(&head, "head", "", "`revision` to check (default the tip of --branch)")
	cmd.Flags().StringVar(&ageKeyFile, "age-key-file", "", "age identity `file` with the platform key, to open sealed files with")
	return cmd
}

func (g *globals) verify(ctx context.Context, base, head, ageKeyFile string) error {
	identities, err := readIdentities(ageKeyFile)
	if err != nil {
		return err
	}
	steps, err := g.steps(ctx)
	if err != nil {
		return err
	}
	report, err := steps.Verify(ctx, base, head, identities)
	if err != nil {
		return err
	}
	if g.output != "" {
		if err := g.ui.print(report, g.output); err != nil {
			return err
		}
	} else {
		if _, err := fmt.Fprint(g.ui.out, findingsText(report.Findings)); err != nil {
			return err
		}
	}
	return g.concludeFindings(report)
}

// readIdentities reads an age identity file, if one is named.
func readIdentities(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err == nil {
		_, err = sops.RecipientsOf(string(text))
	}
	if err != nil {
		return "", usagef("--age-key-file: %w", reason(err))
	}
	return string(text), nil
}

// concludeFindings tells what a report comes to and sets the exit status.
func (g *globals) concludeFindings(r *verify.Report) error {
	looked := fmt.Sprintf("%s and %s", count(len(r.Projects), "project"), count(r.Sealed, "sealed file"))
	warnings := ""
	if n := len(r.Findings) - r.Blocked(); n > 0 {
		warnings = ", " + count(n, "warning")
	}
	if n := r.Blocked(); n > 0 {
		g.ui.failed("%s%s in %s", count(n, "blocking finding"), warnings, looked)
		return errDifferent
	}
	g.ui.done("nothing blocking%s in %s", warnings, looked)
	return nil
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return strconv.Itoa(n) + " " + what
}

// findingsText words findings for a terminal: where, which rule, what was seen, and
// what to do.
func findingsText(findings []verify.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		b.WriteString(findingText(f))
	}
	return b.String()
}

func findingText(f verify.Finding) string {
	place := verify.Printable(f.File)
	if f.Line > 0 {
		place += ":" + strconv.Itoa(f.Line)
	}
	rule := f.Rule
	if f.Level == verify.Warning {
		rule = "warning: " + rule
	}
	return fmt.Sprintf("%s: %s: %s\n    why: %s\n    mend: %s\n", place, rule, f.What, f.Why, f.Mend)
}
