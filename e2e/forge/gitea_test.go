package forge

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/berth-gitops/berth/e2e/components"
	"github.com/berth-gitops/berth/e2e/forge/gitea"
	"github.com/berth-gitops/berth/gitrepo/forge/forgetest"
)

// All tests share one Gitea and one build of berth.
var (
	site    *gitea.Gitea
	program string
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "berth-forge-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if program, err = components.Berth(ctx, dir); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		return 1
	}
	if site, err = gitea.Start(ctx, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		return 1
	}
	defer func() {
		if err := site.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "✗", err)
			code = 1
		}
	}()
	release := context.AfterFunc(ctx, func() { // tests do not look at ctx
		_ = site.Stop()
		_ = os.RemoveAll(dir)
		os.Exit(130)
	})
	defer release()
	return m.Run()
}

// TestGitea runs the suite of package forge on a real Gitea.
func TestGitea(t *testing.T) {
	forgetest.Run(t, 50, func(t testing.TB) forgetest.Site { return site.NewRepository(t) })
}
