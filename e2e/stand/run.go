package stand

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berth-gitops/berth/e2e/components"
)

// Cluster is the cluster's name in berth.yaml.
const Cluster = "home"

// Result is what a program printed and how it ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs a program with kubectl, berth and their settings at hand. An exit
// code is no error.
func (s *Stand) Run(ctx context.Context, stdin, program string, args ...string) (Result, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.Dir
	cmd.Env = s.environment()
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return Result{stdout.String(), stderr.String(), exit.ExitCode()}, nil
	}
	return Result{stdout.String(), stderr.String(), 0}, err
}

// environment is that of a platform engineer at work on this stand, without
// what the tester's own says about git and berth.
func (s *Stand) environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "BERTH_") || strings.HasPrefix(v, "FLUX_") || strings.HasPrefix(v, "GIT_")
	})
	path := strings.Join(append(s.ProgramDirs(), os.Getenv("PATH")), string(os.PathListSeparator))
	return append(append(env, "PATH="+path, "HOME="+s.Dir), s.Settings()...)
}

// ProgramDirs are the folders of kubectl and berth, for the front of PATH.
func (s *Stand) ProgramDirs() []string {
	return []string{filepath.Dir(s.bin.Kubectl), filepath.Dir(s.Berth)}
}

// Settings are the environment variables, as NAME=value, with which berth and
// kubectl work on this stand.
func (s *Stand) Settings() []string {
	settings := []string{
		"XDG_CONFIG_HOME=" + filepath.Join(s.Dir, "config"),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"KUBECONFIG=" + s.Kubeconfig,
		"BERTH_REPO=" + s.GitURL(),
		"PLATFORM_KEY_FILE=" + s.PlatformKeyFile(),
	}
	if s.ssh != nil {
		return append(settings,
			"BERTH_SSH_KEY_FILE="+s.ssh.KeyFile, "BERTH_SSH_KNOWN_HOSTS="+s.ssh.KnownHosts,
			"FLUX_GIT_KEY_FILE="+s.ssh.KeyFile, "FLUX_GIT_KNOWN_HOSTS_FILE="+s.ssh.KnownHosts)
	}
	return append(settings,
		"BERTH_GIT_USERNAME="+s.GitUser.Username, "BERTH_GIT_PASSWORD_FILE="+s.passwordFile(),
		"FLUX_GIT_USERNAME="+s.GitUser.Username, "FLUX_GIT_PASSWORD_FILE="+s.passwordFile())
}

func (s *Stand) passwordFile() string { return filepath.Join(s.Dir, "git-password") }

// PlatformKeyFile is where `berth init` puts the platform's age identity.
func (s *Stand) PlatformKeyFile() string {
	return filepath.Join(s.Dir, "config", "berth", Cluster+".agekey")
}

// KeyFile is where `berth init` puts the berth key.
func (s *Stand) KeyFile() string { return filepath.Join(s.Dir, "config", "berth", "key") }

// Init makes a repository and the cluster berth's, and waits until the root
// Kustomization, which has no project yet, is healthy.
func (s *Stand) Init(ctx context.Context) (err error) {
	if s.Berth == "" {
		if s.Berth, err = components.Berth(ctx, filepath.Join(s.Dir, "bin")); err != nil {
			return err
		}
	}
	if err := newBareRepository(ctx, s.Repository()); err != nil {
		return err
	}
	if err := os.WriteFile(s.passwordFile(), []byte(s.GitUser.Password+"\n"), 0o600); err != nil {
		return err
	}
	if err := s.MakeReady(ctx); err != nil {
		return err
	}
	commit, err := s.Tip(ctx)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := s.Ready(ctx, commit, "projects"); err != nil {
		return fmt.Errorf("the root Kustomization without a project: %w", err)
	}
	fmt.Fprintf(s.log, "✔ Flux follows the repository (%v)\n", time.Since(begin).Round(100*time.Millisecond))
	return nil
}

// MakeReady runs `berth init` and then each command that it prints.
func (s *Stand) MakeReady(ctx context.Context) error {
	out, err := s.Do(ctx, "", "init", "--cluster", Cluster, "--flux-url", s.GitURL())
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "#") {
			fmt.Fprint(s.log, "  ", line)
			continue
		}
		result, err := s.Run(ctx, "", "sh", "-euc", line)
		if err != nil {
			return err
		}
		if result.Code != 0 {
			return fmt.Errorf("a command that berth init prints fails with %d:\n%s%s", result.Code, line, result.Stderr)
		}
	}
	return nil
}

// Do runs berth, which must succeed, and returns its standard output.
func (s *Stand) Do(ctx context.Context, stdin string, args ...string) (string, error) {
	result, err := s.Run(ctx, stdin, s.Berth, args...)
	if err != nil {
		return "", err
	}
	if result.Code != 0 {
		return "", fmt.Errorf("berth %s: exit %d:\n%s", strings.Join(args, " "), result.Code, result.Stderr)
	}
	return result.Stdout, nil
}

// Kubectl runs the kubectl that was built here.
func (s *Stand) Kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	result, err := s.Run(ctx, stdin, s.bin.Kubectl, args...)
	if err != nil {
		return "", err
	}
	if result.Code != 0 {
		return "", fmt.Errorf("kubectl %s: exit %d: %s", strings.Join(args, " "), result.Code, result.Stderr)
	}
	return result.Stdout, nil
}
