package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestEndedTellsWhy(t *testing.T) {
	logs := t.TempDir()
	p, err := Start(logs, Command("sh", "-c", "echo the port is taken; exit 3"))
	if err != nil {
		t.Fatal(err)
	}
	<-p.done
	for _, want := range []string{"sh ended", "exit status 3", "the port is taken", filepath.Join(logs, "sh.log")} {
		if err := p.Ended(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

func TestLastWords(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	many := strings.Repeat("one line of many\n", 1000)
	for text, want := range map[string]string{
		many + "the end\n": "the end\n",
		many + "fatal error: concurrent map writes\n\ngoroutine 1:\n" + many: "fatal error: concurrent map writes\n",
		"short\n": "short\n",
	} {
		if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := lastWords(log); !strings.Contains(got, want) || len(got) > 4<<10 {
			t.Errorf("%d bytes that begin with %.60q, want %q among few", len(got), got, want)
		}
	}
}

// What a program has started goes with it.
func TestKillEndsChildren(t *testing.T) {
	dir := t.TempDir()
	p, err := Start(dir, Command("sh", "-c", "sleep 600 & echo $!; wait"))
	if err != nil {
		t.Fatal(err)
	}
	var child string
	within(t, func() bool {
		log, _ := os.ReadFile(p.log)
		child = strings.TrimSpace(string(log))
		return strings.HasSuffix(string(log), "\n")
	})
	if err := p.Ended(); err != nil {
		t.Errorf("a running program has ended: %v", err)
	}
	p.Kill()
	within(t, func() bool {
		stat, err := os.ReadFile("/proc/" + child + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ") // dead, and nobody has asked how it ended
	})
}

// within waits until it is so.
func within(t *testing.T, so func() bool) {
	t.Helper()
	for begin := time.Now(); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatal("not within a minute")
		}
	}
}

func TestUsage(t *testing.T) {
	own := &Process{cmd: Command("true")}
	var err error
	if own.cmd.Process, err = os.FindProcess(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	within(t, func() bool {
		for begin := time.Now(); time.Since(begin) < clockTick; { // be busy
		}
		return own.Usage().CPU > 2*clockTick
	})
	if peak := own.Usage().Peak; peak < 1<<20 || peak > 1<<40 {
		t.Errorf("this test has needed %d bytes at most", peak)
	}
}

func TestFreePorts(t *testing.T) {
	const n = 50
	ports, err := FreePorts(n)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range ports {
		if port < lowPort || port >= highPort || seen[port] {
			t.Errorf("port %d in %v", port, ports)
		}
		seen[port] = true
	}
	if len(seen) != n {
		t.Errorf("%d ports, want %d", len(seen), n)
	}
}
