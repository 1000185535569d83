package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-gitops/berth/e2e/stand"
)

// platformAttacks are those of somebody who may write tenants/ and fleet/. He
// is trusted; the admission policies still tie what he can do to names.
func platformAttacks() []attack {
	return append(kustomizationAttacks(), tenantAttacks()...)
}

func kustomizationKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"}
}

// kustomizationAttacks change what a project's Flux Kustomization may do.
func kustomizationAttacks() []attack {
	bend := func(id, what, message string, edit func(a scene, spec document) error, hit func(context.Context, scene) error) attack {
		return attack{
			id: id, writer: platformPaths, what: what, by: kustomizationPolicy,
			commit: func(a scene) error {
				var failed error
				err := changeObject(a.tenantFile(), "Kustomization", func(d document) { failed = edit(a, d.at("spec")) })
				return errors.Join(failed, err)
			},
			seen: refused(tenant, "ReconciliationFailed", message), hit: hit,
		}
	}
	stolen := func(ctx context.Context, a scene) error {
		return tokenIn(ctx, a.namespace(), a.victim.owner.token)
	}
	field := func(name string) func(context.Context, scene) error {
		return func(ctx context.Context, a scene) error { return hasField(ctx, a.namespace(), name) }
	}
	set := func(name string, value any) func(scene, document) error {
		return func(_ scene, spec document) error { spec[name] = value; return nil }
	}
	const noBending = "may not change what it builds"
	return []attack{
		bend("path-and-key", "a project's Kustomization pointed at alice's path, with her key", "spec.path must follow from the name",
			func(a scene, spec document) error {
				spec["path"] = "./projects/" + a.victim.id + "/overlays/dev"
				spec.at("decryption", "secretRef")["name"] = "sops-" + a.victim.id
				return nil
			}, stolen),
		bend("key", "… with alice's key, over a copy of her sealed file", "spec.decryption must use the key that follows from the name",
			func(a scene, spec document) error {
				spec.at("decryption", "secretRef")["name"] = "sops-" + a.victim.id
				return copyFile(a.victimSealed(), a.sealed())
			}, stolen),
		bend("platform-key", "… with `sops-age`, over alice's wrapped project key", "spec.decryption must use the key that follows from the name",
			func(a scene, spec document) error {
				spec.at("decryption", "secretRef")["name"] = "sops-age"
				return writeDocument(a.kustomization(), document{"resources": []any{
					"../../../../tenants/" + stand.Cluster + "/" + a.victim.id + "/project-key.sops.yaml",
				}})
			}, func(ctx context.Context, a scene) error { return tokenIn(ctx, a.namespace(), "AGE-SECRET-KEY-") }),
		bend("account", "… with alice's ServiceAccount and namespace", "spec.serviceAccountName must follow from the name",
			func(a scene, spec document) error {
				spec["serviceAccountName"], spec["targetNamespace"] = a.victim.namespace("dev"), a.victim.namespace("dev")
				return writeKustomization(a, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: evil-account, annotations: {evil: \"yes\"}}\n")
			}, func(ctx context.Context, a scene) error {
				return marked(ctx, schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}, a.victim.namespace("dev"), "evil-account")
			}),
		bend("patches", "… with `patches`", noBending,
			set("patches", []any{map[string]any{"patch": "- {op: remove, path: /spec}", "target": map[string]any{"kind": "Nothing"}}}), field("patches")),
		bend("post-build", "… with `postBuild`", noBending,
			set("postBuild", map[string]any{"substitute": map[string]any{"a": "b"}}), field("postBuild")),
		bend("kube-config", "… with `kubeConfig`, to another cluster", noBending,
			set("kubeConfig", map[string]any{"secretRef": map[string]any{"name": "elsewhere"}}), field("kubeConfig")),
		bend("components", "… with `components`", noBending,
			set("components", []any{"../../../shop"}), field("components")),
		bend("source", "… with another source", "spec.sourceRef must be the GitRepository",
			set("sourceRef", map[string]any{"kind": "GitRepository", "name": "elsewhere"}), func(ctx context.Context, a scene) error {
				k, err := fleet.Kustomization(ctx, a.namespace())
				if err == nil && k.Spec.SourceRef.Name != "elsewhere" {
					err = errors.New("the source is unchanged")
				}
				return err
			}),
		{
			id: "other-name", writer: platformPaths, by: kustomizationPolicy,
			what: "a Flux Kustomization of any other name, as `berth`, with `sops-age`",
			commit: func(a scene) error {
				return addResource(a.self.tenant(a.dir), "evil.yaml", `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: evil, namespace: flux-projects, annotations: {evil: "yes"}}
spec:
  interval: 1h
  prune: false
  suspend: true
  path: ./tenants/home/shop
  serviceAccountName: berth
  sourceRef: {kind: GitRepository, name: flux-projects}
  decryption: {provider: sops, secretRef: {name: sops-age}}
`)
			},
			seen: refused(tenant, "ReconciliationFailed", "may stand in flux-projects"),
			hit: func(ctx context.Context, _ scene) error {
				return marked(ctx, kustomizationKind(), stand.Namespace, "evil")
			},
		},
		fleetEntryAttack(),
	}
}

// fleetEntryAttack shows at the root, which then applies no new project until
// the file is mended: another reason why fleet/ is the platform's alone.
func fleetEntryAttack() attack {
	return attack{
		id: "fleet-entry", writer: platformPaths, by: kustomizationPolicy,
		what: "a project's fleet entry pointed at alice's platform half",
		commit: func(a scene) error {
			return change(filepath.Join(a.dir, "fleet", stand.Cluster, a.self.id+".yaml"), func(d document) {
				d.at("spec")["path"] = "./tenants/" + stand.Cluster + "/" + a.victim.id
			})
		},
		seen: refused(root, "ReconciliationFailed", "spec.path must follow from the name"),
		hit: func(ctx context.Context, a scene) error {
			k, err := fleet.Kustomization(ctx, "tenant-"+a.self.id)
			if err == nil && k.Spec.Path != "./tenants/"+stand.Cluster+"/"+a.victim.id {
				err = errors.New("the path is unchanged")
			}
			return err
		},
	}
}

// tenantAttacks put into a project's platform half what does not belong there.
func tenantAttacks() []attack {
	slip := func(id, what, message, manifest string, by defence, hit func(context.Context, scene) error) attack {
		return attack{
			id: id, writer: platformPaths, what: what, by: by,
			commit: func(a scene) error {
				return addResource(a.self.tenant(a.dir), "evil.yaml", a.fill(manifest))
			},
			seen: refused(tenant, "ReconciliationFailed", message), hit: hit,
		}
	}
	core := func(kind string) schema.GroupVersionKind { return schema.GroupVersionKind{Version: "v1", Kind: kind} }
	binding := schema.GroupVersionKind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"}
	return []attack{
		slip("replaced-platform-key", "another identity in `sops-age`", "may only touch the key Secrets of projects", `apiVersion: v1
kind: Secret
metadata: {name: sops-age, namespace: flux-projects, annotations: {kustomize.toolkit.fluxcd.io/prune: disabled, kustomize.toolkit.fluxcd.io/ssa: Merge}}
stringData: {evil.txt: not an age key}
`, platformPolicy, func(ctx context.Context, _ scene) error {
			var key corev1.Secret
			err := fleet.Client.Get(ctx, client.ObjectKey{Namespace: stand.Namespace, Name: "sops-age"}, &key)
			if err == nil && key.Data["evil.txt"] == nil {
				err = errors.New("sops-age is untouched")
			}
			return err
		}),
		slip("foreign-namespace", "a Namespace that is no project's", "may only touch namespaces called project-<id>-<env>", `apiVersion: v1
kind: Namespace
metadata: {name: kube-node-lease, annotations: {evil: "yes", kustomize.toolkit.fluxcd.io/prune: disabled}}
`, platformPolicy, func(ctx context.Context, _ scene) error { return marked(ctx, core("Namespace"), "", "kube-node-lease") }),
		slip("foreign-project", "another project's Namespace, with less pod security, in one's own platform half",
			"may only come from that project's own tenant-<id>", `apiVersion: v1
kind: Namespace
metadata:
  name: QUAY
  annotations: {evil: "yes"}
  labels: {berth/project: quay, berth/environment: dev, pod-security.kubernetes.io/enforce: privileged}
`, platformPolicy, func(ctx context.Context, a scene) error {
				return marked(ctx, core("Namespace"), "", a.quay.namespace("dev"))
			}),
		slip("foreign-kustomization", "another project's Flux Kustomization, suspended, in one's own platform half",
			"may only come from its own tenant-<id>", `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: QUAY, namespace: flux-projects, annotations: {evil: "yes"}}
spec:
  interval: 1h
  prune: true
  suspend: true
  path: ./projects/quay/overlays/dev
  targetNamespace: QUAY
  serviceAccountName: QUAY
  deletionPolicy: Orphan
  sourceRef: {kind: GitRepository, name: flux-projects}
  decryption: {provider: sops, secretRef: {name: sops-quay}}
`, kustomizationPolicy, func(ctx context.Context, a scene) error {
				return marked(ctx, kustomizationKind(), stand.Namespace, a.quay.namespace("dev"))
			}),
		slip("foreign-subject", "a RoleBinding that lets alice's ServiceAccount into one's own namespace",
			"must give berth-project to the namespace's own ServiceAccount", `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: evil, namespace: "SELF", annotations: {evil: "yes"}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: berth-project}
subjects: [{kind: ServiceAccount, name: "VICTIM", namespace: flux-projects}]
`, platformPolicy, func(ctx context.Context, a scene) error { return marked(ctx, binding, a.namespace(), "evil") }),
		slip("foreign-account", "a RoleBinding that lets the project's ServiceAccount into alice's namespace",
			"may only come from that project's own tenant-<id>", `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: evil, namespace: "VICTIM", annotations: {evil: "yes"}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: berth-project}
subjects: [{kind: ServiceAccount, name: "SELF", namespace: flux-projects}]
`, platformPolicy, func(ctx context.Context, a scene) error {
				return marked(ctx, binding, a.victim.namespace("dev"), "evil")
			}),
		slip("cluster-admin", "a RoleBinding to cluster-admin", "attempting to grant RBAC permissions not currently held", `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: evil, namespace: "SELF", annotations: {evil: "yes"}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: "SELF", namespace: flux-projects}]
`, berthRights, func(ctx context.Context, a scene) error { return marked(ctx, binding, a.namespace(), "evil") }),
	}
}

// hasField is nil when a Kustomization's spec has a field.
func hasField(ctx context.Context, name, field string) error {
	var k unstructured.Unstructured
	k.SetGroupVersionKind(kustomizationKind())
	if err := fleet.Client.Get(ctx, client.ObjectKey{Namespace: stand.Namespace, Name: name}, &k); err != nil {
		return err
	}
	if _, found, err := unstructured.NestedFieldNoCopy(k.Object, "spec", field); err != nil || !found {
		return fmt.Errorf("%s has no spec.%s", name, field)
	}
	return nil
}
