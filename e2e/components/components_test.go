package components

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMachineSaysWhatIsMissing(t *testing.T) {
	if err := CheckRun(); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	for name, test := range map[string]struct {
		err   error
		wants []string
	}{
		"build":  {checkBuild(t.TempDir(), true), []string{"cannot build", "git is not installed", "go is not installed", "gcc is not installed"}},
		"run":    {CheckRun(), []string{"cannot run", "git is not installed", "go is not installed"}},
		"memory": {scarce(1<<60, "everything takes more"), []string{"MB of memory are available, everything takes more"}},
	} {
		for _, want := range test.wants {
			if test.err == nil || !strings.Contains(test.err.Error(), want) {
				t.Errorf("%s: got %v, want it to say %q", name, test.err, want)
			}
		}
	}
}

func TestLockIsWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".lock")
	unlock, err := lock(t.Context(), path, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	var log strings.Builder
	if _, err := lock(impatient, path, &log); !errors.Is(err, context.Canceled) || strings.Count(log.String(), "waiting") != 1 {
		t.Errorf("a second lock while the first is held: %v, said %q", err, log.String())
	}
	unlock()
	if unlock, err = lock(t.Context(), path, io.Discard); err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestCacheKeyFollowsWhatIsBuilt(t *testing.T) {
	module := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(module, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := func(f family) string {
		t.Helper()
		key, err := cacheKey(t.Context(), module, f)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	write("go.mod", "module example.com/x\n")
	write("go.sum", "")
	first := key(family{})
	if again := key(family{}); again != first {
		t.Errorf("the same module has the keys %s and %s", first, again)
	}
	if key(family{ldflags: "-s"}) == first {
		t.Error("other flags have the same key")
	}
	write("go.sum", "example.com/y v1.0.0 h1:…\n")
	if key(family{}) == first {
		t.Error("another go.sum has the same key")
	}
}

func TestCacheDir(t *testing.T) {
	t.Setenv("BERTH_E2E_CACHE", "/somewhere")
	if dir, err := CacheDir(); err != nil || dir != "/somewhere" {
		t.Errorf("got %s, %v", dir, err)
	}
}
