package forge

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Kind is a family of forges that share an API.
type Kind string

// The kinds of forges. Forgejo (Codeberg) speaks Gitea's API.
const (
	GitHub Kind = "github"
	GitLab Kind = "gitlab"
	Gitea  Kind = "gitea"
)

// ParseKind reads what a person calls a forge: github, gitlab, gitea or
// forgejo. The empty string is the empty kind, to be told by the host.
func ParseKind(s string) (Kind, error) {
	switch k := Kind(strings.ToLower(s)); k {
	case "", GitHub, GitLab, Gitea:
		return k, nil
	case "forgejo":
		return Gitea, nil
	}
	return "", fmt.Errorf("%q is not a kind of forge: github, gitlab, gitea and forgejo are", s)
}

// Repository is a repository on a forge.
type Repository struct {
	Kind Kind
	API  string // base URL of the API, such as https://git.example.com/api/v1
	Path string // "owner/name"; on GitLab also "group/subgroup/name"
}

// Locate finds a repository's forge by its Git address: an https:// or ssh://
// URL or the scp-like form git@host:owner/name.
//
// The kind is told by the host where it can be: github.com, *.ghe.com,
// gitlab.com, gitea.com, codeberg.org, and hosts whose first label is github,
// gitlab, gitea or forgejo. Any other host needs kind. The API's base URL
// follows from the host, with the port of an http(s) address; one that lies
// elsewhere (a folder of the site, another port than SSH's) is given as api.
// Nothing is asked over the network.
func Locate(address string, kind Kind, api string) (Repository, error) {
	site, path, err := splitAddress(address)
	if err != nil {
		return Repository{}, err
	}
	if kind == "" {
		if kind, err = kindOf(site.Hostname()); err != nil {
			return Repository{}, err
		}
	}
	base, err := apiBase(kind, site, api)
	if err != nil {
		return Repository{}, err
	}
	if strings.HasPrefix(address, "http") {
		path = belowSite(base, path)
	}
	if err := checkPath(kind, path); err != nil {
		return Repository{}, err
	}
	return Repository{Kind: kind, API: base.String(), Path: path}, nil
}

// splitAddress returns the site of a Git address as an http(s) URL, and the
// path below it. Errors do not repeat the address: it may hold a password.
func splitAddress(address string) (site *url.URL, path string, err error) {
	if !strings.Contains(address, "://") {
		host, path, ok := strings.Cut(address, ":")
		if !ok || strings.ContainsAny(host, `/\`) || len(host) == 1 {
			return nil, "", errors.New("a local repository has no forge: pull requests need an https:// or ssh:// address")
		}
		host = host[strings.LastIndexByte(host, '@')+1:]
		address = "ssh://" + host + "/" + strings.TrimPrefix(path, "/")
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" && u.Scheme != "file" {
		return nil, "", errors.New("the repository's address is not a valid URL")
	}
	if _, has := u.User.Password(); has {
		return nil, "", errors.New("the repository's address holds a password: take it out and give it separately")
	}
	switch u.Scheme {
	case "https", "http":
		site = &url.URL{Scheme: u.Scheme, Host: u.Host}
	case "ssh", "git+ssh", "ssh+git":
		site = &url.URL{Scheme: "https", Host: webHost(u.Hostname())} // SSH's port says nothing about the API's
	case "file":
		return nil, "", errors.New("a local repository has no forge: pull requests need an https:// or ssh:// address")
	default:
		return nil, "", fmt.Errorf("a repository at %s:// has no forge", u.Scheme)
	}
	return site, strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git"), nil
}

// webHost maps the hosts that serve SSH on port 443.
func webHost(host string) string {
	switch host {
	case "ssh.github.com":
		return "github.com"
	case "altssh.gitlab.com":
		return "gitlab.com"
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func kindOf(host string) (Kind, error) {
	host = strings.ToLower(host)
	label, _, _ := strings.Cut(host, ".")
	switch {
	case host == "github.com", strings.HasSuffix(host, ".ghe.com"), label == "github":
		return GitHub, nil
	case host == "gitlab.com", label == "gitlab":
		return GitLab, nil
	case host == "gitea.com", host == "codeberg.org", label == "gitea", label == "forgejo":
		return Gitea, nil
	}
	return "", fmt.Errorf("which forge runs at %s cannot be told from its name: say github, gitlab or gitea", host)
}

func apiBase(kind Kind, site *url.URL, api string) (*url.URL, error) {
	if api != "" {
		return parseAPI(api)
	}
	host := strings.ToLower(site.Hostname())
	switch kind {
	case GitHub:
		if host == "github.com" || strings.HasSuffix(host, ".ghe.com") {
			return &url.URL{Scheme: "https", Host: "api." + host}, nil
		}
		return site.JoinPath("api", "v3"), nil
	case GitLab:
		return site.JoinPath("api", "v4"), nil
	case Gitea:
		return site.JoinPath("api", "v1"), nil
	}
	return nil, fmt.Errorf("%q is not a kind of forge: github, gitlab and gitea are", kind)
}

func parseAPI(api string) (*url.URL, error) {
	u, err := url.Parse(api)
	switch {
	case err != nil, u.Host == "", u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the API's base URL must be an http(s) URL")
	case u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, errors.New("the API's base URL must have no user, password, query or fragment")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// belowSite drops the folder that the forge is served from; only addresses of
// HTTP have it.
func belowSite(base *url.URL, path string) string {
	folder, _, found := strings.Cut(base.Path, "/api/")
	if folder = strings.Trim(folder, "/"); found && folder != "" {
		return strings.TrimPrefix(path, folder+"/")
	}
	return path
}

func checkPath(kind Kind, path string) error {
	parts := strings.Split(path, "/")
	if kind == GitLab && len(parts) < 2 || kind != GitLab && len(parts) != 2 ||
		slices.ContainsFunc(parts, func(p string) bool { return p == "" || p == "." || p == ".." }) {
		return fmt.Errorf("%q is not the path of a repository on this forge: owner/name is wanted; "+
			"if the forge lies in a folder of its site, the API's base URL is needed too", path)
	}
	return nil
}
