package components

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMachineSaysWhatIsMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := checkMachine(t.TempDir(), false)
	for _, want := range []string{"this machine cannot build", "git is not installed", "go is not installed"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
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
