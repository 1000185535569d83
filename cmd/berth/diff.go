package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/berth-gitops/berth/internal/project"
	"github.com/berth-gitops/berth/internal/verify"
	"github.com/berth-gitops/berth/sops"
)

func newDiffCommand(g *globals) *cobra.Command {
	o := specOptions{in: g.in, ui: g.ui}
	cmd := &cobra.Command{
		Use:   "diff [NAME]",
		Short: "Show what create project would change",
		Long: `Show what berth create project would change with the same flags, and write nothing.
Secrets are told by generation and fingerprint only.
` + exitCodes,
		Example: `  berth diff -f shop.yaml
  berth diff shop --image ghcr.io/alice/shop:v2`,
		Args: maxOneArg,
		RunE: func(cmd *cobra.Command, args []string) error { return g.diff(cmd.Context(), &o, args) },
	}
	o.addFlags(cmd.Flags())
	return cmd
}

func (g *globals) diff(ctx context.Context, o *specOptions, args []string) error {
	req, err := o.request(ctx, args)
	if err != nil {
		return err
	}
	steps, err := g.steps(ctx)
	if err != nil {
		return cmp.Or(req.Flaws(), err)
	}
	result, err := steps.Diff(ctx, req)
	if err != nil {
		return o.asFlags(err)
	}
	if g.output != "" {
		if err := g.ui.print(result, g.output); err != nil {
			return err
		}
	} else {
		g.tellWarnings(result)
		for _, f := range result.Files {
			if _, err := fmt.Fprint(g.ui.out, fileDiff(f)); err != nil {
				return err
			}
		}
		g.tellPending(result.Seals)
	}
	if result.Changed {
		return errDifferent
	}
	g.ui.done("project %s: nothing to change", result.Project)
	return nil
}

// tellPending says which pull secrets create would not seal as things are.
func (g *globals) tellPending(seals []project.Seal) {
	pending := false
	for _, seal := range seals {
		if seal.Pending {
			pending = true
			g.ui.warn("%s: %s's token for %s has to be sealed, and none was given", seal.Environment, seal.Username, seal.Registry)
		}
	}
	if pending {
		g.ui.hint("give it by --password-stdin, --password-file or BERTH_PASSWORD, here and to `berth create project`")
	}
}

// fileDiff words one file's change: a unified diff, or for a sealed file its story.
func fileDiff(f project.FileChange) string {
	before, after := "a/"+f.Path, "b/"+f.Path
	if f.Before == nil {
		before = "/dev/null"
	}
	if f.After == nil {
		after = "/dev/null"
	}
	if !strings.HasSuffix(f.Path, ".sops.yaml") {
		return printableLines(string(diff.Diff(before, f.Before, after, f.After)))
	}
	return printableLines(fmt.Sprintf("diff %s %s\n--- %s\n+++ %s\n%s%s", before, after, before, after,
		sealLines("-", f.Before), sealLines("+", f.After)))
}

// printableLines keeps what stands in files from harming a terminal.
func printableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = verify.Printable(line)
	}
	return strings.Join(lines, "\n")
}

// sealLines describes a sealed file by what stands in it in plain.
func sealLines(sign string, data []byte) string {
	if data == nil {
		return ""
	}
	info, err := sops.Inspect(data)
	if err != nil {
		return sign + "(not a sealed file)\n"
	}
	text := fmt.Sprintf("%ssealed %s generation %d, fingerprint %s\n", sign, info.Name, info.Generation, info.Fingerprint)
	if info.Username != "" {
		text += fmt.Sprintf("%s  for %s at %s\n", sign, info.Username, info.Registry)
	}
	for _, r := range info.Recipients {
		text += fmt.Sprintf("%s  to %s\n", sign, r)
	}
	return text
}
