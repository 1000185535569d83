package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/internal/project"
	"github.com/berth-gitops/berth/sops"
)

// initReport is what -o json prints.
type initReport struct {
	Cluster       string               `json:"cluster"`
	Changed       bool                 `json:"changed"`
	Commit        string               `json:"commit,omitempty"`
	PullRequest   *project.PullRequest `json:"pullRequest,omitempty"`
	Made          []string             `json:"made,omitempty"` // key files
	Left          []string             `json:"left,omitempty"`
	Kustomization string               `json:"kustomization,omitempty"`
	Warnings      []string             `json:"warnings,omitempty"`
	Commands      []clusterCommand     `json:"commands"`
}

// tellInit prints the story to stderr and the commands that are left to a person,
// which are a shell script, to stdout.
func (g *globals) tellInit(o initOptions, made []madeKey, result *project.InitResult) error {
	commands, err := g.clusterCommands(o, result)
	if err != nil {
		return err
	}
	warnings := sops.RecipientWarnings(result.Cluster.Recipients)
	if follows := cmp.Or(result.Cluster.Branch, generator.DefaultBranch); follows != g.branch && o.cluster.Branch == "" {
		warnings = append(warnings, fmt.Sprintf("Flux follows %s, and berth writes to %s; --flux-branch changes that", follows, g.branch))
	}
	if g.output != "" {
		report := initReport{
			Cluster: result.Cluster.Name, Changed: result.Changed, Commit: result.Commit, PullRequest: result.PullRequest,
			Left: result.Left, Kustomization: result.Kustomization, Warnings: warnings, Commands: commands,
		}
		for _, k := range made {
			if !k.replace {
				report.Made = append(report.Made, k.file)
			}
		}
		return g.ui.print(report, g.output)
	}
	for _, text := range warnings {
		g.ui.warn("cluster %s: %s", result.Cluster.Name, text)
	}
	for _, file := range result.Left {
		g.ui.warn("%s is not berth's and stays as it is", file)
	}
	if result.Kustomization != "" {
		g.ui.warn("%s says what Flux applies there, and does not name flux-projects.yaml", result.Kustomization)
		g.ui.hint("add it to the resources")
	}
	when := "now"
	switch {
	case result.PullRequest != nil:
		g.tellPullRequest(result.PullRequest)
		when = "when it is merged,"
	case result.Changed:
		g.ui.done("cluster %s is in berth.yaml, commit %s", result.Cluster.Name, result.Commit)
	default:
		g.ui.done("cluster %s: nothing to change", result.Cluster.Name)
	}
	g.ui.action("%s make the cluster ready; Flux must be installed there, and kubectl must point at it:", when)
	for _, c := range commands {
		if _, err := fmt.Fprintf(g.ui.out, "# %s\n%s\n", c.Why, c.Command); err != nil {
			return err
		}
	}
	return nil
}

// clusterCommand is one command for a person to run.
type clusterCommand struct {
	Why     string `json:"why"`
	Command string `json:"command"`
}

// clusterCommands returns what makes the cluster ready, in order. Each command may be
// run again.
func (g *globals) clusterCommands(o initOptions, result *project.InitResult) ([]clusterCommand, error) {
	const apply = " --dry-run=client --output=yaml | kubectl apply --filename=-"
	const namespace = " --namespace=flux-projects"
	identity := shellFile{`"${PLATFORM_KEY_FILE:?the age identity file of the platform key}"`, `"$PLATFORM_KEY_FILE"`}
	if o.platformKeyFile != "" {
		abs, err := filepath.Abs(o.platformKeyFile)
		if err != nil {
			return nil, err
		}
		identity = shellFile{shellQuote(abs), shellQuote(abs)}
	}
	commands := []clusterCommand{
		{"the namespace of berth's Flux objects", "kubectl create namespace flux-projects" + apply},
		{"the platform key, with which Flux opens the project keys",
			withFiles("kubectl create secret generic sops-age"+namespace+" --from-file=age.agekey="+identity.again+apply, identity)},
	}
	credential := "kubectl create secret generic flux-projects-git" + namespace
	if strings.HasPrefix(result.Cluster.URL, "ssh://") {
		key := shellFile{`"${FLUX_GIT_KEY_FILE:?a file with the SSH private key that Flux reads the repository with}"`, `"$FLUX_GIT_KEY_FILE"`}
		hosts := shellFile{`"${FLUX_GIT_KNOWN_HOSTS_FILE:?a file with the SSH host key of the Git server}"`, `"$FLUX_GIT_KNOWN_HOSTS_FILE"`}
		credential = withFiles(credential+" --from-file=identity="+key.again+" --from-file=known_hosts="+hosts.again+apply, key, hosts)
	} else {
		password := shellFile{`"${FLUX_GIT_PASSWORD_FILE:?a file with the password or token that Flux reads the repository with}"`, `"$FLUX_GIT_PASSWORD_FILE"`}
		credential = withFiles(`tr -d '\r\n' <`+password.again+" | "+credential+
			` --from-literal=username="${FLUX_GIT_USERNAME:-git}" --from-file=password=/dev/stdin`+apply, password)
	}
	export, err := g.exportCommand()
	if err != nil {
		return nil, err
	}
	return append(commands,
		clusterCommand{"the Git credential of Flux; reading is enough", credential},
		clusterCommand{"everything else: one file, which Flux keeps up to date if it follows clusters/" + result.Cluster.Name + " already",
			export + " --cluster=" + shellQuote(result.Cluster.Name) + " | kubectl apply --server-side --filename=-"},
	), nil
}

// shellFile names a file in a command: where it is first named, and after that.
type shellFile struct{ first, again string }

// withFiles is a command that is run only if there is something in each file: a shell
// runs the rest of a pipeline whatever becomes of its first part, and would put an empty
// credential in the place of a good one.
func withFiles(command string, files ...shellFile) string {
	var checks []string
	for _, f := range files {
		checks = append(checks, "test -f "+f.first+" && grep -q '[^[:space:]]' "+f.again)
	}
	return "if " + strings.Join(checks, " && ") + "; then " + command +
		"; else echo 'nothing applied: a file that is needed is missing or empty' >&2; false; fi"
}

// exportCommand is `berth export` with the flags by which this run reaches the repository.
func (g *globals) exportCommand() (string, error) {
	repo := g.repo
	if path, local := gitrepo.LocalPath(g.repo); local {
		repo = path
	}
	words := []string{"berth", "export", "--repo=" + repo}
	if g.branch != "main" {
		words = append(words, "--branch="+g.branch)
	}
	if g.flags.Changed("git-username") {
		words = append(words, "--git-username="+g.git.username)
	}
	for _, flag := range []string{"key-file", "git-password-file", "git-bearer-token-file", "git-ca-file", "ssh-key-file", "ssh-known-hosts"} {
		if !g.flags.Changed(flag) {
			continue
		}
		abs, err := filepath.Abs(g.flags.Lookup(flag).Value.String())
		if err != nil {
			return "", err
		}
		words = append(words, "--"+flag+"="+abs)
	}
	for i, word := range words {
		words[i] = shellQuote(word)
	}
	return strings.Join(words, " "), nil
}

// shellQuote quotes a word for a POSIX shell, if it needs it.
func shellQuote(word string) string {
	plain := strings.IndexFunc(word, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,=", r)
	}) < 0
	if plain && word != "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
