//go:build linux

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// fullDisk runs in a mount namespace of its own. It fills a small file system, on which
// the keys or the repository are, makes berth fail there, makes room, and runs it again.
const fullDisk = `
mount -t tmpfs -o size=2m none disk
fill() { dd if=/dev/zero of=disk/fill bs=4k 2>/dev/null || true; }
berth() { echo ghp_marked | "$PROGRAM" "$@" 2>&1; }
fails() { if berth "$@"; then echo "NOT REFUSED: $*"; exit 1; fi; }
init="init --cluster home --flux-url https://git.example.com/f.git --key-file disk/key --platform-key-file disk/agekey"
create="create project shop --key-file disk/key --owner alice --image ghcr.io/alice/shop:v1 --env production --username alice --password-stdin"

fill
fails $init
test ! -s disk/key -a ! -s disk/agekey
rm disk/fill
berth $init

cp -r fleet.git disk/fleet.git
export BERTH_REPO=disk/fleet.git
before=$(git -C disk/fleet.git rev-parse main)
fill
fails $create
test "$before" = "$(git -C disk/fleet.git rev-parse main)"
rm disk/fill
git -C disk/fleet.git fsck --strict
berth $create
git -C disk/fleet.git show main:projects/shop/project.yaml
`

// TestFullDisk: nothing half-written is left, and a second run finishes the job.
func TestFullDisk(t *testing.T) {
	if out, err := exec.Command("unshare", "-rm", "true").CombinedOutput(); err != nil {
		t.Skipf("this system gives no mount namespace to make a disk in: %v\n%s", err, out)
	}
	t.Chdir(t.TempDir())
	if err := os.Mkdir("disk", 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "-rm", "sh", "-eu", "-c", fullDisk)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=.", "XDG_CONFIG_HOME=.", "BERTH_REPO=fleet.git", "PROGRAM=" + berthProgram(t)}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"no space left on device", "could not store the pack", "project shop is on main"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
