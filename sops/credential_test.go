package sops

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

func TestCredentialValidate(t *testing.T) {
	for name, tc := range map[string]struct{ registry, username, token, want string }{
		"ghcr":                {"ghcr.io", "alice", marked, ""},
		"legacy token":        {"ghcr.io", "alice", strings.Repeat("0a", 20), ""},
		"fine-grained token":  {"ghcr.io", "alice", "github_pat_" + marked, ""},
		"OAuth token":         {"ghcr.io", "alice", "gho_" + marked, ""},
		"App token":           {"ghcr.io", "alice", "ghs_" + marked, "ghs_"},
		"refresh token":       {"ghcr.io", "alice", "ghr_" + marked, "ghr_"},
		"App token elsewhere": {"registry.example.com", "alice", "ghs_" + marked, ""},
		"port":                {"localhost:5000", "alice", marked, ""},
		"address":             {"127.0.0.1:5000", "alice", marked, ""},
		"Tencent":             {"name.tencentcloudcr.com", "tcr$robot", marked, ""},
		"Hub":                 {"docker.io", "alice", marked, ""},
		"Hub by its endpoint": {"index.docker.io", "alice", marked, "write docker.io"},
		"JSON key":            {"gcr.io", "_json_key", "{\n}" + marked, "line end"},
		"no registry":         {"", "alice", marked, "registry is empty"},
		"star":                {"*.io", "alice", marked, "pattern"},
		"question mark":       {"ghcr.i?", "alice", marked, "pattern"},
		"bracket":             {"[a-z].io", "alice", marked, "pattern"},
		"scheme":              {"https://ghcr.io", "alice", marked, "scheme"},
		"path":                {"ghcr.io/alice", "alice", marked, "path"},
		"upper case":          {"GHCR.io", "alice", marked, "lower case"},
		"space":               {"ghcr .io", "alice", marked, "not a host"},
		"newline":             {"ghcr.io\n", "alice", marked, "not a host"},
		"quote":               {`ghcr.io"`, "alice", marked, "not a host"},
		"user in host":        {"alice@ghcr.io", "alice", marked, "not a host"},
		"empty label":         {"ghcr..io", "alice", marked, "not a host"},
		"dash first":          {"-ghcr.io", "alice", marked, "not a host"},
		"empty port":          {"ghcr.io:", "alice", marked, "port"},
		"big port":            {"ghcr.io:65536", "alice", marked, "port"},
		"signed port":         {"ghcr.io:+443", "alice", marked, "port"},
		"two ports":           {"ghcr.io:1:2", "alice", marked, "port"},
		"no username":         {"ghcr.io", "", marked, "username is empty"},
		"colon":               {"ghcr.io", "al:ice", marked, "colon"},
		"username newline":    {"ghcr.io", "al\nice", marked, "line end"},
		"username NUL":        {"ghcr.io", "al\x00ice", marked, "invisible"},
		"username separator":  {"ghcr.io", "al\u2028ice", marked, "line end"},
		"username not UTF-8":  {"ghcr.io", "al\xffice", marked, "UTF-8"},
		"long username":       {"ghcr.io", strings.Repeat("a", 1025), marked, "longer"},
		"no token":            {"ghcr.io", "alice", "", "token is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			c := Credential{tc.registry, tc.username, NewToken(tc.token)}
			wantError(t, c.Validate(), tc.want)
		})
	}
}

func TestCredentialWarnings(t *testing.T) {
	for token, want := range map[string]string{
		"ghp_x": "", "github_pat_x": "fine-grained", "gho_x": "OAuth", "ghu_x": "eight hours",
	} {
		got := strings.Join(Credential{"ghcr.io", "alice", NewToken(token)}.Warnings(), "\n")
		if got == "" != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: warnings %q, want %q", token, got, want)
		}
		if other := (Credential{"quay.io", "alice", NewToken(token)}).Warnings(); other != nil {
			t.Errorf("%s on another registry: %q", token, other)
		}
	}
}

func TestDockerConfig(t *testing.T) {
	b, err := Credential{"ghcr.io", "alice", NewToken("t")}.dockerConfig()
	check(t, err)
	if want := `{"auths":{"ghcr.io":{"username":"alice","password":"t","auth":"YWxpY2U6dA=="}}}`; string(b) != want {
		t.Errorf("got %s\nwant %s", b, want)
	}
}

// TestDockerConfigMeansTheSame: what a kubelet reads back is what went in.
func TestDockerConfigMeansTheSame(t *testing.T) {
	for _, tc := range []struct{ registry, key, username, token string }{
		{"ghcr.io", "ghcr.io", "alice", "ghp_x"},
		{"docker.io", "https://index.docker.io/v1/", "ålice <&>", `"\<&>` + "\u2028é"},
		{"localhost:5000", "localhost:5000", "tcr$robot+x", "a:b:c"},
	} {
		b, err := Credential{tc.registry, tc.username, NewToken(tc.token)}.dockerConfig()
		check(t, err)
		var got struct {
			Auths map[string]struct{ Username, Password, Auth string }
		}
		check(t, json.Unmarshal(b, &got))
		login := got.Auths[tc.key]
		pair, err := base64.StdEncoding.DecodeString(login.Auth)
		check(t, err)
		if len(got.Auths) != 1 || login.Username != tc.username || login.Password != tc.token || string(pair) != tc.username+":"+tc.token {
			t.Errorf("%s: read back %+v with %q", tc.registry, got, pair)
		}
	}
}
