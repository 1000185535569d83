package sops

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// dockerHub is the key under which Docker, the kubelet and containerd look for
// the credential of docker.io (docker/cli, registry.IndexServer).
const dockerHub = "https://index.docker.io/v1/"

// A Credential is what one user logs in to one registry with.
type Credential struct {
	// Registry is the bare host, with a port where it has one: "ghcr.io",
	// "localhost:5000", "docker.io". No scheme, no path, no pattern.
	Registry string
	// Username is required; registries that ignore it still take one.
	Username string
	Token    Token
}

// Validate says why the credential cannot work: a registry that is not a bare
// host, an empty username or one with ":" or a control character (the kubelet
// splits at the first colon), a token that does not Validate, and for ghcr.io
// the kinds of GitHub token that it never lets pull.
func (c Credential) Validate() error {
	if err := validRegistry(c.Registry); err != nil {
		return err
	}
	if err := validUsername(c.Username); err != nil {
		return err
	}
	if err := c.Token.Validate(); err != nil {
		return fmt.Errorf("%s: %w", c.Registry, err)
	}
	if c.Registry != "ghcr.io" {
		return nil
	}
	switch {
	case c.Token.hasPrefix("ghs_"):
		return errors.New("ghcr.io: the token is a GitHub App or Actions token (ghs_): it dies within the hour " +
			"and cannot pull private packages; use a personal access token (classic) with read:packages")
	case c.Token.hasPrefix("ghr_"):
		return errors.New("ghcr.io: the token is a refresh token (ghr_), which cannot log in; " +
			"use a personal access token (classic) with read:packages")
	}
	return nil
}

// Warnings says what will probably not work, or not for long, with a
// credential that Validate lets pass. The texts do not show the token.
func (c Credential) Warnings() []string {
	if c.Registry != "ghcr.io" {
		return nil
	}
	const use = "; use a personal access token (classic) with read:packages"
	switch {
	case c.Token.hasPrefix("github_pat_"):
		return []string{"ghcr.io: fine-grained personal access tokens (github_pat_) are not supported by GitHub Packages, so pulls will probably be denied" + use}
	case c.Token.hasPrefix("gho_"):
		return []string{"ghcr.io: an OAuth token (gho_) ends when its application is revoked" + use}
	case c.Token.hasPrefix("ghu_"):
		return []string{"ghcr.io: a user token of a GitHub App (ghu_) expires after eight hours" + use}
	}
	return nil
}

// dockerConfig returns the canonical dockerconfigjson: one host, keys in fixed
// order, no white space.
func (c Credential) dockerConfig() ([]byte, error) {
	type login struct {
		Username string `json:"username"`
		Password string `json:"password"`
		Auth     string `json:"auth"`
	}
	token := c.Token.bytes()
	pair := append([]byte(c.Username+":"), token...)
	host := c.Registry
	if host == "docker.io" {
		host = dockerHub
	}
	return json.Marshal(map[string]map[string]login{"auths": {host: {
		Username: c.Username,
		Password: string(token),
		Auth:     base64.StdEncoding.EncodeToString(pair),
	}}})
}

func validUsername(name string) error {
	if err := plainText("username", name); err != nil {
		return err
	}
	if strings.Contains(name, ":") {
		return errors.New("the username contains a colon, which ends the username in a docker config")
	}
	return nil
}

// validRegistry accepts a lower-case host name or IPv4 address with an optional port.
func validRegistry(host string) error {
	name, port, hasPort := strings.Cut(host, ":")
	switch {
	case host == "":
		return errors.New("the registry is empty")
	case strings.Contains(host, "://"):
		return fmt.Errorf("registry %q: give the host without a scheme", host)
	case strings.ContainsAny(host, "*?["):
		return fmt.Errorf("registry %q: a pattern would send the token to every host that matches; give one host", host)
	case strings.Contains(host, "/"):
		return fmt.Errorf("registry %q: give the host without a path", host)
	case host != strings.ToLower(host):
		return fmt.Errorf("registry %q: write the host in lower case", host)
	case host == "index.docker.io" || host == "registry-1.docker.io":
		return fmt.Errorf("registry %q: write docker.io, as image names have it", host)
	case len(name) > 253 || !hostLabels(name):
		return fmt.Errorf("registry %q is not a host name", host)
	}
	if n, err := strconv.Atoi(port); hasPort && (err != nil || n < 1 || n > 65535 || strconv.Itoa(n) != port) {
		return fmt.Errorf("registry %q: the port is not a number from 1 to 65535", host)
	}
	return nil
}

// hostLabels reports whether name is a sequence of RFC 1123 labels.
func hostLabels(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
				return false
			}
		}
	}
	return true
}
