package forgetest

import (
	"fmt"
	"net/http"
	"net/http/cgi"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const slug = "acme/gitops"

// repository is a bare Git repository at <root>/acme/gitops.git, used through
// the git command.
type repository struct{ root, dir string }

func newRepository(t testing.TB) *repository {
	t.Helper()
	root := t.TempDir()
	r := &repository{root: root, dir: filepath.Join(root, slug+".git")}
	for _, args := range [][]string{
		{"init", "--quiet", "--bare", "--initial-branch=main", r.dir},
		{"-C", r.dir, "config", "http.receivepack", "true"},
		{"-C", r.dir, "config", "uploadpack.allowFilter", "true"},
	} {
		if out, err := exec.CommandContext(t.Context(), "git", args...).CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if err := r.commit("main", "README.md"); err != nil {
		t.Fatal(err)
	}
	return r
}

// git runs a command in the repository. It has no test to fail: handlers call
// it, too.
func (r *repository) git(stdin string, args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-C", r.dir}, args...)...) //nolint:noctx // ends by itself within milliseconds
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// tip is the commit of a branch, or "".
func (r *repository) tip(branch string) string {
	id, err := r.git("", "rev-parse", "--verify", "--quiet", "refs/heads/"+branch)
	if err != nil {
		return ""
	}
	return id
}

// ahead reports whether head has commits that base lacks; both must exist.
func (r *repository) ahead(head, base string) bool {
	out, err := r.git("", "rev-list", "--max-count=1", "refs/heads/"+base+"..refs/heads/"+head)
	return err == nil && out != ""
}

// commit adds a file on top of a branch, or of main where there is no such branch.
func (r *repository) commit(branch, file string) error {
	from := ""
	if tip := r.tip(branch); tip != "" {
		from = "from " + tip + "\n"
	} else if tip := r.tip("main"); tip != "" {
		from = "from " + tip + "\n"
	}
	stream := fmt.Sprintf("commit refs/heads/%s\ncommitter A Person <person@example.com> 1750000000 +0000\ndata 7\nchange\n%sM 100644 inline %s\ndata 5\ntext\n\n",
		branch, from, file)
	_, err := r.git(stream, "fast-import", "--quiet")
	return err
}

func (r *repository) merge(head, base string) error {
	tree, err := r.git("", "merge-tree", "--write-tree", base, head)
	if err != nil {
		return err
	}
	commit, err := r.git("", "-c", "user.name=A Person", "-c", "user.email=person@example.com",
		"commit-tree", tree, "-p", base, "-p", head, "-m", "merge")
	if err != nil {
		return err
	}
	_, err = r.git("", "update-ref", "refs/heads/"+base, commit)
	return err
}

func (r *repository) deleteBranch(branch string) error {
	_, err := r.git("", "update-ref", "-d", "refs/heads/"+branch)
	return err
}

// serve answers Git's smart HTTP.
func (r *repository) serve(w http.ResponseWriter, req *http.Request, user string) {
	h := &cgi.Handler{Path: "/bin/sh", Args: []string{"-c", "exec git http-backend"}, InheritEnv: []string{"PATH"}, Env: []string{
		"GIT_PROJECT_ROOT=" + r.root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=" + user,
		"GIT_PROTOCOL=" + req.Header.Get("Git-Protocol"),
	}}
	h.ServeHTTP(w, req)
}
