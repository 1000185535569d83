package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/berth-gitops/berth/internal/project"
)

func newVerifyCommand(g *globals) *cobra.Command {
	var base string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check every sealed file with public keys alone",
		Long: `Check that berth signed every sealed file of the branch, for exactly that path and with
exactly those bytes. No secret key is needed. With --base, the trusted keys are those of
that revision, and a file that is older than the one there is found, too.
` + exitCodes,
		Example: "  berth verify\n  berth verify --branch berth/shop --base main",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return g.verify(cmd.Context(), base) },
	}
	cmd.Flags().StringVar(&base, "base", "", "`revision` to compare with: a branch, tag or commit")
	return cmd
}

// verification is what -o json prints.
type verification struct {
	Checked  int               `json:"checked"`
	Findings []project.Finding `json:"findings"`
}

func (g *globals) verify(ctx context.Context, base string) error {
	steps, err := g.steps(ctx)
	if err != nil {
		return err
	}
	findings, checked, err := steps.Verify(ctx, base)
	if err != nil {
		return err
	}
	if g.output != "" {
		if err := g.ui.print(verification{checked, append([]project.Finding{}, findings...)}, g.output); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			fmt.Fprintf(g.ui.out, "%s: %s: %s\n", f.Path, f.Kind, f.Why)
		}
	}
	if len(findings) > 0 {
		g.ui.failed("%d of %d sealed files cannot be trusted", len(findings), checked)
		return errDifferent
	}
	g.ui.done("%d sealed files are as berth sealed them", checked)
	return nil
}
