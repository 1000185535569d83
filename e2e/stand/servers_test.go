package stand

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// The proofs say "the other user is refused" of these servers, so the servers
// must refuse.

func TestRegistryKeepsUsersApart(t *testing.T) {
	r, err := ServeRegistry(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.Allow("alice", "alice-token")
	r.Allow("bob", "bob-token")
	if _, err := r.Push("alice/shop", "v1"); err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(r.Host + "/alice/shop:v1")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		who  string
		auth authn.Authenticator
		want string // "" is success
	}{
		{"alice", &authn.Basic{Username: "alice", Password: "alice-token"}, ""},
		{"bob", &authn.Basic{Username: "bob", Password: "bob-token"}, "DENIED"},
		{"a wrong token", &authn.Basic{Username: "alice", Password: "x"}, "UNAUTHORIZED"},
		{"nobody", authn.Anonymous, "UNAUTHORIZED"},
	} {
		_, err := remote.Get(ref, remote.WithAuth(test.auth))
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", test.who, err, test.want)
		}
	}
	r.Allow("alice", "newer-token")
	if _, err := remote.Get(ref, remote.WithAuth(&authn.Basic{Username: "alice", Password: "alice-token"})); err == nil {
		t.Error("a replaced token still pulls")
	}
}

func TestGitServers(t *testing.T) {
	root, dir := t.TempDir(), t.TempDir()
	if err := newBareRepository(t.Context(), filepath.Join(root, "fleet.git")); err != nil {
		t.Fatal(err)
	}
	account := Account{"flux", "secret"}
	listener, err := serveGitHTTP(root, dir, account)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	server, err := ServeGitSSH(root, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()

	over := func(user *url.Userinfo) string {
		return (&url.URL{Scheme: "http", User: user, Host: listener.Addr().String(), Path: "/fleet.git"}).String()
	}
	if err := runGit(t.Context(), "", "ls-remote", over(nil)); err == nil {
		t.Error("HTTP lets anybody in")
	}
	if err := runGit(t.Context(), "", "ls-remote", over(url.UserPassword("flux", "wrong"))); err == nil {
		t.Error("HTTP takes any password")
	}
	pushAndClone(t, over(url.UserPassword(account.Username, account.Password)), "http")

	t.Setenv("GIT_SSH_COMMAND", "ssh -F /dev/null -o BatchMode=yes -o UserKnownHostsFile="+server.KnownHosts)
	if err := runGit(t.Context(), "", "ls-remote", server.URL("fleet.git")); err == nil {
		t.Error("SSH lets anybody in")
	}
	t.Setenv("GIT_SSH_COMMAND", os.Getenv("GIT_SSH_COMMAND")+" -i "+server.KeyFile)
	pushAndClone(t, server.URL("fleet.git"), "ssh")
}

// pushAndClone sends a megabyte, which git sends in chunks, and reads it back.
func pushAndClone(t *testing.T, remote, branch string) {
	t.Helper()
	work, back := t.TempDir(), filepath.Join(t.TempDir(), "clone")
	data, err := os.ReadFile(exe(t, "git"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, "file"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "--quiet"}, {"add", "."}, {"commit", "--quiet", "-m", "x"},
		{"push", "--quiet", remote, "HEAD:" + branch},
		{"clone", "--quiet", "--depth=1", "--branch", branch, remote, back},
	} {
		if err := runGit(t.Context(), work, args...); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(back, "file"))
	if err != nil || string(got) != string(data) {
		t.Errorf("cloned file differs (%v)", err)
	}
}

func exe(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
