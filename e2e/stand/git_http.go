package stand

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/berth-gitops/berth/e2e/process"
)

// An Account is a name and a password (or token) that a server knows.
type Account struct{ Username, Password string }

func (a Account) matches(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	same := func(a, b string) int { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) }
	return ok && same(user, a.Username)&same(password, a.Password) == 1
}

// newBareRepository makes an empty repository that git's own HTTP and SSH back
// ends serve: pushes and partial clones are allowed.
func newBareRepository(ctx context.Context, dir string) error {
	if err := runGit(ctx, "", "init", "--quiet", "--bare", "--initial-branch=main", dir); err != nil {
		return err
	}
	for _, setting := range [][2]string{
		{"http.receivepack", "true"},
		{"uploadpack.allowFilter", "true"},
		{"uploadpack.allowAnySHA1InWant", "true"},
		{"receive.denyNonFastForwards", "true"},
		{"core.fsync", "none"}, // nothing here must survive a crash
	} {
		if err := runGit(ctx, dir, "config", setting[0], setting[1]); err != nil {
			return err
		}
	}
	return nil
}

// serveGitHTTP serves every repository below root with git's own back end, on
// a free loopback port, to the given accounts. Stop it by closing the listener.
func serveGitHTTP(root, logs string, accounts ...Account) (net.Listener, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("git is not installed (or not in PATH): %w", err)
	}
	logFile, err := os.OpenFile(filepath.Join(logs, "git-http.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	logger := log.New(logFile, "", log.LstdFlags)
	handler := func(w http.ResponseWriter, r *http.Request) {
		for _, account := range accounts {
			if account.matches(r) {
				logger.Printf("%s %s %s", account.Username, r.Method, r.URL)
				backend(git, root, account.Username, logFile, logger).ServeHTTP(w, withLength(r))
				return
			}
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		http.Error(w, "authentication required", http.StatusUnauthorized)
	}
	listener, err := process.Listen()
	if err != nil {
		return nil, err
	}
	go func() { _ = (&http.Server{Handler: http.HandlerFunc(handler), ErrorLog: logger}).Serve(listener) }()
	return listener, nil
}

func backend(git, root, user string, stderr io.Writer, logger *log.Logger) http.Handler {
	return &cgi.Handler{
		Path: git, Args: []string{"http-backend"}, Dir: root, Stderr: stderr, Logger: logger,
		Env: []string{
			"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=" + user,
			"GIT_CONFIG_NOSYSTEM=1", "HOME=" + root,
		},
	}
}

// withLength reads a chunked body: CGI has no way to pass one on.
func withLength(r *http.Request) *http.Request {
	if r.ContentLength >= 0 {
		return r
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		body = nil // the back end answers the cut request
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	return r
}

// Git runs git in a folder, away from the configuration of whoever runs the tests.
func Git(ctx context.Context, dir string, args ...string) (string, error) {
	return gitOutput(ctx, dir, args...)
}

func runGit(ctx context.Context, dir string, args ...string) error {
	_, err := gitOutput(ctx, dir, args...)
	return err
}

// gitOutput runs git away from the configuration of whoever runs the tests.
func gitOutput(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=e2e", "GIT_AUTHOR_EMAIL=e2e@example.com",
		"GIT_COMMITTER_NAME=e2e", "GIT_COMMITTER_EMAIL=e2e@example.com")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}
