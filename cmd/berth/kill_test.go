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

// victim is a repository, and runs of berth on it that are killed.
type victim struct {
	t                  *testing.T
	random             *rand.Rand
	program, dir, repo string
}

func newVictim(t *testing.T) *victim {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	v := &victim{t: t, random: rand.New(rand.NewPCG(seed, 0)), program: berthProgram(t)}
	v.move()
	return v
}

// move goes to a place where there is neither a repository nor a key.
func (v *victim) move() {
	v.dir = v.t.TempDir()
	v.repo = filepath.Join(v.dir, "fleet.git")
}

func (v *victim) berth(args ...string) *exec.Cmd {
	cmd := exec.Command(v.program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + v.dir, "XDG_CONFIG_HOME=" + v.dir, "BERTH_REPO=" + v.repo}
	cmd.Stdin = strings.NewReader("ghp_token" + args[len(args)-1])
	return cmd
}

func (v *victim) succeed(cmd *exec.Cmd) string {
	v.t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		v.t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args[1:], " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (v *victim) git(args ...string) string {
	v.t.Helper()
	return v.succeed(exec.Command("git", append([]string{"-C", v.repo}, args...)...))
}

// kill runs berth and kills it at a random moment within a time. It says whether the run
// had not ended yet.
func (v *victim) kill(within time.Duration, args ...string) bool {
	v.t.Helper()
	cmd := v.berth(args...)
	if err := cmd.Start(); err != nil {
		v.t.Fatal(err)
	}
	time.Sleep(time.Duration(v.random.Int64N(int64(within))))
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		v.t.Fatal(err)
	}
	return cmd.Wait() != nil
}

// wantOneStep wants the branch where it was, or one commit further. A push that berth had
// handed over is git's own to finish or to drop.
func (v *victim) wantOneStep(before string) {
	v.t.Helper()
	if after := v.git("rev-parse", "main"); after != before && v.git("rev-parse", "main^") != before {
		v.t.Fatalf("the branch went from %s to %s in more than one step", before, after)
	}
	fsck(v.t, v.repo)
}

// TestKilledAtAnyMoment kills creations at random moments: the branch then holds the old
// or the new commit, the repository is whole, and running again finishes the job.
func TestKilledAtAnyMoment(t *testing.T) {
	v := newVictim(t)
	v.succeed(v.berth("init", "--cluster", "home", "--flux-url", "https://git.example.com/f.git"))
	start := time.Now()
	v.succeed(v.berth("create", "project", "shop", "--owner", "alice", "--image", "ghcr.io/alice/shop:v1", "--env", "production", "--username", "alice", "--password-stdin"))
	whole := time.Since(start)

	killed := 0
	for i := range 25 {
		before, image := v.git("rev-parse", "main"), "ghcr.io/alice/shop:k"+string(rune('a'+i))
		args := []string{"create", "project", "shop", "--image", image, "--password-stdin"}
		if v.kill(whole, args...) {
			killed++
		}
		v.wantOneStep(before)
		v.succeed(v.berth(args...))
		if got := v.git("show", "main:projects/shop/project.yaml"); !strings.Contains(got, image) {
			t.Fatalf("the second run did not finish the job:\n%s", got)
		}
	}
	if killed == 0 {
		t.Error("no run was killed before it ended: the test proves nothing")
	}
}

// TestInitKilledAtAnyMoment: keys are whole or not there, and the next run makes what is
// missing with them.
func TestInitKilledAtAnyMoment(t *testing.T) {
	v := newVictim(t)
	args := []string{"init", "--cluster", "home", "--flux-url", "https://git.example.com/f.git"}
	start := time.Now()
	v.succeed(v.berth(args...))
	whole := time.Since(start)

	killed := 0
	for i := range 16 {
		v.move()
		if i%2 == 0 {
			v.succeed(exec.Command("git", "init", "-q", "--bare", "--initial-branch=main", v.repo))
		}
		if v.kill(whole, args...) {
			killed++
		}
		v.succeed(v.berth(args...))
		fsck(t, v.repo)
		if got := v.git("rev-list", "--count", "main"); got != "1" {
			t.Fatalf("%s commits on the branch", got)
		}
	}
	if killed == 0 {
		t.Error("no run was killed before it ended: the test proves nothing")
	}
}

// TestDeleteKilledAtAnyMoment: all of a project goes, or nothing of it.
func TestDeleteKilledAtAnyMoment(t *testing.T) {
	v := newVictim(t)
	v.succeed(v.berth("init", "--cluster", "home", "--flux-url", "https://git.example.com/f.git"))
	create := []string{"create", "project", "shop", "--owner", "alice", "--image", "nginx:1.27", "--env", "production"}
	remove := []string{"delete", "project", "shop", "--yes"}
	v.succeed(v.berth(create...))
	start := time.Now()
	v.succeed(v.berth(remove...))
	whole := time.Since(start)

	killed := 0
	for range 10 {
		v.succeed(v.berth(create...))
		before := v.git("rev-parse", "main")
		if v.kill(whole, remove...) {
			killed++
		}
		v.wantOneStep(before)
		if out, err := v.berth(remove...).CombinedOutput(); err != nil && !strings.Contains(string(out), "no such project: shop") {
			t.Fatalf("the second run: %v\n%s", err, out)
		}
		if got := v.git("ls-tree", "-r", "--name-only", "main"); strings.Contains(got, "shop") {
			t.Fatalf("left behind:\n%s", got)
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
