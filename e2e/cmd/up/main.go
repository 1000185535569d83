// Command up starts the control plane of the proofs, makes it berth's, and
// keeps it running until it is interrupted, so that a person can play.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/berth-gitops/berth/e2e/stand"
)

func main() {
	bare := flag.Bool("bare", false, "only Flux, without berth init")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := up(ctx, *bare); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		os.Exit(1)
	}
}

func up(ctx context.Context, bare bool) error {
	s, err := stand.Start(ctx, stand.Options{Log: os.Stderr})
	if err != nil {
		return err
	}
	defer s.Stop(false)
	if !bare {
		if err := s.Init(ctx); err != nil {
			return err
		}
	}
	s.Registry.Allow("alice", "alice-token")
	if _, err := s.Registry.Push("alice/shop", "v1"); err != nil {
		return err
	}
	fmt.Printf(`
Paste this into a shell:

%s
Then, for example:

  echo alice-token | berth create project shop --owner alice --port 8080 --image %[2]s/alice/shop:v1 \
      --env development --registry %[2]s --username alice --password-stdin
  kubectl annotate --overwrite --namespace flux-projects gitrepository/flux-projects reconcile.fluxcd.io/requestedAt="$(date +%%s)"
  kubectl get kustomizations --all-namespaces --watch

Logs: %[3]s
Interrupt this command to stop and remove everything.
`, exports(s), s.Registry.Host, s.Logs())
	<-ctx.Done()
	return nil
}

// exports are the settings of the stand for a POSIX shell.
func exports(s *stand.Stand) string {
	var out strings.Builder
	fmt.Fprintf(&out, "  export PATH='%s':\"$PATH\"\n", strings.Join(s.ProgramDirs(), "':'"))
	for _, setting := range s.Settings() {
		name, value, _ := strings.Cut(setting, "=")
		fmt.Fprintf(&out, "  export %s='%s'\n", name, value)
	}
	return out.String()
}
