package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-gitops/berth/e2e/stand"
)

// troubles are the entries of docs/troubleshooting.md.
func troubles() []trouble {
	const (
		tenantPatient  = "kustomization/tenant-patient"
		projectPatient = "kustomization/project-patient-dev"
	)
	renew := func(t *testing.T, p project) { // the same command as on creation, with the user's token
		t.Helper()
		berth(t, p.owner.token+"\n", "create", "project", p.id, "--password-stdin", "--overwrite")
	}
	return []trouble{
		{
			id: "wrong-key", title: "The cluster holds another platform key", where: tenantPatient,
			cause:  "No identity in the Secret `sops-age` opens the project key. Running projects go on; nothing new is unwrapped.",
			mend:   "Install the identity whose recipient stands in `berth.yaml`: `berth init --cluster <name>` prints the command. `age-keygen -y FILE` prints a file's recipient.",
			damage: anotherPlatformKey,
			seen:   refused(tenant, "BuildFailed", "identity did not match any of the recipients"),
			cure:   prepareAgain,
		},
		{
			id: "no-key", title: "The platform key is missing", where: tenantPatient,
			cause: "The Secret `sops-age` is not in `flux-projects`.",
			mend:  "Install it: `berth init --cluster <name>` prints the command.",
			damage: func(t *testing.T, p project) {
				kubectl(t, "delete", "secret", "sops-age", "--namespace", stand.Namespace)
				must(t, again(t.Context(), "tenant-"+p.id))
			},
			seen: refused(tenant, "BuildFailed", `secrets "sops-age" not found`),
			cure: prepareAgain,
		},
		{
			id: "damaged", title: "A sealed file is damaged", where: projectPatient,
			cause: "The ciphertext was changed after berth sealed it. `berth verify` names the file; Flux itself notices only some damage.",
			mend:  "Revert the commit, or seal the token again: `berth create project <id> --password-stdin --overwrite`.",
			damage: edit(func(a scene) error {
				return replaceIn(a.sealed(), "ENC[AES256_GCM,data:", "ENC[AES256_GCM,data:AAAA")
			}),
			seen: refused(workload, "BuildFailed", "cipher: message authentication failed"),
			cure: renew,
		},
		{
			id: "no-path", title: "An environment's folder is gone", where: projectPatient,
			cause:  "`projects/<id>/overlays/<env>` was removed by hand. Flux removes nothing in this case: what ran goes on.",
			mend:   "Write it again: `berth create project <id> --password-stdin`. To remove an environment use `berth delete project <id> --env <env>`.",
			damage: edit(func(a scene) error { return os.RemoveAll(a.overlay()) }),
			seen:   refused(workload, "ArtifactFailed", "kustomization path not found"),
			cure:   renew,
		},
		{
			id: "refused", title: "An object is refused", where: projectPatient,
			cause: "A file in the overlay wants what a project may not have. Flux applies nothing of the overlay until it is gone.",
			mend:  "Take the object out. What a project may write stands in the ClusterRole `berth-project`; the rest belongs to the platform half.",
			damage: edit(func(a scene) error {
				return addResource(a.overlay(), "role.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: mine}\nrules: []\n")
			}),
			seen: refused(workload, "ReconciliationFailed", `cannot patch resource "roles"`),
			cure: revert,
		},
		{
			id: "no-build", title: "The overlay does not build", where: projectPatient,
			cause: "A file that somebody added is not valid YAML, or names what is not there.",
			mend:  "`kustomize build projects/<id>/overlays/<env>` shows the same error on your machine.",
			damage: edit(func(a scene) error {
				return change(a.kustomization(), func(d document) { d.push("resources", "missing.yaml") })
			}),
			seen: refused(workload, "BuildFailed", "missing.yaml: no such file or directory"),
			cure: revert,
		},
		{
			id: "policy", title: "A platform file was changed against the rules", where: tenantPatient,
			cause: "What a Flux Kustomization in `flux-projects` may do follows from its name; an admission policy holds it to that.",
			mend:  "Revert the commit, or write the file again: `berth create project <id> --overwrite`.",
			damage: edit(func(a scene) error {
				return changeObject(a.tenantFile(), "Kustomization", func(d document) { d.at("spec")["path"] = "./projects/other/overlays/dev" })
			}),
			seen: refused(tenant, "ReconciliationFailed", "spec.path must follow from the name"),
			cure: func(t *testing.T, p project) { berth(t, "", "create", "project", p.id, "--overwrite") },
		},
		{
			id: "fleet", title: "New projects do not appear", where: "kustomization/projects",
			cause: "A file in `fleet/<cluster>` is broken. This one stops every *new* project and every deletion; what is there goes on.",
			mend:  "The message names the file. Revert the commit, or write it again: `berth create project <id> --overwrite`.",
			damage: edit(func(a scene) error {
				return os.WriteFile(filepath.Join(a.dir, "fleet", stand.Cluster, a.self.id+".yaml"), []byte("a: [broken\n"), 0o600)
			}),
			seen: refused(root, "BuildFailed", "MalformedYAMLError"),
			cure: func(t *testing.T, p project) { berth(t, "", "create", "project", p.id, "--overwrite") },
		},
		{
			id: "git", title: "Nothing changes at all", where: "gitrepository/flux-projects",
			cause: "Flux cannot fetch the repository: its password or token has expired or was replaced.",
			mend:  "Install a new one: `berth init --cluster <name>` prints the command.",
			damage: func(t *testing.T, _ project) {
				replaceSecret(t, "flux-projects-git", "--from-literal=username="+fleet.GitUser.Username, "--from-literal=password=expired")
			},
			seen: sourceSays("GitOperationFailed", "authentication required"),
			cure: prepareAgain,
		},
	}
}
