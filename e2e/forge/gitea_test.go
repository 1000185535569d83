package forge

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/berth-gitops/berth/e2e/forge/gitea"
	"github.com/berth-gitops/berth/gitrepo/forge/forgetest"
)

// site is the Gitea that all tests share.
var site *gitea.Gitea

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if site, err = gitea.Start(ctx, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		return 1
	}
	defer site.Stop()
	return m.Run()
}

// TestGitea runs the suite of package forge on a real Gitea.
func TestGitea(t *testing.T) {
	forgetest.Run(t, 50, func(t testing.TB) forgetest.Site { return site.NewRepository(t) })
}
