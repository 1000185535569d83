package main

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/gitrepo/forge"
	"github.com/berth-gitops/berth/internal/project"
)

// pullRequestOptions turn a write into a pull request.
type pullRequestOptions struct {
	on    bool
	forge forgeOptions
}

func (o *pullRequestOptions) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&o.on, "pull-request", false, "propose the change by a pull request instead of writing to the branch")
	o.forge.addFlags(cmd)
}

// open returns the forge to open pull requests on, or nil when they are not wanted.
func (o *pullRequestOptions) open(g *globals) (*forge.Forge, error) {
	if !o.on {
		return nil, nil
	}
	return o.forge.open(g)
}

// forgeOptions say where pull requests are kept, and as whom to speak there.
type forgeOptions struct {
	kind, api, tokenFile string
}

func (o *forgeOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.kind, "forge", os.Getenv("BERTH_FORGE"), "`kind` of forge, when the address does not tell: github, gitlab, gitea or forgejo (BERTH_FORGE)")
	f.StringVar(&o.api, "forge-api", os.Getenv("BERTH_FORGE_API"), "base `URL` of the forge's API, when it does not follow from the repository's (BERTH_FORGE_API)")
	f.StringVar(&o.tokenFile, "forge-token-file", "", "`file` with the forge's token (default GITHUB_TOKEN, GITLAB_TOKEN or GITEA_TOKEN, by the kind of forge)")
	offer(cmd, "forge", "github", "gitlab", "gitea", "forgejo")
}

func (o *forgeOptions) open(g *globals) (*forge.Forge, error) {
	kind, err := forge.ParseKind(o.kind)
	if err != nil {
		return nil, usagef("--forge: %w", err)
	}
	repository, err := forge.Locate(g.repo, kind, o.api)
	if err != nil {
		return nil, usageError{err: err}
	}
	variable := strings.ToUpper(string(repository.Kind)) + "_TOKEN"
	token, err := secretFrom("forge-token-file", o.tokenFile, variable)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, usagef("the forge needs a token, and there is none").next("set %s or name a file with --forge-token-file", variable)
	}
	client, err := forgeClient(g.git.caFile, g.log())
	if err != nil {
		return nil, err
	}
	return forge.New(forge.Options{Repository: repository, Token: gitrepo.NewSecret(token), Client: client, UserAgent: "berth/" + version(), Log: g.log()})
}

func forgeClient(caFile string, log *slog.Logger) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, usagef("--git-ca-file %s: %w", caFile, reason(err))
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			return nil, err
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, usagef("--git-ca-file %s: there is no certificate in it", caFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{Timeout: time.Minute, Transport: loggedRequests{transport, log}}, nil
}

// loggedRequests logs which requests are made, and nothing of what is in them.
type loggedRequests struct {
	http.RoundTripper
	log *slog.Logger
}

// RoundTrip is [http.RoundTripper]'s.
func (t loggedRequests) RoundTrip(r *http.Request) (*http.Response, error) {
	start := time.Now()
	answer, err := t.RoundTripper.RoundTrip(r)
	status := "none"
	if err == nil {
		status = answer.Status
	}
	t.log.Debug("request", slog.String("method", r.Method), slog.String("host", r.URL.Host), slog.String("path", r.URL.Path),
		slog.String("status", status), slog.Duration("took", time.Since(start)))
	return answer, err
}

// tellPullRequest says where the change waits, if it does.
func (g *globals) tellPullRequest(p *project.PullRequest) {
	if p != nil {
		g.ui.done("pull request %d %s: %s", p.Number, p.Outcome, p.URL)
	}
}
