package gitrepo

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// endpoint is a parsed repository address. No field holds a password.
type endpoint struct {
	scheme string // "file", "http", "https" or "ssh"
	user   string
	host   string // with port when one is given
	path   string // file: absolute; http: as in the URL; ssh: as the server gets it
}

// String returns the address without user information, fit for messages.
func (e endpoint) String() string {
	switch e.scheme {
	case "file":
		return e.path
	case "ssh":
		return "ssh://" + e.host + "/" + strings.TrimPrefix(e.path, "/")
	}
	return e.scheme + "://" + e.host + e.path
}

// parseURL reads a local path, a file://, http(s):// or ssh:// URL, or the
// scp-like form [user@]host:path. Errors never repeat the address: whoever
// put a password into it should not meet it again in a log.
func parseURL(raw string) (endpoint, error) {
	if raw == "" {
		return endpoint{}, errors.New("no repository given: a local path, https:// or ssh:// address is needed")
	}
	if strings.ContainsAny(raw, "\x00\n\r") {
		return endpoint{}, errors.New("the repository's address contains a control character")
	}
	if strings.Contains(raw, "://") {
		return parseFullURL(raw)
	}
	if host, path, ok := strings.Cut(raw, ":"); ok && !strings.ContainsAny(host, `/\`) && !isDrive(host) {
		return parseSCP(host, path)
	}
	return localEndpoint(raw)
}

func parseFullURL(raw string) (endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return endpoint{}, errors.New("the repository's address is not a valid URL")
	}
	if _, has := u.User.Password(); has {
		return endpoint{}, errors.New("the repository's URL holds a password, where it would leak into process lists and logs: " +
			"take it out of the URL and give it separately")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return endpoint{}, errors.New("the repository's URL must not have a query or fragment")
	}
	user := u.User.Username()
	switch u.Scheme {
	case "file":
		if u.Host != "" && u.Host != "localhost" {
			return endpoint{}, errors.New("a file:// URL must not name a host: write file:///path")
		}
		return localEndpoint(filepath.FromSlash(u.Path))
	case "http", "https":
		if looksLikeToken(user) {
			return endpoint{}, errors.New("the repository's URL holds a token as its user: take it out and give it separately")
		}
		if u.Host == "" {
			return endpoint{}, errors.New("the repository's URL names no host")
		}
		return endpoint{scheme: u.Scheme, user: user, host: u.Host, path: strings.TrimRight(u.EscapedPath(), "/")}, nil
	case "ssh", "git+ssh", "ssh+git":
		path := u.Path
		if strings.HasPrefix(path, "/~") {
			path = path[1:]
		}
		return sshEndpoint(user, u.Host, path)
	}
	return endpoint{}, fmt.Errorf("addresses that begin with %s:// are not supported: use https://, ssh:// or a local path", u.Scheme)
}

func parseSCP(host, path string) (endpoint, error) {
	user := ""
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		user, host = host[:i], host[i+1:]
	}
	first, _, _ := strings.Cut(path, "/")
	switch {
	case strings.HasPrefix(path, ":"):
		return endpoint{}, errors.New("addresses of git's remote helpers (helper::address) are not supported: use https://, ssh:// or a local path")
	case slices.Contains([]string{"http", "https", "ssh", "file", "git"}, strings.ToLower(host)):
		return endpoint{}, errors.New("the repository's address lacks a slash: two follow the colon, as in https://")
	case strings.Contains(user, ":"), user == "" && strings.Contains(first, "@"):
		return endpoint{}, errors.New("the repository's address holds a password: take it out and give it separately")
	}
	return sshEndpoint(user, host, path)
}

func sshEndpoint(user, host, path string) (endpoint, error) {
	switch {
	case host == "":
		return endpoint{}, errors.New("the repository's address names no host")
	case path == "" || path == "/":
		return endpoint{}, errors.New("the repository's address names no path on the server")
	case strings.HasPrefix(path, "-"):
		return endpoint{}, errors.New("the repository's path must not begin with a dash")
	}
	return endpoint{scheme: "ssh", user: user, host: host, path: path}, nil
}

func localEndpoint(path string) (endpoint, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return endpoint{}, fmt.Errorf("find the repository: %w", err)
	}
	return endpoint{scheme: "file", path: abs}, nil
}

func isDrive(s string) bool { return runtime.GOOS == "windows" && len(s) == 1 }

func looksLikeToken(user string) bool {
	for _, p := range []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "gldt-", "gitea_"} {
		if strings.HasPrefix(user, p) {
			return true
		}
	}
	return len(user) >= 32 && !strings.ContainsAny(user, "@.")
}
