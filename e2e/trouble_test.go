package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-gitops/berth/e2e/stand"
)

// A trouble is something that goes wrong, how it shows, and how it is mended.
type trouble struct {
	id, title string
	where     string // the object whose condition tells
	cause     string
	mend      string // for the page: Markdown

	damage func(t *testing.T, p project)
	seen   func(ctx context.Context, a scene) (string, error)
	cure   func(t *testing.T, p project)
}

// Proof 7: what a person sees when something is wrong, and that the mend of the
// page docs/troubleshooting.md mends it.
func TestTroubles(t *testing.T) {
	jane := newUser("jane")
	patient := create(t, jane, "patient", "dev")
	settle(t, patient)
	var page strings.Builder
	page.WriteString(troubleIntroduction)
	for _, x := range troubles() {
		t.Run(x.id, func(t *testing.T) {
			x.damage(t, patient)
			commit := tip(t)
			must(t, fleet.Fetch(t.Context()))
			var words string
			err := fleet.Eventually(t.Context(), stand.Patience, func(ctx context.Context) (err error) {
				words, err = x.seen(ctx, scene{self: patient, commit: commit})
				return err
			})
			x.cure(t, patient) // in any case: the next trouble starts from a healthy project
			settleNow(t, patient)
			must(t, err)
			checkPullSecret(t, patient, "dev")
			fmt.Fprintf(&page, "\n## %s\n\n`%s` says\n\n    %s\n\n%s\n\n%s\n", x.title, x.where, words, x.cause, x.mend)
		})
	}
	if !t.Failed() {
		checkTable(t, "troubleshooting.md", page.String())
	}
}

const troubleIntroduction = `# When something is wrong

<!-- Written by the end-to-end tests (cd e2e && go test -run TestTroubles -update). Do not edit. -->

Start with ` + "`kubectl get kustomizations --namespace flux-projects`" + `: ` + "`projects`" + ` is the root,
` + "`tenant-<id>`" + ` applies a project's platform half, ` + "`project-<id>-<env>`" + ` an environment's workload half.
Only the project with the fault is affected, unless the page says otherwise.

Flux tries again every two minutes and with every commit. To make it try now:

    kubectl annotate --overwrite --namespace flux-projects kustomization/<name> reconcile.fluxcd.io/requestedAt="$(date +%s)"

Each message below was seen, and each mend was tried, on a real cluster, with a
project called ` + "`patient`" + ` and its environment ` + "`dev`" + `.
`

// settleNow asks every tier to try again, as the page tells people to, and waits.
func settleNow(t *testing.T, p project) {
	t.Helper()
	must(t, fleet.Sync(t.Context(), tip(t)))
	for _, name := range append([]string{"projects"}, p.names()...) {
		must(t, again(t.Context(), name))
	}
	settle(t, p)
}

// anotherPlatformKey puts a fresh identity into sops-age.
func anotherPlatformKey(t *testing.T, p project) {
	identity, err := age.GenerateX25519Identity()
	must(t, err)
	file := filepath.Join(t.TempDir(), "key")
	must(t, os.WriteFile(file, []byte(identity.String()+"\n"), 0o600))
	replaceSecret(t, "sops-age", "--from-file=age.agekey="+file)
	must(t, again(t.Context(), "tenant-"+p.id))
}

// replaceSecret puts something else into a Secret of flux-projects.
func replaceSecret(t *testing.T, name string, content ...string) {
	t.Helper()
	secret := kubectl(t, append([]string{"create", "secret", "generic", name, "--namespace", stand.Namespace,
		"--dry-run=client", "--output=yaml"}, content...)...)
	_, err := fleet.Kubectl(t.Context(), secret, "apply", "--filename=-")
	must(t, err)
}

// prepareAgain runs `berth init` and what it prints, as the mends say.
func prepareAgain(t *testing.T, _ project) {
	t.Helper()
	must(t, fleet.MakeReady(t.Context()))
}

// edit commits a fault in the patient's files.
func edit(change func(a scene) error) func(*testing.T, project) {
	return func(t *testing.T, p project) {
		t.Helper()
		_, err := fleet.Edit(t.Context(), "Something goes wrong", func(dir string) error { return change(scene{dir: dir, self: p}) })
		must(t, err)
	}
}

// revert takes the last commit back.
func revert(t *testing.T, _ project) {
	t.Helper()
	_, err := fleet.Edit(t.Context(), "Revert", func(dir string) error {
		_, err := stand.Git(t.Context(), dir, "revert", "--no-edit", "HEAD")
		return err
	})
	must(t, err)
}

// sourceSays waits for a condition of the GitRepository.
func sourceSays(reason, message string) func(context.Context, scene) (string, error) {
	return func(ctx context.Context, _ scene) (string, error) {
		var repository sourcev1.GitRepository
		if err := fleet.Client.Get(ctx, client.ObjectKey{Namespace: stand.Namespace, Name: stand.Namespace}, &repository); err != nil {
			return "", err
		}
		ready := meta.FindStatusCondition(repository.Status.Conditions, "Ready")
		if ready == nil || ready.Reason != reason || !strings.Contains(ready.Message, message) {
			return "", fmt.Errorf("the GitRepository's Ready is %v, want %s: %s", ready, reason, message)
		}
		return reason + ": … " + message + " …", nil
	}
}
