package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestKilledAtAnyMoment kills creations at random moments: the branch then holds the old
// or the new commit, the repository is whole, and running again finishes the job.
func TestKilledAtAnyMoment(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	repo := filepath.Join(dir, "fleet.git")
	program := berthProgram(t)
	berth := func(args ...string) *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "BERTH_REPO=" + repo}
		cmd.Stdin = strings.NewReader("ghp_token" + args[len(args)-1])
		return cmd
	}
	succeed := func(cmd *exec.Cmd) string {
		t.Helper()
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args[1:], " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git := func(args ...string) string {
		t.Helper()
		return succeed(exec.Command("git", append([]string{"-C", repo}, args...)...))
	}
	succeed(berth("init", "--cluster", "home", "--flux-url", "https://git.example.com/f.git"))

	start := time.Now()
	create := []string{"create", "project", "shop", "--owner", "alice", "--image", "ghcr.io/alice/shop:v1", "--env", "production", "--username", "alice", "--password-stdin"}
	succeed(berth(create...))
	whole := time.Since(start)

	killed := 0
	for i := range 25 {
		before := git("rev-parse", "main")
		cmd := berth("create", "project", "shop", "--image", "ghcr.io/alice/shop:k"+string(rune('a'+i)), "--password-stdin")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(random.Int64N(int64(whole))))
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		if cmd.Wait() != nil {
			killed++
		}
		// A push that berth had handed over is git's own to finish or to drop.
		if after := git("rev-parse", "main"); after != before && git("rev-parse", "main^") != before {
			t.Fatalf("the branch went from %s to %s in more than one step", before, after)
		}
		fsck(t, repo)
		succeed(berth(cmd.Args[1:]...))
		if got := git("show", "main:projects/shop/project.yaml"); !strings.Contains(got, "shop:k"+string(rune('a'+i))) {
			t.Fatalf("the second run did not finish the job:\n%s", got)
		}
	}
	if killed == 0 {
		t.Error("no run was killed before it ended: the test proves nothing")
	}
}

// fsck wants a whole repository. The git that a killed berth left behind may still be
// moving objects into it, so that it gets a little time to end.
func fsck(t *testing.T, repo string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		out, err := exec.Command("git", "-C", repo, "fsck", "--strict", "--no-dangling").CombinedOutput()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("git fsck: %v\n%s", err, out)
		}
	}
}
