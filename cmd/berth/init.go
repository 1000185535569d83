package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/internal/project"
	"github.com/berth-gitops/berth/sops"
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
the flags name, and another --cluster adds one. A local path that does not exist becomes a
new bare repository.

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
	f.StringVar(&o.cluster.Branch, "flux-branch", "", "`branch` that Flux follows (default main)")
	f.StringVar(&o.name, "name", "fleet", "`name` of the platform, for a new berth.yaml")
	f.StringArrayVar(&o.cluster.Recipients, "recipient", nil, "age `recipient` of the cluster's platform key; repeat for more, a recovery key for one")
	f.StringVar(&o.platformKeyFile, "platform-key-file", "", "age identity `file` of the platform key (default berth/<cluster>.agekey in the user's configuration folder)")
	f.BoolVar(&o.postQuantum, "post-quantum", false, "make a hybrid post-quantum platform key; needs kustomize-controller 1.9 or newer")
	f.StringVar(&o.cluster.IngressNamespace, "ingress-namespace", "", "`namespace` of the ingress controller (default kube-system, as on k3s)")
	f.StringVar(&o.cluster.IngressClass, "ingress-class", "", "ingress `class` (default: the cluster's own)")
	f.StringArrayVar(&o.codeOwners, "code-owners", nil, "write a CODEOWNERS file that asks this `user` or team, as in @acme/platform, to review platform files; repeat for more")
	o.pull.addFlags(f)
	f.BoolVar(&o.overwrite, "overwrite", false, "replace berth's own files that were edited by hand")
	return cmd
}

func (g *globals) init(ctx context.Context, o initOptions) error {
	if o.cluster.Name == "" {
		return usagef("name the cluster with --cluster")
	}
	for _, owner := range o.codeOwners {
		if strings.ContainsFunc(owner, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '#' }) || !strings.Contains(owner, "@") {
			return usagef("--code-owners %q is no @user, @org/team or mail address", owner)
		}
	}
	if err := generator.CheckClusterName(o.cluster.Name); err != nil {
		return err
	}
	if err := g.createMissing(ctx); err != nil {
		return err
	}
	repo, err := g.open(ctx)
	if err != nil {
		return err
	}
	key, err := g.key()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	steps := &project.Steps{Repo: repo, Branch: g.branch, Key: key}
	if steps.Forge, err = o.pull.open(g); err != nil {
		return err
	}
	known, exists, err := steps.Cluster(ctx, o.cluster.Name)
	if err != nil {
		return err
	}
	if !exists && o.cluster.URL == "" {
		return usagef("say with --flux-url how Flux on %s reaches the repository", o.cluster.Name)
	}
	if steps.Key, err = g.initKey(ctx, steps); err != nil {
		return err
	}
	if err := g.initPlatformKey(&o, len(known.Recipients) > 0); err != nil {
		return err
	}
	if err := g.pin(steps.Key, o.cluster.Recipients); err != nil {
		return err
	}
	result, err := steps.Init(ctx, project.InitRequest{Cluster: o.cluster, Name: o.name, CodeOwners: o.codeOwners, Overwrite: o.overwrite})
	if err != nil {
		return err
	}
	return g.tellInit(o, result)
}

// createMissing makes a bare repository where --repo names a local path that is free.
func (g *globals) createMissing(ctx context.Context) error {
	path, local := gitrepo.LocalPath(g.repo)
	if !local {
		return nil
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := gitrepo.Create(ctx, path); err != nil {
		return err
	}
	g.ui.action("made the bare repository %s", path)
	return nil
}

// initKey returns the berth key, made when there is none and the repository is new.
func (g *globals) initKey(ctx context.Context, steps *project.Steps) (*sops.Key, error) {
	if steps.Key != nil {
		return steps.Key, nil
	}
	if initialised, err := steps.Initialised(ctx); err != nil {
		return nil, err
	} else if initialised {
		return nil, fmt.Errorf("%w: it has one already, and it is not at hand", project.ErrForeign)
	}
	file, err := g.keyPath()
	if err != nil {
		return nil, err
	}
	key, err := sops.NewKey()
	if err != nil {
		return nil, err
	}
	if err := g.writeNewKey(file, key.Marshal()); err != nil {
		return nil, err
	}
	g.ui.action("made the berth key %s: keep a copy in a safe", file)
	return key, nil
}

// initPlatformKey adds the platform key's recipient to the cluster, unless recipients
// were given or are committed already. It makes the key when its file is not there.
func (g *globals) initPlatformKey(o *initOptions, committed bool) error {
	if o.platformKeyFile == "" && (committed || len(o.cluster.Recipients) > 0) {
		return nil
	}
	if o.platformKeyFile == "" {
		folder, err := configFolder()
		if err != nil {
			return err
		}
		o.platformKeyFile = filepath.Join(folder, o.cluster.Name+".agekey")
	}
	text, err := os.ReadFile(o.platformKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		if text, _, err = sops.NewIdentity(o.postQuantum); err != nil {
			return err
		}
		if err := g.writeNewKey(o.platformKeyFile, text); err != nil {
			return err
		}
		g.ui.action("made the platform key of %s, %s: keep a copy in a safe", o.cluster.Name, o.platformKeyFile)
	} else if err != nil {
		return err
	}
	recipients, err := sops.RecipientsOf(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", o.platformKeyFile, err)
	}
	o.cluster.Recipients = append(o.cluster.Recipients, recipients...)
	return nil
}

// pin makes the berth key trust the recipients that were named on this command line.
func (g *globals) pin(key *sops.Key, recipients []string) error {
	missing := false
	for _, r := range recipients {
		if err := sops.ValidRecipient(r); err != nil {
			return usageError{err}
		}
		missing = missing || !key.Pinned(r)
	}
	if !missing {
		return nil
	}
	if g.keyFile == "" && os.Getenv("BERTH_KEY") != "" {
		return usagef("the berth key in BERTH_KEY does not pin the recipient yet; run init with --key-file, then update BERTH_KEY")
	}
	if err := key.Pin(recipients...); err != nil {
		return err
	}
	file, err := g.keyPath()
	if err != nil {
		return err
	}
	return replaceFile(file, key.Marshal())
}

// writeNewKey writes a file that must not exist yet, readable by its owner alone and
// outside the repository.
func (g *globals) writeNewKey(file string, text []byte) error {
	if err := g.checkOutside(file); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// checkOutside refuses to put a key into the local repository.
func (g *globals) checkOutside(file string) error {
	repo, local := gitrepo.LocalPath(g.repo)
	if !local {
		return nil
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	if rel, err := filepath.Rel(repo, abs); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
		return usagef("%s lies inside the repository; a private key must stay outside it", file)
	}
	return nil
}

// replaceFile puts text in the place of a file that only its owner can read; a crash
// leaves the old or the new content.
func replaceFile(file string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".berth-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
