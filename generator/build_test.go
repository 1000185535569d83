package generator_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/templates"
)

const cacheComponent = `apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
- patch: |
    apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: app
    spec:
      template:
        spec:
          containers:
          - name: cache
            image: redis:7
`

// golden plans one case of testdata.
func golden(t *testing.T, name string) *generator.Plan {
	t.Helper()
	folder := filepath.Join("testdata", name)
	return mustPlan(t, mustPlatform(t, readFile(t, folder+"/berth.yaml")), mustProject(t, readFile(t, folder+"/project.yaml")))
}

// parse reads the YAML that an assertion wants.
func parse(t *testing.T, doc string) any {
	t.Helper()
	var v any
	if err := yaml.UnmarshalStrict([]byte(doc), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestBuildProduction(t *testing.T) {
	repo := repository(t, golden(t, "private"), nil)
	built := build(t, repo, "projects/shop/overlays/production")
	want := map[string]string{
		"Deployment/project-shop-production/app": `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
  namespace: project-shop-production
  labels: {app.kubernetes.io/name: app, berth/project: shop, berth/environment: production}
spec:
  replicas: 3
  revisionHistoryLimit: 3
  selector:
    matchLabels: {app.kubernetes.io/name: app}
  template:
    metadata:
      labels: {app.kubernetes.io/name: app, berth/project: shop, berth/environment: production}
    spec:
      serviceAccountName: app
      automountServiceAccountToken: false
      enableServiceLinks: false
      imagePullSecrets: [{name: ghcr-secret}]
      securityContext:
        runAsNonRoot: true
        seccompProfile: {type: RuntimeDefault}
      containers:
      - name: app
        image: ghcr.io/alice/shop:v1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
        imagePullPolicy: Always
        env:
        - {name: GREETING, value: "hello: # world"}
        - {name: LOG_LEVEL, value: info}
        ports: [{name: http, containerPort: 3000}]
        readinessProbe: {tcpSocket: {port: http}}
        resources:
          requests: {cpu: 500m, memory: 256Mi}
          limits: {memory: 1Gi}
        securityContext:
          allowPrivilegeEscalation: false
          capabilities: {drop: [ALL]}
`,
		"ServiceAccount/project-shop-production/app": `
apiVersion: v1
kind: ServiceAccount
metadata:
  name: app
  namespace: project-shop-production
  labels: {berth/project: shop}
automountServiceAccountToken: false
imagePullSecrets: [{name: ghcr-secret}]
`,
		"Ingress/project-shop-production/app": `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: app
  namespace: project-shop-production
  labels: {berth/project: shop, berth/environment: production}
spec:
  rules:
  - host: shop.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: app, port: {name: http}}}
`,
		"Service/project-shop-production/app": `
apiVersion: v1
kind: Service
metadata:
  name: app
  namespace: project-shop-production
  labels: {berth/project: shop}
spec:
  selector: {app.kubernetes.io/name: app}
  ports: [{name: http, port: 80, targetPort: http}]
`,
		// What was sealed has to come out as it went in, or its MAC is lost.
		"Secret/project-shop-production/ghcr-secret": string(sealed("ghcr-secret", "project-shop-production", ".dockerconfigjson")),
	}
	if len(built) != len(want) {
		t.Errorf("built %d objects, want %d", len(built), len(want))
	}
	for key, doc := range want {
		if diff := cmp.Diff(parse(t, doc), any(built[key])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
}

// TestBuildDefaults checks what an environment gets that says nothing.
func TestBuildDefaults(t *testing.T) {
	repo := repository(t, golden(t, "private"), map[string]string{
		"projects/shop/components/cache/kustomization.yaml": cacheComponent,
	})
	d := build(t, repo, "projects/shop/overlays/staging")["Deployment/project-shop-staging/app"]
	if got := at(t, d, "spec", "replicas"); got != 0.0 {
		t.Errorf("replicas %v, want 0", got)
	}
	pod := at(t, d, "spec", "template", "spec")
	if at(t, pod, "securityContext", "runAsNonRoot") != nil {
		t.Error("runAsNonRoot is set below baseline: images that start as root would not run")
	}
	if got := len(at(t, pod, "containers").([]any)); got != 2 {
		t.Errorf("%d containers, want the app and the component's", got)
	}
	development := build(t, repo, "projects/shop/overlays/development")
	in := development["Ingress/project-shop-development/app"]
	if got := at(t, in, "spec", "ingressClassName"); got != "traefik" {
		t.Errorf("ingress class %v, want the cluster's", got)
	}
}

// TestBuildPublic: without a pull secret nothing mentions one.
func TestBuildPublic(t *testing.T) {
	plan := golden(t, "public")
	if len(plan.Keys)+len(plan.Secrets) > 0 {
		t.Errorf("a public project asks for seals: %v %v", plan.Keys, plan.Secrets)
	}
	for p, doc := range plan.Files {
		for _, word := range []string{"ghcr-secret", "imagePull", "sops", "decryption"} {
			if strings.Contains(string(doc), word) {
				t.Errorf("%s mentions %s", p, word)
			}
		}
	}
	d := build(t, repository(t, plan, nil), "projects/0/overlays/1")["Deployment/project-0-1/app"]
	if got := at(t, d, "spec", "template", "spec", "containers", 0, "image"); got != "nginx:latest" {
		t.Errorf("image %v, want it with the tag that it means", got)
	}
	if at(t, d, "spec", "replicas") != nil {
		t.Error("replicas are set although nobody asked: an autoscaler would be fought")
	}
}

// TestBuildEveryFolder: plain kustomize works wherever there is a
// kustomization.yaml.
func TestBuildEveryFolder(t *testing.T) {
	for _, name := range []string{"private", "public", "restricted"} {
		plan := golden(t, name)
		repo := repository(t, plan, map[string]string{
			"projects/shop/components/cache/kustomization.yaml": cacheComponent,
		})
		for _, folder := range folders(plan) {
			if len(build(t, repo, folder)) == 0 {
				t.Errorf("%s: %s builds to nothing", name, folder)
			}
		}
	}
}

// TestTemplatesBuild: the bases are complete as they are.
func TestTemplatesBuild(t *testing.T) {
	repo := filesys.MakeFsInMemory()
	for p, doc := range readTreeFS(t, templates.FS) {
		if err := repo.WriteFile("/"+p, []byte(doc)); err != nil {
			t.Fatal(err)
		}
	}
	for name, kinds := range map[string][]string{
		"web":    {"Deployment//app", "Service//app", "ServiceAccount//app"},
		"worker": {"Deployment//app", "ServiceAccount//app"},
	} {
		var got []string
		for key := range build(t, repo, name) {
			got = append(got, key)
		}
		slices.Sort(got)
		if diff := cmp.Diff(kinds, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestTiers follows Flux from the root to the workload: every path that a
// Kustomization names exists, and names, accounts and keys agree.
func TestTiers(t *testing.T) {
	plan := golden(t, "private")
	repo := repository(t, plan, nil)
	for _, cluster := range []string{"home", "cloud"} {
		entry := kustomization(t, decodeAll(t, cluster, plan.Files["fleet/"+cluster+"/shop.yaml"])["Kustomization/flux-projects/tenant-shop"])
		if diff := cmp.Diff("./tenants/"+cluster+"/shop berth sops-age  ", summary(entry)); diff != "" {
			t.Error(diff)
		}
		tenancy := build(t, repo, strings.TrimPrefix(entry.Spec.Path, "./"))
		for _, target := range plan.Targets {
			if target.Cluster != cluster {
				continue
			}
			ns := target.Namespace
			k := kustomization(t, tenancy["Kustomization/flux-projects/"+ns])
			want := "./" + target.Overlay + " " + ns + " sops-shop " + ns + " Orphan"
			if diff := cmp.Diff(want, summary(k)); diff != "" {
				t.Error(diff)
			}
			for _, kind := range []string{
				"Namespace//" + ns, "ResourceQuota/" + ns + "/berth", "LimitRange/" + ns + "/berth", "NetworkPolicy/" + ns + "/berth",
				"RoleBinding/" + ns + "/berth", "ServiceAccount/flux-projects/" + ns, "Secret/flux-projects/sops-shop",
			} {
				if tenancy[kind] == nil {
					t.Errorf("%s has no %s", entry.Spec.Path, kind)
				}
			}
		}
	}
}

func kustomization(t *testing.T, object map[string]any) *kustomizev1.Kustomization {
	t.Helper()
	doc, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var k kustomizev1.Kustomization
	if err := yaml.UnmarshalStrict(doc, &k); err != nil {
		t.Fatal(err)
	}
	if !k.Spec.Prune || k.Spec.Wait || k.Spec.SourceRef.Kind != "GitRepository" || k.Spec.SourceRef.Name != "flux-projects" {
		t.Errorf("%s: unexpected spec %+v", k.Name, k.Spec)
	}
	return &k
}

func summary(k *kustomizev1.Kustomization) string {
	key := ""
	if k.Spec.Decryption != nil {
		key = k.Spec.Decryption.SecretRef.Name
	}
	return strings.Join([]string{k.Spec.Path, k.Spec.ServiceAccountName, key, k.Spec.TargetNamespace, k.Spec.DeletionPolicy}, " ")
}
