package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/internal/project"
)

type initOptions struct {
	cluster         generator.Cluster
	name            string
	platformKeyFile string
	postQuantum     bool
	overwrite       bool
	codeOwners      []string
	pull            pullRequestOptions
}

func newInitCommand(g *globals) *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init --cluster NAME --flux-url URL",
		Short: "Make a GitOps repository and a cluster ready",
		Long: `Write berth.yaml, .sops.yaml and clusters/<cluster>/flux-projects.yaml, in one commit, and
print the commands that make the cluster ready, in order. The repository may be empty, may
be one that flux bootstrap made, or may be berth's already: running it again changes what
the flags name, and another --cluster adds one. A local path that does not exist, or an
empty folder, becomes a new bare repository.

Keys that are missing are made: the berth key (--key-file) and, unless --recipient names
one, the cluster's platform key (--platform-key-file). Both are files that only you can
read. Keep a copy of each in a safe. An existing key is used, never overwritten.
` + exitCodes,
		Example: `  berth init --repo ./fleet.git --cluster home --flux-url https://git.example.com/platform/fleet.git
  berth init --cluster home --recipient age1… --recipient age1…`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.init(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.cluster.Name, "cluster", "", "`name` of the cluster, as in clusters/<name>")
	f.StringVar(&o.cluster.URL, "flux-url", "", "`URL` by which Flux on the cluster reaches the repository")
	f.StringVar(&o.cluster.Branch, "flux-branch", "", "`branch` that Flux follows (default for a new cluster: --branch)")
	f.StringVar(&o.name, "name", "fleet", "`name` of the platform, for a new berth.yaml")
	f.StringArrayVar(&o.cluster.Recipients, "recipient", nil, "age `recipient` of the cluster's platform key; repeat for more, a recovery key for one")
	f.StringVar(&o.platformKeyFile, "platform-key-file", "", "age identity `file` of the platform key (default berth/<cluster>.agekey in the user's configuration folder)")
	f.BoolVar(&o.postQuantum, "post-quantum", false, "make a hybrid post-quantum platform key; needs kustomize-controller 1.9 or newer")
	f.StringVar(&o.cluster.IngressNamespace, "ingress-namespace", "", "`namespace` of the ingress controller (default kube-system, as on k3s)")
	f.StringVar(&o.cluster.IngressClass, "ingress-class", "", "ingress `class` (default: the cluster's own)")
	f.StringArrayVar(&o.codeOwners, "code-owners", nil, "write a CODEOWNERS file that asks this `user` or team, as in @acme/platform, to review platform files; repeat for more")
	o.pull.addFlags(cmd)
	f.BoolVar(&o.overwrite, "overwrite", false, "replace berth's own files that were edited by hand")
	return cmd
}

// check refuses what no repository could make right.
func (o *initOptions) check() error {
	if o.cluster.Name == "" {
		return usagef("no cluster is named").next("name it with --cluster")
	}
	for _, owner := range o.codeOwners {
		if strings.ContainsFunc(owner, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '#' }) || !strings.Contains(owner, "@") {
			return usagef("--code-owners %q is no @user, @org/team or mail address", owner)
		}
	}
	return generator.CheckClusterName(o.cluster.Name)
}

// init makes nothing, neither a key nor a repository, before it knows that the whole of
// it will be accepted.
func (g *globals) init(ctx context.Context, o initOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	steps := &project.Steps{Branch: g.branch}
	missing, err := g.missing()
	if err != nil {
		return err
	}
	if !missing {
		if steps.Repo, err = g.open(ctx); err != nil {
			return err
		}
	}
	if steps.Forge, err = o.pull.open(g); err != nil {
		return err
	}
	settings, err := steps.Settings(ctx)
	if err != nil {
		return err
	}
	made, err := g.initKeys(&o, steps, settings)
	if err != nil {
		return err
	}
	req := project.InitRequest{Cluster: o.cluster, Name: o.name, CodeOwners: o.codeOwners, Overwrite: o.overwrite}
	if err := steps.CheckInit(ctx, req); err != nil {
		return err
	}
	defer dropStaged(made)
	if err := g.stageKeys(made); err != nil {
		return err
	}
	if missing {
		if steps.Repo, err = g.make(ctx); err != nil {
			return err
		}
	}
	if err := g.placeKeys(made); err != nil {
		return withKept(err, made)
	}
	result, err := steps.Init(ctx, req)
	if err != nil {
		return withKept(writing(err), made)
	}
	return g.tellInit(o, made, result)
}

// missing says whether --repo names a local path that is free, or an empty folder.
func (g *globals) missing() (bool, error) {
	path, local := gitrepo.LocalPath(g.repo)
	if !local {
		return false, nil
	}
	entries, err := os.ReadDir(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err == nil && len(entries) == 0, nil // what else is wrong with it, Open says
	}
	if to, err := os.Readlink(path); err == nil {
		return false, usagef("%s links to %s, which is not there", path, to).next("mount or make it, or name another place with --repo")
	}
	return true, nil
}

// make makes a bare repository where --repo says.
func (g *globals) make(ctx context.Context) (*gitrepo.Repo, error) {
	path, _ := gitrepo.LocalPath(g.repo)
	if err := gitrepo.Create(ctx, path, g.branch); err != nil {
		return nil, err
	}
	g.ui.action("made the bare repository %s", path)
	return g.open(ctx)
}

// knownCluster returns what berth.yaml says of a cluster, or nil.
func knownCluster(settings *generator.Platform, name string) *generator.Cluster {
	if settings == nil {
		return nil
	}
	i := slices.IndexFunc(settings.Spec.Clusters, func(c generator.Cluster) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &settings.Spec.Clusters[i]
}
