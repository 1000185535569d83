package forge

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/berth-gitops/berth/e2e/forge/gitea"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/gitrepo/forge"
	"github.com/berth-gitops/berth/gitrepo/forge/forgetest"
)

// overHTTP and overSSH open a repository as berth.
func overHTTP(t *testing.T, r *gitea.Repository, a forgetest.Account) *gitrepo.Repo {
	t.Helper()
	return openRepo(t, r.Address(), gitrepo.Options{Username: "berth", Password: r.Token(t, a)})
}

func overSSH(t *testing.T, r *gitea.Repository) *gitrepo.Repo {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	r.AddKey(t, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
	return openRepo(t, r.SSHAddress(), gitrepo.Options{SSHKeyFile: file, KnownHostsFile: site.KnownHosts})
}

func openRepo(t *testing.T, address string, o gitrepo.Options) *gitrepo.Repo {
	t.Helper()
	repo, err := gitrepo.Open(t.Context(), address, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repo.Close() })
	return repo
}

// write makes a branch hold a file and returns what became of it.
func write(ctx context.Context, repo *gitrepo.Repo, branch, file, text string) (gitrepo.Result, error) {
	return repo.Update(ctx, branch, func(fs.FS) (*gitrepo.Change, error) {
		return &gitrepo.Change{Files: map[string][]byte{file: []byte(text)}, Message: "Change " + file}, nil
	})
}

// TestPushAndRequest goes the whole way: a branch is pushed by package gitrepo
// over each protocol, and its pull request opened, run again, and updated by a
// further push.
func TestPushAndRequest(t *testing.T) {
	r := site.NewRepository(t)
	f := forgetest.Open(t, r, forgetest.Berth)
	for name, repo := range map[string]*gitrepo.Repo{"http": overHTTP(t, r, forgetest.Berth), "ssh": overSSH(t, r)} {
		t.Run(name, func(t *testing.T) {
			w := forge.Want{Head: "berth/over-" + name, Base: "main", Title: "over " + name, Labels: []string{"berth"}}
			r.NewBranch(t, w.Head)
			_, _, err := f.Ensure(t.Context(), w)
			if !errors.Is(err, forge.ErrNoDiff) {
				t.Fatalf("without a commit: %v", err)
			}
			first, err := write(t.Context(), repo, w.Head, name+".txt", "one")
			if err != nil {
				t.Fatal(err)
			}
			pr, outcome, err := f.Ensure(t.Context(), w)
			if err != nil || outcome != forge.Opened || pr.HeadCommit != first.Commit.String() {
				t.Fatalf("%+v, %s, %v, want commit %s", pr, outcome, err, first.Commit)
			}
			again, err := write(t.Context(), repo, w.Head, name+".txt", "one")
			if err != nil || again.Changed {
				t.Fatalf("the same again: %+v, %v", again, err)
			}
			if _, outcome, err = f.Ensure(t.Context(), w); err != nil || outcome != forge.Unchanged {
				t.Fatalf("the same again: %s, %v", outcome, err)
			}
			if _, err := write(t.Context(), repo, w.Head, name+".txt", "two"); err != nil {
				t.Fatal(err)
			}
			if same, _, err := f.Ensure(t.Context(), w); err != nil || same.Number != pr.Number {
				t.Fatalf("%+v, %v after another push", same, err)
			}
			r.Merge(t, pr.Number)
			if merged, err := f.Get(t.Context(), pr.Number); err != nil || merged.State != forge.Merged {
				t.Fatalf("%+v, %v after the merge", merged, err)
			}
			tip, err := repo.Tip(t.Context(), "main")
			if err != nil {
				t.Fatal(err)
			}
			if text, err := fs.ReadFile(tip, name+".txt"); err != nil || string(text) != "two" {
				t.Fatalf("main holds %q, %v", text, err)
			}
		})
	}
}

// TestReadOnlyPush: the same token that may not open may not push either.
func TestReadOnlyPush(t *testing.T) {
	r := site.NewRepository(t)
	r.NewBranch(t, "berth/shop")
	for account, want := range map[forgetest.Account]error{
		forgetest.Reader: gitrepo.ErrAuthorization, forgetest.Nobody: gitrepo.ErrAuthentication,
	} {
		_, err := write(t.Context(), overHTTP(t, r, account), "berth/shop", "a.txt", "text")
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", account, err, want)
		}
		if err != nil && strings.Contains(err.Error(), r.TokenText(account)) {
			t.Errorf("%s: the error holds the token: %v", account, err)
		}
	}
}

// TestProtectedBranch: nobody may push to main, and pull requests go on.
func TestProtectedBranch(t *testing.T) {
	r := site.NewRepository(t)
	r.Protect(t, "main")
	r.NewBranch(t, "berth/shop")
	repo := overHTTP(t, r, forgetest.Berth)
	_, err := write(t.Context(), repo, "main", "a.txt", "text")
	var rejected *gitrepo.RejectedError
	if !errors.As(err, &rejected) {
		t.Fatalf("a push to a protected branch: %v", err)
	}
	if _, err := write(t.Context(), repo, "berth/shop", "a.txt", "text"); err != nil {
		t.Fatal(err)
	}
	f := forgetest.Open(t, r, forgetest.Berth)
	pr, outcome, err := f.Ensure(t.Context(), forge.Want{Head: "berth/shop", Base: "main", Title: "shop"})
	if err != nil || outcome != forge.Opened {
		t.Fatalf("%+v, %s, %v", pr, outcome, err)
	}
	tip, err := repo.Tip(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	if err := repo.DeleteBranch(t.Context(), "main", tip.Commit()); !errors.As(err, &rejected) {
		t.Fatalf("the protected branch was deleted: %v", err)
	}
}

// TestDeleteBranch deletes a branch over each protocol, but not somebody's push to it.
func TestDeleteBranch(t *testing.T) {
	r := site.NewRepository(t)
	for name, repo := range map[string]*gitrepo.Repo{"http": overHTTP(t, r, forgetest.Berth), "ssh": overSSH(t, r)} {
		t.Run(name, func(t *testing.T) {
			branch := "berth/over-" + name
			r.NewBranch(t, branch)
			made, err := write(t.Context(), repo, branch, name+".txt", "one")
			if err != nil {
				t.Fatal(err)
			}
			pushed, err := gitrepo.ParseHash(r.Commit(t, branch))
			if err != nil {
				t.Fatal(err)
			}
			if err := repo.DeleteBranch(t.Context(), branch, made.Commit); !errors.Is(err, gitrepo.ErrForeignBranch) {
				t.Fatalf("over a person's commit: %v", err)
			}
			for range 2 { // the second time it is gone already
				if err := repo.DeleteBranch(t.Context(), branch, pushed); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
