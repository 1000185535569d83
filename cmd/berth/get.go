package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/berth-gitops/berth/generator"
)

func newGetCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "get", Short: "List projects"}
	asGroup(cmd)
	cmd.AddCommand(newGetProjectsCommand(g))
	return cmd
}

func newGetProjectsCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "projects [NAME...]",
		Aliases: []string{"project"},
		Short:   "List projects, their owners, environments and images",
		Long:    "List the projects of the repository, or the named ones.\n" + exitCodes,
		Example: "  berth get projects\n  berth get projects shop -o yaml",
		RunE:    func(cmd *cobra.Command, args []string) error { return g.getProjects(cmd.Context(), args) },
	}
}

// projectList is what -o json prints, in the shape of a Kubernetes list.
type projectList struct {
	APIVersion string               `json:"apiVersion"`
	Kind       string               `json:"kind"`
	Items      []*generator.Project `json:"items"`
}

func (g *globals) getProjects(ctx context.Context, names []string) error {
	for _, name := range names {
		if err := generator.CheckID(name); err != nil {
			return err
		}
	}
	steps, err := g.steps(ctx)
	if err != nil {
		return err
	}
	projects, err := steps.List(ctx, names...)
	if projects == nil && err != nil {
		return err
	}
	if g.output != "" {
		list := projectList{APIVersion: generator.APIVersion, Kind: "ProjectList", Items: append([]*generator.Project{}, projects...)}
		if perr := g.ui.print(list, g.output); perr != nil {
			return perr
		}
		return err
	}
	w := tabwriter.NewWriter(g.ui.out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "NAME\tOWNER\tENVIRONMENTS\tIMAGE")
	for _, p := range projects {
		environments := make([]string, len(p.Spec.Environments))
		for i, e := range p.Spec.Environments {
			environments[i] = e.Name
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.Metadata.Name, p.Spec.Owner, strings.Join(environments, ","), p.Spec.Image)
	}
	if ferr := w.Flush(); ferr != nil {
		return ferr
	}
	return err
}
