package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// localTransport runs git's own services on a repository of this machine, so
// that its locks, hooks and rules hold.
type localTransport struct {
	gitDir string
	git    string // the program
	idle   time.Duration
}

func newLocalTransport(gitDir string, idle time.Duration) (*localTransport, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("local repositories are written by git itself, which is not installed: %w", err)
	}
	return &localTransport{gitDir: gitDir, git: git, idle: idle}, nil
}

func (t *localTransport) stateless() bool { return false }
func (t *localTransport) close() error    { return nil }

func (t *localTransport) open(ctx context.Context, service string) (conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := newWatchdog(ctx, t.idle)
	args := []string{strings.TrimPrefix(service, "git-"), t.gitDir}
	if service == uploadPack {
		args = append([]string{"-c", "uploadpack.allowFilter=true"}, args...)
	}
	cmd := exec.CommandContext(w.ctx, t.git, args...)
	cmd.Env = append(gitEnv(os.Environ()), "GIT_PROTOCOL=version=2")
	errs := &tail{}
	cmd.Stderr = errs
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// Not killed: git takes its locks away when it is interrupted.
	cmd.Cancel = func() error { return interrupt(cmd.Process) }
	cmd.WaitDelay = closeGrace
	if err := cmd.Start(); err != nil {
		w.stop()
		return nil, fmt.Errorf("run git: %w", err)
	}
	kill := func() { w.cancel(context.Canceled) }
	return newStreamConn(w, process{in: in, out: out, stderr: errs, wait: cmd.Wait, kill: kill}), nil
}

func interrupt(p *os.Process) error {
	if err := p.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return p.Kill() // Windows knows no signals
	}
	return nil
}

// gitEnv keeps of the environment what git and the repository's hooks need: hooks are
// other people's programs, and a service's environment holds secrets. Variables of
// git's own would point it at another repository when berth is run from a hook.
func gitEnv(env []string) []string {
	var out []string
	for _, v := range env {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE", "XDG_CONFIG_HOME",
			"SystemRoot", "USERPROFILE", "TEMP":
			out = append(out, v)
		default:
			if strings.HasPrefix(name, "LC_") {
				out = append(out, v)
			}
		}
	}
	return out
}

// findGitDir returns the folder that holds the objects and refs of the
// repository at path: path itself when it is bare, else its .git.
func findGitDir(path string) (string, error) {
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return "", failf(ErrNotFound, "%s does not exist", path)
		}
		return "", unusable(err)
	}
	if isGitDir(path) {
		return path, nil
	}
	dot := filepath.Join(path, ".git")
	if isGitDir(dot) {
		return dot, nil
	}
	link, err := os.ReadFile(dot)
	if to, ok := strings.CutPrefix(strings.TrimSpace(string(link)), "gitdir: "); err == nil && ok {
		return commonDir(resolveFrom(path, to))
	}
	for _, dir := range []string{path, dot} {
		if _, err := os.Lstat(filepath.Join(dir, "HEAD")); errors.Is(err, fs.ErrPermission) {
			return "", unusable(err)
		}
	}
	return "", failf(ErrNotFound, "%s is not a Git repository", path)
}

// unusable gives an error of the file system its kind.
func unusable(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return &failure{kind: ErrAuthorization, err: err}
	}
	return &failure{kind: ErrNotFound, err: err}
}

// commonDir follows the link of a linked work tree (gitrepository-layout(5)).
func commonDir(dir string) (string, error) {
	if to, err := os.ReadFile(filepath.Join(dir, "commondir")); err == nil {
		dir = resolveFrom(dir, strings.TrimSpace(string(to)))
	}
	if !isGitDir(dir) {
		return "", failf(ErrNotFound, "%s is not a Git repository", dir)
	}
	return dir, nil
}

func resolveFrom(dir, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(dir, path)
}

func isGitDir(dir string) bool {
	head, err := os.Lstat(filepath.Join(dir, "HEAD"))
	if err != nil || head.IsDir() {
		return false
	}
	objects, err := os.Stat(filepath.Join(dir, "objects"))
	return err == nil && objects.IsDir()
}

const newRepoConfig = `[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
`

// Create makes a new empty bare repository at path for a branch. The folder
// must not exist yet, or be empty. Nothing is left behind when it fails.
func Create(ctx context.Context, path, branch string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := checkRefName(branch); err != nil {
		return fmt.Errorf("create repository: %w", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("create repository: %w", err)
	}
	if to, err := filepath.EvalSymlinks(abs); err == nil {
		abs = to
	} else if to, err := os.Readlink(abs); err == nil {
		return fmt.Errorf("create repository: %s links to %s, which is not there", abs, to)
	}
	entries, err := os.ReadDir(abs)
	exists := err == nil
	if len(entries) > 0 {
		return fmt.Errorf("create repository: %s exists and is not empty", abs)
	}
	if !exists && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("create repository: %w", err)
	}
	folder := abs
	if !exists {
		folder = filepath.Dir(abs)
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return fmt.Errorf("create repository: %w", err)
	}
	tmp, err := os.MkdirTemp(folder, ".create-*")
	if err != nil {
		return fmt.Errorf("create repository: %w", err)
	}
	if err = populate(tmp, branch); err == nil && exists {
		err = moveUp(tmp)
	} else if err == nil {
		err = os.Rename(tmp, abs)
	}
	if err != nil {
		_ = os.RemoveAll(tmp)
		return fmt.Errorf("create repository: %w", err)
	}
	return nil
}

// moveUp moves a repository to the folder that it stands in, which stays the same one:
// it may be somebody's working directory, or a mount point.
func moveUp(tmp string) error {
	// With HEAD it becomes a repository; objects is not empty, so that of two only one moves.
	for _, name := range []string{"objects", "refs", "hooks", "info", "config", "HEAD"} {
		if err := os.Rename(filepath.Join(tmp, name), filepath.Join(filepath.Dir(tmp), name)); err != nil {
			return err
		}
	}
	return os.Remove(tmp)
}

func populate(tmp, branch string) error {
	for _, dir := range []string{"objects/info", "objects/pack", "refs/heads", "refs/tags", "hooks", "info"} {
		if err := os.MkdirAll(filepath.Join(tmp, filepath.FromSlash(dir)), 0o777); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"HEAD": "ref: refs/heads/" + branch + "\n", "config": newRepoConfig} {
		if err := os.WriteFile(filepath.Join(tmp, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	return os.Chmod(tmp, 0o755)
}

// checkFormat refuses repositories whose objects this package cannot read.
func checkFormat(gitDir string) error {
	config, err := os.ReadFile(filepath.Join(gitDir, "config"))
	if err != nil {
		return fmt.Errorf("read the repository's configuration: %w", err)
	}
	for line := range strings.Lines(strings.ToLower(string(config))) {
		key, value, _ := strings.Cut(line, "=")
		key = key[strings.IndexByte(key, ']')+1:] // a section may begin on the same line
		if strings.TrimSpace(key) == "objectformat" && strings.HasPrefix(strings.Trim(value, " \t\""), "sha256") {
			return fmt.Errorf("%s uses SHA-256 object ids, which are not supported", gitDir)
		}
	}
	return nil
}
