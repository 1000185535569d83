// Command components builds the control plane and the forge of the end-to-end
// proofs into the cache, if they are not there yet, and prints where kubectl
// and the others are.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/berth-gitops/berth/e2e/components"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	bin, err := components.Ensure(ctx, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		os.Exit(1)
	}
	gitea, err := components.EnsureGitea(ctx, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		os.Exit(1)
	}
	for _, file := range []string{bin.Etcd, bin.Kubectl, bin.KustomizeController, gitea.Program} {
		fmt.Println(filepath.Dir(file))
	}
}
