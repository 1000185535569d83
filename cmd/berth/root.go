package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/internal/project"
)

// streams are the three standard streams of a run.
type streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// globals are the options that every command has.
type globals struct {
	ui      *ui
	in      input
	repo    string
	branch  string
	keyFile string
	output  string
	verbose bool
	git     gitOptions
	flags   *pflag.FlagSet
	opened  *gitrepo.Repo
}

// gitOptions say how to reach the GitOps repository and how to commit to it.
type gitOptions struct {
	username, passwordFile, bearerTokenFile, caFile string
	sshKeyFile, knownHostsFile                      string
	author, signingKeyFile, cacheDir                string
}

const exitCodes = `
Exit status: 0 done, or nothing to do; 1 failure; 2 bad usage, spec or settings;
3 differences or findings; 130 interrupted.`

// run is the whole program: it parses args, runs the command, words the error and
// returns the exit status.
func run(ctx context.Context, std streams, args []string) int {
	g := &globals{ui: newUI(std), in: input{std.In}}
	root := newRootCommand(g)
	root.SetArgs(args)
	root.SetOut(std.Out)
	root.SetErr(std.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if g.opened != nil {
		err = errors.Join(err, g.opened.Close())
	}
	if errors.As(err, new(usageError)) { // perhaps one that kept the flags from being read
		g.ui.quiet = forProgram(outputIn(args))
	}
	return g.ui.exit(ctx, err, cmd.CommandPath())
}

func newRootCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "berth",
		Short: "Write projects into a Flux GitOps repository",
		Long: `berth renders a project's Kubernetes objects, seals its owner's registry token
with SOPS and age, and commits the result to a GitOps repository. Flux does the rest.
` + exitCodes,
		Version:           version(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return g.checkFlags(cmd, "json", "yaml") },
	}
	asGroup(cmd)
	g.addFlags(cmd.PersistentFlags())
	offer(cmd, "output", "json", "yaml")
	cmd.SetUsageFunc(printUsage)
	cmd.SetHelpCommand(newHelpCommand())
	cmd.SetFlagErrorFunc(wordFlagError)
	cmd.AddCommand(
		newInitCommand(g), newCreateCommand(g), newDiffCommand(g), newExportCommand(g),
		newGetCommand(g), newDeleteCommand(g), newReviewCommand(g), newVerifyCommand(g), newVersionCommand(g),
	)
	return cmd
}

func (g *globals) addFlags(f *pflag.FlagSet) {
	g.flags = f
	fromEnv := func(value *string, flag, variable, usage string) {
		f.StringVar(value, flag, os.Getenv(variable), usage)
		f.Lookup(flag).DefValue = "" // which help prints, and there may be a password in it
	}
	fromEnv(&g.repo, "repo", "BERTH_REPO", "GitOps `repository`: local path, https:// or ssh:// URL (BERTH_REPO)")
	f.StringVar(&g.branch, "branch", envOr("BERTH_BRANCH", "main"), "`branch` to read and write (BERTH_BRANCH)")
	fromEnv(&g.keyFile, "key-file", "BERTH_KEY_FILE", "berth key `file` (BERTH_KEY_FILE, or the key itself in BERTH_KEY; default berth/key in the user's configuration folder)")
	f.StringVarP(&g.output, "output", "o", "", "print data, and errors, in this `format`: json or yaml")
	f.BoolVarP(&g.verbose, "verbose", "v", false, "log keys, servers, requests and retries to stderr")
	f.StringVar(&g.git.username, "git-username", envOr("BERTH_GIT_USERNAME", "git"), "HTTPS `user` (BERTH_GIT_USERNAME)")
	fromEnv(&g.git.passwordFile, "git-password-file", "BERTH_GIT_PASSWORD_FILE", "`file` with the HTTPS password or token (BERTH_GIT_PASSWORD_FILE, or the password itself in BERTH_GIT_PASSWORD)")
	fromEnv(&g.git.bearerTokenFile, "git-bearer-token-file", "BERTH_GIT_BEARER_TOKEN_FILE", "`file` with an HTTPS bearer token (BERTH_GIT_BEARER_TOKEN_FILE)")
	fromEnv(&g.git.caFile, "git-ca-file", "BERTH_GIT_CA_FILE", "PEM `file` of the certificate authority to trust (BERTH_GIT_CA_FILE)")
	fromEnv(&g.git.sshKeyFile, "ssh-key-file", "BERTH_SSH_KEY_FILE", "SSH private key `file`; the SSH agent otherwise (BERTH_SSH_KEY_FILE; passphrase in BERTH_SSH_KEY_PASSPHRASE)")
	fromEnv(&g.git.knownHostsFile, "ssh-known-hosts", "BERTH_SSH_KNOWN_HOSTS", "known_hosts `file` (BERTH_SSH_KNOWN_HOSTS; default ~/.ssh/known_hosts)")
	f.StringVar(&g.git.author, "author", envOr("BERTH_AUTHOR", "berth <berth@localhost>"), "commit author, as `\"Name <mail>\"` (BERTH_AUTHOR)")
	fromEnv(&g.git.signingKeyFile, "signing-key-file", "BERTH_SIGNING_KEY_FILE", "SSH private key `file` to sign commits with (BERTH_SIGNING_KEY_FILE; passphrase in BERTH_SIGNING_KEY_PASSPHRASE)")
	fromEnv(&g.git.cacheDir, "cache-dir", "BERTH_CACHE_DIR", "`folder` that keeps Git objects between runs (BERTH_CACHE_DIR; default none)")
}

// once tells a line that comes again, as with every try of a push, only the first time.
func once(tell func(line string)) func(line string) {
	var mu sync.Mutex
	told := map[string]bool{}
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		if !told[line] {
			told[line] = true
			tell(line)
		}
	}
}

func envOr(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

// steps opens the repository and the berth key, if there is one.
func (g *globals) steps(ctx context.Context) (*project.Steps, error) {
	repo, err := g.open(ctx)
	if err != nil {
		return nil, err
	}
	key, err := g.key()
	if err != nil {
		return nil, err
	}
	return &project.Steps{Repo: repo, Branch: g.branch, Key: key}, nil
}

func (g *globals) open(ctx context.Context) (*gitrepo.Repo, error) {
	if g.repo == "" {
		return nil, usagef("no repository is named").next("name it with --repo or BERTH_REPO")
	}
	options, err := g.gitrepoOptions()
	if err != nil {
		return nil, err
	}
	g.opened, err = gitrepo.Open(ctx, g.repo, options)
	return g.opened, err
}

func (g *globals) gitrepoOptions() (gitrepo.Options, error) {
	author, err := parseAuthor(g.git.author)
	if err != nil {
		return gitrepo.Options{}, err
	}
	password, err := secretFrom("git-password-file", g.git.passwordFile, "BERTH_GIT_PASSWORD")
	if err != nil {
		return gitrepo.Options{}, err
	}
	bearer, err := secretFrom("git-bearer-token-file", g.git.bearerTokenFile, "BERTH_GIT_BEARER_TOKEN")
	if err != nil {
		return gitrepo.Options{}, err
	}
	options := gitrepo.Options{
		Username:         g.git.username,
		Password:         gitrepo.NewSecret(password),
		BearerToken:      gitrepo.NewSecret(bearer),
		CAFile:           g.git.caFile,
		SSHKeyFile:       g.git.sshKeyFile,
		SSHKeyPassphrase: gitrepo.NewSecret(os.Getenv("BERTH_SSH_KEY_PASSPHRASE")),
		SSHAgentSocket:   os.Getenv("SSH_AUTH_SOCK"),
		KnownHostsFile:   g.git.knownHostsFile,
		Author:           author,
		SigningKeyFile:   g.git.signingKeyFile,
		CacheDir:         g.git.cacheDir,
		Messages:         once(func(line string) { g.ui.action("remote: %s", line) }),

		SigningKeyPassphrase: gitrepo.NewSecret(os.Getenv("BERTH_SIGNING_KEY_PASSPHRASE")),
	}
	if options.KnownHostsFile == "" {
		if home, err := os.UserHomeDir(); err == nil {
			options.KnownHostsFile = filepath.Join(home, ".ssh", "known_hosts")
		}
	}
	options.Log = g.log()
	return options, nil
}

// log returns where steps are logged: to stderr with --verbose; without, people hear
// the warnings.
func (g *globals) log() *slog.Logger {
	if !g.verbose {
		return slog.New(warnings{slog.DiscardHandler, g.ui})
	}
	return slog.New(slog.NewTextHandler(g.ui.err, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// warnings says what a library warns of, and nothing else.
type warnings struct {
	slog.Handler
	ui *ui
}

// Enabled is [slog.Handler]'s.
func (w warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle is [slog.Handler]'s.
func (w warnings) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += "; " + a.String()
		return true
	})
	w.ui.warn("%s", text)
	return nil
}

// parseAuthor reads "Name <mail>".
func parseAuthor(text string) (gitrepo.Signature, error) {
	name, mail, ok := strings.Cut(text, " <")
	mail, closed := strings.CutSuffix(mail, ">")
	if !ok || !closed || name == "" || mail == "" || strings.ContainsAny(name+mail, "<>\r\n") {
		return gitrepo.Signature{}, usagef("--author %q is not of the form \"Name <mail>\"", text)
	}
	return gitrepo.Signature{Name: name, Email: mail}, nil
}

// secretFrom reads a secret from the file that a flag names or, without one, from the
// environment. Its errors name the flag only: what was taken for a file's name may be
// the secret itself.
func secretFrom(flag, file, env string) (string, error) {
	text := []byte(os.Getenv(env))
	if file != "" {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return "", usagef("--%s: %w", flag, reason(err))
		}
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

// reason is why a file could not be used, without its name.
func reason(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}
