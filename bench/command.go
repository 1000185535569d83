package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// berthProgram is what make build makes.
const berthProgram = "../bin/berth"

// A command is a contender that runs a program every time.
type command struct {
	stand *stand
	name  string
	make  func(ctx context.Context, n int) (*exec.Cmd, error)
}

func (c command) Name() string { return c.name }

func (c command) Round(ctx context.Context, n int) (Cost, error) {
	cmd, err := c.make(ctx, n)
	if err != nil {
		return Cost{}, err
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(c.stand.dir, "home"), "LC_ALL=C"}, cmd.Env...)
	cmd.Env = append(cmd.Env, c.stand.gitEnv()...)
	start := time.Now()
	err = cmd.Run()
	cost := Cost{Wall: time.Since(start), Work: 1}
	if err != nil {
		return Cost{}, fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, out.Bytes())
	}
	cost.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	// On Linux a child is born with the memory of its parent on its account.
	if held := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10; held > ownPeak() {
		cost.Peak = held
	}
	return cost, nil
}

// ownPeak is the most memory that this process ever held, in bytes; 0 when unknown.
func ownPeak() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	var kilobytes int64
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	_, _ = fmt.Sscan(rest, &kilobytes)
	return kilobytes << 10
}

// createCLI is `berth create project` on the repository: one process from start to
// end, with nothing cached unless flags say where.
func (s *stand) createCLI(name string, r repository, flags ...string) Contender {
	return command{s, name, func(ctx context.Context, n int) (*exec.Cmd, error) {
		id := projectID(n)
		spec, err := s.specFile(r.fleet, id)
		if err != nil {
			return nil, err
		}
		cmd := s.berth(ctx, r, "create", "project", "-f", spec, "--password-stdin")
		cmd.Args = append(cmd.Args, flags...)
		cmd.Stdin = strings.NewReader(token)
		return cmd, nil
	}}
}

// cacheFlag lets the command keep what it learns of the repository.
func (s *stand) cacheFlag(r repository) string { return "--cache-dir=" + r.path + "-cache" }

// token has the length and the alphabet of GitHub's.
const token = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"

func (s *stand) berth(ctx context.Context, r repository, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, berthProgram, args...)
	cmd.Env = []string{"BERTH_REPO=" + r.url, "BERTH_KEY_FILE=" + filepath.Join(r.dir, "berth.key")}
	return cmd
}

// specFile writes the spec of a new project.
func (s *stand) specFile(f fleet, id string) (string, error) {
	spec, err := os.ReadFile(filepath.Join(f.dir, "sample", "projects", sampleID, "project.yaml"))
	if err != nil {
		return "", err
	}
	name := filepath.Join(s.dir, "spec.yaml")
	return name, os.WriteFile(name, []byte(asProject(string(spec), id)), 0o644)
}
