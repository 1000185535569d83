package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-gitops/berth/e2e/stand"
)

var update = flag.Bool("update", false, "write the tables in docs/ from the results")

// fleet is the control plane that all tests share.
var fleet *stand.Stand

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if fleet, err = stand.Start(ctx, stand.Options{Log: os.Stderr}); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		return 1
	}
	defer func() {
		fleet.Stop(code != 0)
		if code != 0 {
			fmt.Fprintln(os.Stderr, "logs:", fleet.Logs())
		}
	}()
	if err := fleet.Init(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "✗", err)
		return 1
	}
	started := fleet
	release := context.AfterFunc(ctx, func() { // tests do not look at ctx
		started.Stop(false)
		os.Exit(130)
	})
	defer release()
	if code := m.Run(); code != 0 {
		return code
	}
	if err := leftBehind(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "✗ after all projects were deleted:", err)
		return 1
	}
	return 0
}

// leftBehind is nil once the cluster holds nothing of any project.
func leftBehind(ctx context.Context) error {
	return fleet.Eventually(ctx, stand.Patience, func(ctx context.Context) error {
		out, err := fleet.Kubectl(ctx, "", "get", "namespaces,clusterrolebindings,kustomizations,secrets,serviceaccounts",
			"--all-namespaces", "--output", `jsonpath={range .items[*]}{.kind}/{.metadata.name}{"\n"}{end}`)
		if err != nil {
			return err
		}
		for line := range strings.Lines(out) {
			_, name, _ := strings.Cut(strings.TrimSpace(line), "/")
			if strings.HasPrefix(name, "project-") || strings.HasPrefix(name, "tenant-") || strings.HasPrefix(name, "sops-") && name != "sops-age" {
				return fmt.Errorf("%s is still there", strings.TrimSpace(line))
			}
		}
		return nil
	})
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// berth runs a command that must succeed and returns its standard output.
func berth(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := fleet.Do(t.Context(), stdin, args...)
	must(t, err)
	return out
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := fleet.Kubectl(t.Context(), "", args...)
	must(t, err)
	return out
}

func tip(t *testing.T) string {
	t.Helper()
	commit, err := fleet.Tip(t.Context())
	must(t, err)
	return commit
}

// settle makes Flux fetch the tip and waits until the projects have applied it.
func settle(t *testing.T, projects ...project) string {
	t.Helper()
	commit := tip(t)
	must(t, fleet.Sync(t.Context(), commit))
	for _, p := range projects {
		must(t, fleet.Ready(t.Context(), commit, p.names()...))
	}
	return commit
}

// get reads an object that must be there.
func get[T client.Object](t *testing.T, namespace, name string, into T) T {
	t.Helper()
	must(t, fleet.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, into))
	return into
}

// eventually polls until try succeeds.
func eventually(t *testing.T, try func(context.Context) error) {
	t.Helper()
	eventuallySince(t, time.Now(), try)
}

// eventuallySince polls for what many wait for together: if none of it comes,
// all have failed a moment after the first.
func eventuallySince(t *testing.T, begin time.Time, try func(context.Context) error) {
	t.Helper()
	left := max(stand.Patience-time.Since(begin), time.Second)
	must(t, fleet.Eventually(t.Context(), left, try))
}

// absent is nil when an object is not there.
func absent(ctx context.Context, obj client.Object, namespace, name string) error {
	err := fleet.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, obj)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%T %s/%s is still there", obj, namespace, name)
}
