package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ownProjectAttacks are those of somebody who may write his own project only.
func ownProjectAttacks() []attack {
	return slices.Concat(stealingAttacks(), escapingAttacks(), neighbourAttacks())
}

// stealingAttacks want alice's token in a namespace of the attacker.
func stealingAttacks() []attack {
	steal := func(id, what string, commit func(a scene) error) attack {
		return attack{
			id: id, writer: ownProject, what: what, by: projectKeys, commit: commit,
			seen: refused(workload, "BuildFailed", "identity did not match any of the recipients"),
			hit:  func(ctx context.Context, a scene) error { return tokenIn(ctx, a.namespace(), a.victim.owner.token) },
		}
	}
	return []attack{
		steal("copied", "alice's sealed file copied over one's own", func(a scene) error { return copyFile(a.victimSealed(), a.sealed()) }),
		steal("configmap", "alice's sealed values in a ConfigMap", func(a scene) error {
			return asConfigMap(a.victimSealed(), a.overlay())
		}),
		steal("spliced", "spliced: one's own metadata, alice's values", func(a scene) error {
			theirs, err := readDocument(a.victimSealed())
			if err != nil {
				return err
			}
			return change(a.sealed(), func(d document) { d["data"], d["sops"] = theirs["data"], theirs["sops"] })
		}),
		steal("referenced", "alice's sealed file listed as `../../../shop/…`", func(a scene) error {
			return change(a.kustomization(), func(d document) {
				d["resources"] = []any{"../../base", "../../../" + a.victim.id + "/overlays/dev/ghcr-secret.sops.yaml"}
			})
		}),
		steal("overlay-as-base", "alice's whole overlay as one's base", func(a scene) error {
			return writeDocument(a.kustomization(), document{
				"namespace": a.namespace(), "resources": []any{"../../../" + a.victim.id + "/overlays/dev"},
			})
		}),
		steal("secret-generator", "alice's sealed file through `secretGenerator`", func(a scene) error {
			return change(a.kustomization(), func(d document) { d.push("secretGenerator", leakFrom(a)) })
		}),
		steal("configmap-generator", "… and published by `configMapGenerator`", func(a scene) error {
			return change(a.kustomization(), func(d document) {
				d.push("secretGenerator", leakFrom(a))
				d.push("configMapGenerator", leakFrom(a))
			})
		}),
		steal("as-patch", "alice's sealed file as a patch of one's ConfigMap", func(a scene) error {
			configMap := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: leak\n"
			return errors.Join(addResource(a.overlay(), "leak.yaml", configMap),
				change(a.kustomization(), func(d document) {
					d.push("patches", map[string]any{
						"path":   "../../../" + a.victim.id + "/overlays/dev/ghcr-secret.sops.yaml",
						"target": map[string]any{"kind": "ConfigMap", "name": "leak"},
					})
				}))
		}),
		wrappedKeyAttack(),
	}
}

// leakFrom is a generator of a fixed name over alice's sealed file.
func leakFrom(a scene) map[string]any {
	return map[string]any{
		"name":    "leak",
		"options": map[string]any{"disableNameSuffixHash": true},
		"files":   []any{"leak.yaml=../../../" + a.victim.id + "/overlays/dev/ghcr-secret.sops.yaml"},
	}
}

// asConfigMap adds the values of a sealed file to an overlay as a ConfigMap.
func asConfigMap(sealed, overlay string) error {
	d, err := readDocument(sealed)
	if err != nil {
		return err
	}
	delete(d, "type")
	d["kind"] = "ConfigMap"
	d.at("metadata")["name"] = "leak"
	if err := addResource(overlay, "leak.yaml", ""); err != nil {
		return err
	}
	return writeDocument(filepath.Join(overlay, "leak.yaml"), d)
}

// wrappedKeyAttack wants alice's project key. Its control is the platform key
// in the attacker's key Secret: what a shared platform key would be.
func wrappedKeyAttack() attack {
	return attack{
		id: "wrapped-key", writer: ownProject, by: platformKeyApart,
		what: "alice's wrapped project key listed as `../../../../tenants/…`",
		commit: func(a scene) error {
			return change(a.kustomization(), func(d document) {
				d.push("resources", "../../../../tenants/home/"+a.victim.id+"/project-key.sops.yaml")
			})
		},
		seen: refused(workload, "BuildFailed", "identity did not match any of the recipients"),
		hit:  func(ctx context.Context, a scene) error { return tokenIn(ctx, a.namespace(), "AGE-SECRET-KEY-") },
	}
}

// escapingAttacks want to write what only the platform may.
func escapingAttacks() []attack {
	escape := func(id, what, manifest string, kind schema.GroupVersionKind, name string) attack {
		return attack{
			id: id, writer: ownProject, what: what, by: narrowRights,
			commit: func(a scene) error {
				return addResource(a.overlay(), "evil.yaml", a.fill(manifest))
			},
			seen: refused(workload, "ReconciliationFailed", "cannot patch resource"),
			hit: func(ctx context.Context, a scene) error {
				namespace := a.namespace()
				if name == "" {
					return marked(ctx, kind, "", namespace)
				}
				return marked(ctx, kind, namespace, name)
			},
		}
	}
	core := func(kind string) schema.GroupVersionKind { return schema.GroupVersionKind{Version: "v1", Kind: kind} }
	rbac := func(kind string) schema.GroupVersionKind {
		return schema.GroupVersionKind{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: kind}
	}
	const subject = `
subjects: [{kind: ServiceAccount, name: "SELF", namespace: flux-projects}]`
	return []attack{
		escape("clusterrolebinding", "a ClusterRoleBinding to cluster-admin", `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "SELF", annotations: {evil: "yes"}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}`+subject, rbac("ClusterRoleBinding"), ""),
		escape("rolebinding", "a RoleBinding in the own namespace", `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: evil, annotations: {evil: "yes"}, namespace: "SELF"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}`+subject, rbac("RoleBinding"), "evil"),
		escape("own-rolebinding", "the own RoleBinding, changed", `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: berth, annotations: {evil: "yes"}, namespace: "SELF"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: berth-project}`+subject, rbac("RoleBinding"), "berth"),
		escape("own-namespace", "the own Namespace's pod security, lifted", `apiVersion: v1
kind: Namespace
metadata: {name: "SELF", annotations: {evil: "yes"}, labels: {pod-security.kubernetes.io/enforce: privileged}}`, core("Namespace"), ""),
		escape("own-quota", "the own ResourceQuota, raised", `apiVersion: v1
kind: ResourceQuota
metadata: {name: berth, annotations: {evil: "yes"}, namespace: "SELF"}
spec: {hard: {pods: "5000"}}`, core("ResourceQuota"), "berth"),
		escape("own-limits", "the own LimitRange, lifted", `apiVersion: v1
kind: LimitRange
metadata: {name: berth, annotations: {evil: "yes"}, namespace: "SELF"}
spec: {limits: []}`, core("LimitRange"), "berth"),
		escape("own-network-policy", "the own NetworkPolicy, opened", `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: berth, annotations: {evil: "yes"}, namespace: "SELF"}
spec: {podSelector: {}, ingress: [{}]}`, schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}, "berth"),
		escape("flux-kustomization", "a Flux Kustomization of one's own", `apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: evil, annotations: {evil: "yes"}, namespace: "SELF"}
spec: {interval: 1h, prune: true, path: ./, sourceRef: {kind: GitRepository, name: flux-projects, namespace: flux-projects}}`,
			schema.GroupVersionKind{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"}, "evil"),
		newNamespaceAttack(), otherNamespaceAttack(), privilegedPodAttack(),
	}
}

// newNamespaceAttack ends at the own Namespace: targetNamespace renames it.
func newNamespaceAttack() attack {
	return attack{
		id: "new-namespace", writer: ownProject, what: "a new Namespace", by: targetNamespace,
		commit: func(a scene) error {
			return writeKustomization(a, "apiVersion: v1\nkind: Namespace\nmetadata: {name: evil-namespace, annotations: {evil: \"yes\"}}\n")
		},
		seen: refused(workload, "ReconciliationFailed", "cannot patch resource"),
		hit: func(ctx context.Context, _ scene) error {
			return marked(ctx, schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}, "", "evil-namespace")
		},
	}
}

// otherNamespaceAttack is applied, but into the own namespace.
func otherNamespaceAttack() attack {
	configMap := schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	return attack{
		id: "other-namespace", writer: ownProject, what: "an object in alice's namespace", by: targetNamespace,
		commit: func(a scene) error {
			manifest := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: evil, annotations: {evil: \"yes\"}, namespace: " + a.victim.namespace("dev") + "}\n"
			return writeKustomization(a, manifest)
		},
		seen: func(ctx context.Context, a scene) (string, error) {
			err := marked(ctx, configMap, a.namespace(), "evil")
			return "Ready=True; the object is rewritten into the own namespace", err
		},
		hit: func(ctx context.Context, a scene) error {
			return marked(ctx, configMap, a.victim.namespace("dev"), "evil")
		},
	}
}

// writeKustomization makes an overlay that consists of one manifest.
func writeKustomization(a scene, manifest string) error {
	err := writeDocument(a.kustomization(), document{"kind": "Kustomization", "apiVersion": "kustomize.config.k8s.io/v1beta1"})
	return errors.Join(err, addResource(a.overlay(), "evil.yaml", manifest))
}

// neighbourAttacks harm other projects from within the own namespace.
func neighbourAttacks() []attack {
	service := func(id, what, message, spec string) attack {
		return attack{
			id: id, writer: ownProject, what: what, by: servicePolicy,
			commit: func(a scene) error {
				return addResource(a.overlay(), "evil.yaml", a.fill("apiVersion: v1\nkind: Service\nmetadata: {name: evil}\nspec: "+spec+"\n"))
			},
			seen: refused(workload, "ReconciliationFailed", message),
			hit: func(ctx context.Context, a scene) error {
				return fleet.Client.Get(ctx, client.ObjectKey{Namespace: a.namespace(), Name: "evil"}, &corev1.Service{})
			},
		}
	}
	return []attack{
		service("external-ips", "a Service with `externalIPs`, for the traffic that others send there", "a Service may not take externalIPs",
			"{selector: {app.kubernetes.io/name: app}, ports: [{port: 443}], externalIPs: [192.0.2.1]}"),
		service("external-name", "a Service that is another name of alice's, for the ingress controller to follow", "a Service may not be an ExternalName",
			"{type: ExternalName, externalName: app.VICTIM.svc.cluster.local}"),
		{
			id: "system-priority", writer: ownProject, what: "pods with the priority of the system's own, which drive others from the nodes", by: podPolicy,
			commit: func(a scene) error { return patchPod(a, map[string]any{"priorityClassName": "system-node-critical"}) },
			seen:   podsRefused("a priority of the system's own"), hit: evilPod,
		},
	}
}

func privilegedPodAttack() attack {
	return attack{
		id: "privileged", writer: ownProject, what: "a privileged pod", by: podSecurity,
		commit: func(a scene) error {
			return patchPod(a, map[string]any{"containers": []any{
				map[string]any{"name": "app", "securityContext": map[string]any{"privileged": true, "allowPrivilegeEscalation": true}},
			}})
		},
		seen: podsRefused(`violates PodSecurity "baseline:latest": privileged`),
		hit:  evilPod,
	}
}

// patchPod adds a strategic merge patch of the app's pod to the overlay, and an
// annotation by which its pods are known.
func patchPod(a scene, spec map[string]any) error {
	patch := map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "app"},
		"spec": map[string]any{"template": map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{"evil": a.self.id}},
			"spec":     spec,
		}},
	}
	if err := writeDocument(filepath.Join(a.overlay(), "evil-patch.yaml"), patch); err != nil {
		return err
	}
	return change(a.kustomization(), func(d document) { d.push("patches", map[string]any{"path": "evil-patch.yaml"}) })
}

// evilPod is nil once a pod with the attack's annotation was admitted.
func evilPod(ctx context.Context, a scene) error {
	var pods corev1.PodList
	if err := fleet.Client.List(ctx, &pods, client.InNamespace(a.namespace())); err != nil {
		return err
	}
	for _, pod := range pods.Items {
		if pod.Annotations["evil"] == a.self.id {
			return nil
		}
	}
	return fmt.Errorf("no pod of %d in %s is the attack's", len(pods.Items), a.namespace())
}

// marked is nil when an object is there and carries the attackers' annotation.
func marked(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) error {
	var obj unstructured.Unstructured
	obj.SetGroupVersionKind(kind)
	if err := fleet.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &obj); err != nil {
		return err
	}
	if obj.GetAnnotations()["evil"] == "" {
		return fmt.Errorf("%s %s/%s is untouched", kind.Kind, namespace, name)
	}
	return nil
}
