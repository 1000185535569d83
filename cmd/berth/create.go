package main

import (
	"cmp"
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/berth-gitops/berth/internal/project"
)

func newCreateCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "create", Short: "Create or change a project"}
	asGroup(cmd)
	cmd.AddCommand(newCreateProjectCommand(g))
	return cmd
}

func newCreateProjectCommand(g *globals) *cobra.Command {
	o := specOptions{in: g.in, ui: g.ui}
	var pull pullRequestOptions
	cmd := &cobra.Command{
		Use:   "project [NAME]",
		Short: "Create a project, or change what the flags name",
		Long: `Create a project, or bring an existing one to what the flags or the file say.

Flags change only what they name. A file is the whole spec; a folder holds many, as *.yaml
and *.yml, not in folders of its own, and each succeeds or fails alone. None removes an
environment, which berth delete does, or takes over another owner's project. The same
command again changes nothing and makes no commit.

The token is sealed for this project alone and is kept nowhere else. Without a token,
what is sealed already stays.
` + exitCodes,
		Example: `  echo "$TOKEN" | berth create project shop --owner alice --image ghcr.io/alice/shop:v1 \
    --port 8080 --env development --env production --username alice --password-stdin
  berth create project shop --image ghcr.io/alice/shop:v2
  berth create project -f shop.yaml --password-file token
  berth create project -f specs/ --credentials-stdin <credentials.jsonl`,
		Args: maxOneArg,
		RunE: func(cmd *cobra.Command, args []string) error { return g.createProject(cmd.Context(), &o, &pull, args) },
	}
	o.addFlags(cmd.Flags())
	pull.addFlags(cmd)
	cmd.Flags().BoolVar(&o.credentialsStdin, "credentials-stdin", false, `with a folder: read JSON lines {"owner","registry","username","token"} from stdin`)
	return cmd
}

func (g *globals) createProject(ctx context.Context, o *specOptions, pull *pullRequestOptions, args []string) error {
	if info, err := os.Stat(o.file); err == nil && info.IsDir() {
		return g.createAll(ctx, o, pull, args)
	}
	if o.credentialsStdin {
		return usagef("--credentials-stdin goes with -f and a folder of specs").next("one project's token comes by --password-stdin")
	}
	req, err := o.request(ctx, args)
	if err != nil {
		return err
	}
	steps, err := g.steps(ctx)
	if err != nil {
		return cmp.Or(req.Flaws(), err)
	}
	if steps.Forge, err = pull.open(g); err != nil {
		return err
	}
	result, err := steps.Create(ctx, req)
	if err != nil {
		return writing(o.asFlags(err))
	}
	if g.output != "" {
		return g.ui.print(result, g.output)
	}
	g.tellWarnings(result)
	if !result.Changed {
		g.ui.done("project %s: nothing to change", result.Project)
		g.tellPullRequest(result.PullRequest)
		return nil
	}
	for _, f := range result.Files {
		g.ui.action("%s %s", f.Action(), f.Path)
	}
	if steps.Forge != nil {
		g.tellPullRequest(result.PullRequest)
		return nil
	}
	g.ui.done("project %s is on %s, commit %s", result.Project, g.branch, result.Commit)
	return nil
}

// tellWarnings prints what deserves a look but stops nothing.
func (g *globals) tellWarnings(result *project.Result) {
	g.ui.problems(result.Warnings)
	for _, env := range result.Kept {
		g.ui.warn("environment %s of project %s is not in the file and stays", env, result.Project)
		g.ui.hint("`berth delete project %s --env %s` removes it", result.Project, env)
	}
	for _, file := range result.Left {
		g.ui.warn("%s is not berth's and stays as it is; nothing applies it", file)
	}
}
