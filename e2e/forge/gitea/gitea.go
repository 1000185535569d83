// Package gitea starts a real Gitea on loopback for proofs: [Start] it once,
// and give each test a [Gitea.NewRepository].
package gitea

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/berth-gitops/berth/e2e/components"
	"github.com/berth-gitops/berth/e2e/process"
)

// Gitea is a running Gitea with these accounts: an administrator; acme, who
// owns the repositories; berth, who may write to them; and carol, a person who
// may, too.
type Gitea struct {
	// URL is the site's address, without a trailing slash.
	URL string
	// SSHAddress is host:port of its SSH server.
	SSHAddress string
	// KnownHosts is a file with the SSH server's key.
	KnownHosts string

	dir     string
	process *process.Process
	tokens  map[string]string // by account
	count   atomic.Int64      // of repositories
}

const (
	administrator = "boss"
	owner         = "acme"
	berth         = "berth"
	reader        = "reader" // a token of berth's that may only read
	person        = "carol"
	password      = "not-a-secret-on-loopback"
)

// Start builds Gitea if need be and starts it, with all that it keeps in a
// folder of its own. Progress goes to log.
func Start(ctx context.Context, log io.Writer) (*Gitea, error) {
	built, err := components.EnsureGitea(ctx, log)
	if err != nil {
		return nil, err
	}
	dir, err := process.TempDir("berth-gitea-")
	if err != nil {
		return nil, err
	}
	g := &Gitea{dir: dir, tokens: map[string]string{}}
	if err := g.start(ctx, built); err != nil {
		_ = g.Stop() // err says it
		return nil, fmt.Errorf("starting Gitea: %w", err)
	}
	return g, nil
}

// Stop ends Gitea and removes what it kept. It is an error, with the end of
// Gitea's log, when Gitea had ended by itself.
func (g *Gitea) Stop() error {
	if g.process == nil {
		return os.RemoveAll(g.dir)
	}
	err := g.process.Ended()
	g.process.Kill()
	return errors.Join(err, os.RemoveAll(g.dir))
}

func (g *Gitea) start(ctx context.Context, built *components.Gitea) error {
	ports, err := process.FreePorts(2)
	if err != nil {
		return err
	}
	g.URL = "http://" + process.Loopback(ports[0])
	g.SSHAddress = process.Loopback(ports[1])
	config := filepath.Join(g.dir, "app.ini")
	if err := os.WriteFile(config, []byte(settings(g.dir, built.Static, g.URL, ports)), 0o600); err != nil {
		return err
	}
	server := process.Command(built.Program, "web", "--config", config)
	server.Env = environment(g.dir)
	if g.process, err = process.Start(g.dir, server); err != nil {
		return err
	}
	if err := g.wait(ctx); err != nil {
		return err
	}
	// The first account is made past the API, which knows nobody yet.
	admin := exec.CommandContext(ctx, built.Program, "admin", "user", "create", "--config", config, "--admin",
		"--username", administrator, "--password", password, "--email", "boss@example.com", "--must-change-password=false")
	admin.Env = environment(g.dir)
	if out, err := admin.CombinedOutput(); err != nil {
		return fmt.Errorf("making the administrator: %w\n%s", err, out)
	}
	if err := g.accounts(ctx); err != nil {
		return err
	}
	return g.knownHosts()
}

// environment keeps the user's own Git settings out.
func environment(home string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "USER=" + os.Getenv("USER"), "GIT_CONFIG_NOSYSTEM=1"}
}

// settings is Gitea's app.ini. A merge makes Gitea check every open pull request
// into the same branch again; told to delay that, it checks one when somebody
// asks for it.
func settings(dir, static, url string, ports []int) string {
	return strings.NewReplacer("{dir}", dir, "{static}", static, "{url}", url,
		"{http}", strconv.Itoa(ports[0]), "{ssh}", strconv.Itoa(ports[1])).Replace(`
WORK_PATH = {dir}/work
RUN_MODE = prod
I_AM_BEING_UNSAFE_RUNNING_AS_ROOT = true
[server]
HTTP_ADDR = 127.0.0.1
HTTP_PORT = {http}
ROOT_URL = {url}/
STATIC_ROOT_PATH = {static}
OFFLINE_MODE = true
START_SSH_SERVER = true
BUILTIN_SSH_SERVER_USER = git
SSH_DOMAIN = 127.0.0.1
SSH_LISTEN_HOST = 127.0.0.1
SSH_LISTEN_PORT = {ssh}
SSH_PORT = {ssh}
LFS_START_SERVER = false
[database]
DB_TYPE = sqlite3
PATH = {dir}/gitea.db
SQLITE_JOURNAL_MODE = WAL
[repository.pull-request]
DELAY_CHECK_FOR_INACTIVE_DAYS = 0
[security]
INSTALL_LOCK = true
SECRET_KEY = loopback
PASSWORD_HASH_ALGO = pbkdf2$1$10
[service]
DISABLE_REGISTRATION = true
[indexer]
ISSUE_INDEXER_TYPE = db
[session]
PROVIDER = memory
[log]
LEVEL = Warn
[actions]
ENABLED = false
[packages]
ENABLED = false
[oauth2]
ENABLED = false
[cron]
ENABLED = false
`)
}

// wait returns once the API answers.
func (g *Gitea) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := g.call(ctx, "", http.MethodGet, "/version", nil, nil)
		if err == nil {
			return nil
		}
		if err := g.process.Ended(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func (g *Gitea) accounts(ctx context.Context) error {
	for _, a := range []struct{ token, user, scopes string }{
		{administrator, administrator, "all"},
		{owner, owner, "all"},
		{person, person, "all"},
		{berth, berth, "write:repository write:issue read:user"},
		{reader, berth, "read:repository read:issue read:user"},
	} {
		if a.token == a.user && a.user != administrator {
			if err := g.call(ctx, administrator, http.MethodPost, "/admin/users", map[string]any{
				"username": a.user, "email": a.user + "@example.com", "password": password, "must_change_password": false,
			}, nil); err != nil {
				return err
			}
		}
		var made struct {
			SHA1 string `json:"sha1"`
		}
		in := map[string]any{"name": a.token, "scopes": strings.Fields(a.scopes)}
		if err := g.callAs(ctx, basic(a.user), http.MethodPost, "/users/"+a.user+"/tokens", in, &made); err != nil {
			return err
		}
		g.tokens[a.token] = made.SHA1
	}
	return nil
}

// knownHosts writes the key that Gitea made for its SSH server.
func (g *Gitea) knownHosts() error {
	key, err := os.ReadFile(filepath.Join(g.dir, "work", "data", "ssh", "gitea.rsa.pub"))
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(g.SSHAddress)
	if err != nil {
		return err
	}
	g.KnownHosts = filepath.Join(g.dir, "known_hosts")
	return os.WriteFile(g.KnownHosts, fmt.Appendf(nil, "[%s]:%s %s", host, port, key), 0o600)
}
