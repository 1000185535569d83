package forge

import (
	"strings"
	"testing"
)

func TestLocate(t *testing.T) {
	for _, c := range []struct {
		address string
		kind    Kind
		api     string
		want    Repository
	}{
		{"https://github.com/acme/gitops.git", "", "", Repository{GitHub, "https://api.github.com", "acme/gitops"}},
		{"https://GitHub.com/acme/gitops/", "", "", Repository{GitHub, "https://api.github.com", "acme/gitops"}},
		{"git@github.com:acme/gitops.git", "", "", Repository{GitHub, "https://api.github.com", "acme/gitops"}},
		{"ssh://git@ssh.github.com:443/acme/gitops.git", "", "", Repository{GitHub, "https://api.github.com", "acme/gitops"}},
		{"https://acme.ghe.com/acme/gitops", "", "", Repository{GitHub, "https://api.acme.ghe.com", "acme/gitops"}},
		{"https://github.example.com/acme/gitops", "", "", Repository{GitHub, "https://github.example.com/api/v3", "acme/gitops"}},
		{"https://code.example.com:8443/acme/gitops", GitHub, "", Repository{GitHub, "https://code.example.com:8443/api/v3", "acme/gitops"}},
		{"https://gitlab.com/group/sub/gitops.git", "", "", Repository{GitLab, "https://gitlab.com/api/v4", "group/sub/gitops"}},
		{"git@altssh.gitlab.com:group/gitops", "", "", Repository{GitLab, "https://gitlab.com/api/v4", "group/gitops"}},
		{"ssh://git@git.example.com:2222/group/gitops.git", GitLab, "", Repository{GitLab, "https://git.example.com/api/v4", "group/gitops"}},
		{"https://example.com/gitlab/group/gitops", GitLab, "https://example.com/gitlab/api/v4/", Repository{GitLab, "https://example.com/gitlab/api/v4", "group/gitops"}},
		{"git@example.com:gitlab/gitops.git", GitLab, "https://example.com/gitlab/api/v4", Repository{GitLab, "https://example.com/gitlab/api/v4", "gitlab/gitops"}},
		{"https://codeberg.org/acme/gitops", "", "", Repository{Gitea, "https://codeberg.org/api/v1", "acme/gitops"}},
		{"https://forgejo.example.com/acme/gitops", "", "", Repository{Gitea, "https://forgejo.example.com/api/v1", "acme/gitops"}},
		{"http://127.0.0.1:3000/acme/gitops.git", Gitea, "", Repository{Gitea, "http://127.0.0.1:3000/api/v1", "acme/gitops"}},
		{"ssh://git@[::1]:2222/acme/gitops.git", Gitea, "http://[::1]:3000/api/v1", Repository{Gitea, "http://[::1]:3000/api/v1", "acme/gitops"}},
		{"ssh://git@[::1]/acme/gitops.git", Gitea, "", Repository{Gitea, "https://[::1]/api/v1", "acme/gitops"}},
	} {
		got, err := Locate(c.address, c.kind, c.api)
		if err != nil || got != c.want {
			t.Errorf("Locate(%q, %q, %q) = %+v, %v, want %+v", c.address, c.kind, c.api, got, err, c.want)
		}
	}
}

func TestLocateRefuses(t *testing.T) {
	const secret = "s3cret-t0ken"
	for _, c := range []struct{ name, address, kind, api, want string }{
		{"unknown host", "https://git.example.com/acme/gitops", "", "", "cannot be told"},
		{"local path", "/srv/gitops", "gitea", "", "local repository"},
		{"windows path", `C:\gitops`, "gitea", "", "local repository"},
		{"file", "file:///srv/gitops", "gitea", "", "local repository"},
		{"password", "https://alice:" + secret + "@github.com/acme/gitops", "", "", "holds a password"},
		{"not a URL", "https://" + secret + "%zz@github.com/acme/gitops", "", "", "not a valid URL"},
		{"other protocol", "ftp://github.com/acme/gitops", "", "", "ftp"},
		{"no owner", "https://github.com/gitops", "", "", "owner/name"},
		{"too deep", "https://github.com/a/b/c", "", "", "owner/name"},
		{"group only", "https://gitlab.com/group", "", "", "owner/name"},
		{"dots", "https://gitlab.com/group/../other", "", "", "owner/name"},
		{"bad kind", "https://github.com/acme/gitops", "bitbucket", "", "not a kind"},
		{"API with a password", "https://github.com/acme/gitops", "", "https://a:" + secret + "@x.example/api/v3", "no user"},
		{"API of no protocol", "https://github.com/acme/gitops", "", "x.example/api/v3", "http(s)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Locate(c.address, Kind(c.kind), c.api)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%+v, %v, want an error with %q", got, err, c.want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Fatalf("the error repeats the secret: %v", err)
			}
		})
	}
}

func TestParseKind(t *testing.T) {
	for in, want := range map[string]Kind{"": "", "github": GitHub, "GitLab": GitLab, "gitea": Gitea, "forgejo": Gitea} {
		if got, err := ParseKind(in); err != nil || got != want {
			t.Errorf("ParseKind(%q) = %q, %v", in, got, err)
		}
	}
	if _, err := ParseKind("bitbucket"); err == nil {
		t.Error("bitbucket is a kind")
	}
}
