package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"sigs.k8s.io/yaml"

	"github.com/berth-gitops/berth/e2e/stand"
)

// recipientAttacks want a key that a writer of platform paths holds himself.
// Flux cannot tell, berth can: it refuses to seal for a recipient or a key that
// is not its own. They play in copies of the repository.
func recipientAttacks(t *testing.T, victim project) []outcome {
	t.Helper()
	return []outcome{slippedRecipient(t, victim), foreignKey(t, victim)}
}

// A copy is a repository of its own with everything that the fleet's holds.
type repoCopy struct{ path string }

func copyRepository(t *testing.T) repoCopy {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fleet.git")
	_, err := stand.Git(t.Context(), "", "clone", "--quiet", "--bare", fleet.Repository(), path)
	must(t, err)
	return repoCopy{path}
}

func (r repoCopy) edit(t *testing.T, change func(dir string) error) {
	t.Helper()
	dir := t.TempDir()
	must(t, stand.CommitTo(t.Context(), r.path, dir, "An attack", change))
}

func (r repoCopy) read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := stand.Git(t.Context(), r.path, "show", "main:"+path)
	must(t, err)
	return []byte(text + "\n")
}

// clusterOf is the first cluster of berth.yaml.
func clusterOf(settings document) document {
	return settings.at("spec")["clusters"].([]any)[0].(map[string]any)
}

func (r repoCopy) settings(t *testing.T) (settings document, err error) {
	t.Helper()
	err = yaml.Unmarshal(r.read(t, "berth.yaml"), &settings)
	return settings, err
}

func (r repoCopy) berth(t *testing.T, stdin string, args ...string) stand.Result {
	t.Helper()
	result, err := fleet.Run(t.Context(), stdin, fleet.Berth, append([]string{"--repo", r.path}, args...)...)
	must(t, err)
	return result
}

// opens says whether an identity opens the project's key and, with that, its
// pull secrets, down to their MACs.
func (r repoCopy) opens(t *testing.T, identity *age.X25519Identity, p project) bool {
	t.Helper()
	file := filepath.Join(t.TempDir(), "identity")
	must(t, os.WriteFile(file, []byte(identity.String()+"\n"), 0o600))
	return !slices.Contains(findingsIn(t, r.path, "--age-key-file", file).of(p.id), "unopened")
}

// slippedRecipient waits for the next seal after a change to berth.yaml.
func slippedRecipient(t *testing.T, victim project) outcome {
	t.Helper()
	repo, before := copyRepository(t), tip(t)
	evil, err := age.GenerateX25519Identity()
	must(t, err)
	if repo.opens(t, evil, victim) {
		t.Fatal("a key that berth never heard of opens the project")
	}
	repo.edit(t, func(dir string) error {
		return change(filepath.Join(dir, "berth.yaml"), func(d document) {
			clusterOf(d).push("recipients", evil.Recipient().String())
		})
	})
	rotate := []string{"create", "project", victim.id, "--password-stdin"}
	const message = "recipient is not pinned in the berth key"
	if result := repo.berth(t, victim.owner.token, rotate...); result.Code == 0 || !strings.Contains(result.Stderr, message) {
		t.Errorf("berth seals for a recipient that was slipped in: exit %d: %s", result.Code, result.Stderr)
	}
	found := findingsIn(t, repo.path, "--base", before).blocking()

	// The control: an engineer who believes the change and pins the recipient.
	key := filepath.Join(t.TempDir(), "key")
	must(t, copyFile(fleet.KeyFile(), key))
	for _, args := range [][]string{{"init", "--cluster", stand.Cluster, "--recipient", evil.Recipient().String()}, append(rotate, "--overwrite")} {
		if result := repo.berth(t, victim.owner.token, append(args, "--key-file", key)...); result.Code != 0 {
			t.Fatalf("berth %v: exit %d: %s", args, result.Code, result.Stderr)
		}
	}
	if !repo.opens(t, evil, victim) {
		t.Error("the control fails: a pinned recipient cannot open the project")
	}
	return outcome{
		attack: attack{writer: platformPaths, what: "another recipient in `berth.yaml`, waiting for the next seal", by: pinnedRecipients},
		words:  "not on the cluster; `berth create`: … " + message + " …", verify: found.rules(), control: true,
	}
}

// foreignKey puts a project key of the attacker's own in the place of berth's,
// wrapped to the platform key too, so that Flux takes it.
func foreignKey(t *testing.T, victim project) outcome {
	t.Helper()
	evil, err := age.GenerateX25519Identity()
	must(t, err)
	repo, before := copyRepository(t), tip(t)
	settings, err := repo.settings(t)
	must(t, err)
	recipient := clusterOf(settings)["recipients"].([]any)[0].(string)

	// The control, which also makes the file: a berth that trusts the attacker.
	theirs := repoCopy{filepath.Join(t.TempDir(), "theirs.git")}
	key := filepath.Join(t.TempDir(), "key")
	create := []string{"create", "project", victim.id, "--owner", victim.owner.name, "--image", victim.image, "--env", "dev",
		"--registry", fleet.Registry.Host, "--username", victim.owner.name, "--password-stdin", "--key-file", key}
	for _, args := range [][]string{
		{"init", "--cluster", stand.Cluster, "--flux-url", "https://git.example.com/fleet.git", "--key-file", key,
			"--recipient", recipient, "--recipient", evil.Recipient().String()},
		create,
	} {
		if result := theirs.berth(t, victim.owner.token, args...); result.Code != 0 {
			t.Fatalf("berth %v: exit %d: %s", args, result.Code, result.Stderr)
		}
	}
	if !theirs.opens(t, evil, victim) {
		t.Error("the control fails: the attacker cannot open what he made")
	}

	path := "tenants/" + stand.Cluster + "/" + victim.id + "/project-key.sops.yaml"
	repo.edit(t, func(dir string) error { return os.WriteFile(filepath.Join(dir, path), theirs.read(t, path), 0o600) })
	const message = "signed with unknown berth key"
	if result := repo.berth(t, victim.owner.token, "create", "project", victim.id, "--password-stdin"); result.Code == 0 || !strings.Contains(result.Stderr, message) {
		t.Errorf("berth seals to a project key that is not its own: exit %d: %s", result.Code, result.Stderr)
	}
	return outcome{
		attack:  attack{writer: platformPaths, what: "a project key of one's own, wrapped to the platform key and to oneself", by: signatures},
		words:   "not on the cluster; `berth create`: … " + message + " …",
		verify:  findingsIn(t, repo.path, "--base", before).blocking().of(victim.id),
		control: true,
	}
}
