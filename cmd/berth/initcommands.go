package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/internal/project"
)

// tellInit prints the story to stderr and the commands that are left to a person,
// which are a shell script, to stdout.
func (g *globals) tellInit(o initOptions, result *project.InitResult) error {
	for _, file := range result.Left {
		g.ui.warn("%s is not berth's and stays as it is", file)
	}
	if result.Kustomization != "" {
		g.ui.warn("%s lists what Flux applies there: add flux-projects.yaml to its resources", result.Kustomization)
	}
	if result.Changed {
		g.ui.done("cluster %s is in berth.yaml, commit %s", result.Cluster.Name, result.Commit)
	} else {
		g.ui.done("cluster %s: nothing to change", result.Cluster.Name)
	}
	g.tellPullRequest(result.PullRequest)
	script, err := g.clusterCommands(o, result)
	if err != nil {
		return err
	}
	if g.output != "" {
		return g.ui.print(map[string]any{"changed": result.Changed, "commit": result.Commit, "commands": script}, g.output)
	}
	g.ui.action("now make the cluster ready; Flux must be installed there, and kubectl must point at it:")
	for _, c := range script {
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
	identity := `"${PLATFORM_KEY_FILE:?the age identity file of the cluster's platform key}"`
	if o.platformKeyFile != "" {
		abs, err := filepath.Abs(o.platformKeyFile)
		if err != nil {
			return nil, err
		}
		identity = shellQuote(abs)
	}
	repo := g.repo
	if path, local := gitrepo.LocalPath(g.repo); local {
		repo = path
	}
	commands := []clusterCommand{
		{"the namespace of berth's Flux objects", "kubectl create namespace flux-projects" + apply},
		{"the platform key, with which Flux opens the project keys",
			"kubectl create secret generic sops-age" + namespace + " --from-file=age.agekey=" + identity + apply},
	}
	credential := "kubectl create secret generic flux-projects-git" + namespace
	if strings.HasPrefix(result.Cluster.URL, "ssh://") {
		credential += ` --from-file=identity="${FLUX_GIT_KEY_FILE:?a file with the SSH private key that Flux reads the repository with}"` +
			` --from-file=known_hosts="${FLUX_GIT_KNOWN_HOSTS_FILE:?a file with the SSH host key of the Git server}"`
	} else {
		credential = `tr -d '\r\n' <"${FLUX_GIT_PASSWORD_FILE:?a file with the password or token that Flux reads the repository with}" | ` +
			credential + ` --from-literal=username="${FLUX_GIT_USERNAME:-git}" --from-file=password=/dev/stdin`
	}
	export := "berth export --repo=" + shellQuote(repo)
	if g.branch != "main" {
		export += " --branch=" + shellQuote(g.branch)
	}
	return append(commands,
		clusterCommand{"the Git credential of Flux; reading is enough", credential + apply},
		clusterCommand{"everything else: one file, which Flux keeps up to date if it follows clusters/" + result.Cluster.Name + " already",
			export + " --cluster=" + shellQuote(result.Cluster.Name) + " | kubectl apply --server-side --filename=-"},
	), nil
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
