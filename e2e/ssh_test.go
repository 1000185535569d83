package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/berth-gitops/berth/e2e/stand"
)

// Everything over SSH: a control plane of its own whose repository berth
// writes and Flux reads through an SSH server, with the host key pinned.
func TestSSH(t *testing.T) {
	http := fleet
	t.Cleanup(func() { fleet = http })
	var err error
	fleet, err = stand.Start(t.Context(), stand.Options{Log: os.Stderr, SSH: true, Berth: http.Berth})
	must(t, err)
	t.Cleanup(func() { fleet.Stop(t.Failed()) })
	must(t, fleet.Init(t.Context()))
	if url := fleet.GitURL(); !strings.HasPrefix(url, "ssh://") {
		t.Fatalf("the repository is at %s", url)
	}

	ken := newUser("ken")
	shop := create(t, ken, "overssh", "production")
	settle(t, shop)
	checkPullSecret(t, shop, "production")
}
