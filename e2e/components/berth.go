package components

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// Berth builds the program under test, from the module beside this one, into a
// folder and returns its path.
func Berth(ctx context.Context, dir string) (string, error) {
	module, err := ModuleDir(ctx)
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "berth")
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", program, "./cmd/berth")
	cmd.Dir = filepath.Dir(module)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building berth: %w\n%s", err, tail(out))
	}
	return program, nil
}
