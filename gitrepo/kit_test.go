package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// git runs the real git on a repository and returns its output.
func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	return gitIn(t, dir, nil, args...)
}

func gitIn(t testing.TB, dir string, stdin []byte, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(gitEnv(os.Environ()), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull,
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com")
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// newBare makes an empty repository as Create does.
func newBare(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "fleet.git")
	if err := Create(context.Background(), dir, "main"); err != nil {
		t.Fatal(err)
	}
	return dir
}

// seed commits files to a branch with the real git.
func seed(t testing.TB, dir, branch string, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	fmt.Fprintf(&b, "commit refs/heads/%s\ncommitter t <t@example.com> 1700000000 +0000\ndata 5\nseed\n\n", branch)
	if out, err := exec.Command("git", "-C", dir, "rev-parse", "-q", "--verify", "refs/heads/"+branch).Output(); err == nil {
		fmt.Fprintf(&b, "from %s\n", strings.TrimSpace(string(out)))
	}
	for path, text := range files {
		mode := "100644"
		if m, rest, ok := strings.Cut(path, " "); ok {
			mode, path = m, rest
		}
		if mode == "160000" {
			fmt.Fprintf(&b, "M 160000 %s %s\n", text, path)
			continue
		}
		fmt.Fprintf(&b, "M %s inline %s\ndata %d\n%s\n", mode, path, len(text), text)
	}
	gitIn(t, dir, b.Bytes(), "fast-import", "--quiet")
	return git(t, dir, "rev-parse", branch)
}

// httpServer serves every repository below root with git http-backend.
type httpServer struct {
	*httptest.Server
}

func (s *httpServer) url(dir string) string { return s.URL + "/" + filepath.Base(dir) }

func backend(root string) http.Handler {
	return &cgi.Handler{
		Path: gitPath(), Args: []string{"http-backend"},
		Env: []string{
			"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=tester",
			"GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_SYSTEM=" + os.DevNull,
		},
		Stderr: io.Discard,
	}
}

func gitPath() string {
	p, err := exec.LookPath("git")
	if err != nil {
		panic(err)
	}
	return p
}

// serveHTTP serves the folder that holds dir.
func serveHTTP(t testing.TB, dir string, wrap func(http.Handler) http.Handler) *httpServer {
	t.Helper()
	root := filepath.Dir(dir)
	h := backend(root)
	if wrap != nil {
		h = wrap(h)
	}
	s := &httpServer{Server: httptest.NewServer(h)}
	t.Cleanup(s.Close)
	return s
}

// open opens a repository whose waits are short.
func open(t testing.TB, url string, o Options) *Repo {
	t.Helper()
	if o.Now == nil {
		o.Now = func() time.Time { return time.Unix(1_700_000_000, 0).UTC() }
	}
	r, err := Open(context.Background(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	hurry(r)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func hurry(r *Repo) {
	r.retryWait = fullJitter(time.Millisecond, 20*time.Millisecond)
	r.movedWait = fullJitter(time.Millisecond, 20*time.Millisecond)
	r.remote.wait = fullJitter(time.Millisecond, 5*time.Millisecond)
}

// write is a plan that sets files; an empty text deletes.
func write(message string, files map[string]string) Plan {
	return func(fs.FS) (*Change, error) {
		c := &Change{Message: message, Files: map[string][]byte{}}
		for p, text := range files {
			if text == "" {
				c.Files[p] = nil
			} else {
				c.Files[p] = []byte(text)
			}
		}
		return c, nil
	}
}

// fsck proves that a repository is whole.
func fsck(t testing.TB, dir string) {
	t.Helper()
	for line := range strings.Lines(git(t, dir, "fsck", "--strict", "--no-dangling")) {
		if !strings.HasPrefix(line, "notice:") {
			t.Errorf("git fsck: %s", line)
		}
	}
}

// dropGitProtocol makes the server speak protocol v0.
func dropGitProtocol(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Git-Protocol")
		h.ServeHTTP(w, r)
	})
}

func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }
