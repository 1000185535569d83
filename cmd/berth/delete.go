package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-gitops/berth/generator"
)

type deleteOptions struct {
	environments []string
	yes          bool
	overwrite    bool
	pull         pullRequestOptions
}

func newDeleteCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "delete", Short: "Delete a project or some of its environments"}
	asGroup(cmd)
	cmd.AddCommand(newDeleteProjectCommand(g))
	return cmd
}

func newDeleteProjectCommand(g *globals) *cobra.Command {
	var o deleteOptions
	cmd := &cobra.Command{
		Use:   "project NAME",
		Short: "Delete a project or some of its environments",
		Long: `Delete a project, or only the environments named with --env, in one commit. Flux then
removes their namespaces and everything in them, persistent volumes included.
Files that berth did not write stay. With --env the files of the other environments stay as
they are: --overwrite is for files that go, and for the list that they are taken from.
` + exitCodes,
		Example: `  berth delete project shop
  berth delete project shop --env staging --yes`,
		Args: exactlyOneArg,
		RunE: func(cmd *cobra.Command, args []string) error { return g.deleteProject(cmd.Context(), o, args[0]) },
	}
	cmd.Flags().StringArrayVar(&o.environments, "env", nil, "`environment` to delete; repeat for more (default all)")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&o.overwrite, "overwrite", false, "remove generated files that were edited by hand, too")
	o.pull.addFlags(cmd)
	return cmd
}

func (g *globals) deleteProject(ctx context.Context, o deleteOptions, id string) error {
	if err := generator.CheckID(id); err != nil {
		return err
	}
	steps, err := g.steps(ctx)
	if err != nil {
		return err
	}
	if steps.Forge, err = o.pull.open(g); err != nil {
		return err
	}
	plan, err := steps.PlanDelete(ctx, id, o.environments, o.overwrite)
	if err != nil {
		return err
	}
	for _, ns := range plan.Namespaces {
		g.ui.warn("namespace %s on cluster %s goes, with everything in it, persistent volumes included", ns.Name, ns.Cluster)
	}
	for _, file := range plan.Left {
		g.ui.warn("%s is not berth's and stays", file)
	}
	if !o.yes {
		if err := g.confirm(ctx, "Delete? Type the project's name: ", id); err != nil {
			return err
		}
	}
	done, err := steps.Delete(ctx, plan)
	if err != nil {
		return writing(err)
	}
	if g.output != "" {
		return g.ui.print(done, g.output)
	}
	if steps.Forge != nil {
		g.tellPullRequest(done.PullRequest)
		return nil
	}
	g.ui.done("deleted from %s, commit %s; Flux removes the rest", g.branch, done.Commit)
	return nil
}

// confirm asks a person to type want.
func (g *globals) confirm(ctx context.Context, question, want string) error {
	if _, ok := g.in.terminal(); !ok || g.ui.quiet {
		return usagef("there is no terminal to ask on").next("say --yes to go ahead")
	}
	fmt.Fprint(g.ui.err, question)
	answer, err := g.in.line(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(answer) != want {
		return errors.New("not confirmed; nothing was deleted")
	}
	return nil
}
