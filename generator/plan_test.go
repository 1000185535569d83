package generator_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/templates"
)

const twoClusters = platformDoc + `  - name: bare
    url: https://git.example.com/platform/fleet.git
`

// TestPlanProblems: what only the platform and the templates can tell, with
// the line in project.yaml.
func TestPlanProblems(t *testing.T) {
	for name, test := range map[string]struct {
		platform, project string
		want              string
	}{
		"unknown template": {platformDoc, head + "  image: i:1\n  template: wbe\n" + tail,
			"project.yaml:8: spec.template: there is no template wbe; did you mean web?"},
		"unknown default template": {platformDoc + "  defaults: {template: cronjob}\n", head + "  image: i:1\n" + tail,
			"project.yaml:5: spec.template: there is no template cronjob; templates: web, worker"},
		"unknown cluster": {platformDoc, head + "  image: i:1\n" + tail + "    cluster: hmoe\n",
			"project.yaml:10: spec.environments[0].cluster: there is no cluster hmoe; did you mean home?"},
		"which cluster": {twoClusters, head + "  image: i:1\n" + tail,
			"project.yaml:9: spec.environments[0].cluster: is required: there are several clusters and no default; name one of home, bare"},
		"no recipient": {twoClusters, head + "  image: i:1\n  pullSecret: {registry: docker.io, username: a}\n" + tail + "    cluster: bare\n",
			"project.yaml:8: spec.pullSecret: cluster bare has no age recipient to seal for; add the platform key's recipient to the cluster in berth.yaml"},
		"no service": {platformDoc, head + "  image: i:1\n  template: worker\n" + tail + "    host: a.example.com\n",
			"project.yaml:11: spec.environments[0].host: template worker has no Service called app with a port called http; use a template with a Service, or remove the host"},
		"host twice": {platformDoc, head + "  image: i:1\n  environments:\n  - {name: a, host: x.example.com}\n  - {name: b, host: x.example.com}\n",
			"project.yaml:10: spec.environments[1].host: is the host of an earlier environment too; give each environment of a cluster its own"},
		"above the default limit": {platformDoc + "  defaults: {resources: {limits: {cpu: 1}}}\n",
			head + "  image: i:1\n" + tail + "    resources: {requests: {cpu: 2}}\n",
			"project.yaml:10: spec.environments[0].resources: the cpu request is above the limit, with the platform's defaults filled in; set both the request and the limit here"},
		"above the limit range": {platformDoc, head + "  image: i:1\n" + tail + "    resources: {requests: {memory: 1Gi}}\n",
			"project.yaml:10: spec.environments[0].resources: the memory request is above the limit that the namespace's LimitRange fills in; set the limit too"},
		"all at once": {twoClusters, head + "  image: i:1\n  template: x\n  environments:\n  - {name: a, cluster: x}\n  - {name: b}\n",
			"project.yaml:8: spec.template: there is no template x; templates: web, worker\n" +
				"project.yaml:10: spec.environments[0].cluster: there is no cluster x; clusters: home, bare\n" +
				"project.yaml:11: spec.environments[1].cluster: is required: there are several clusters and no default; name one of home, bare"},
	} {
		t.Run(name, func(t *testing.T) {
			plan, err := generator.New(templates.FS).Plan(mustPlatform(t, test.platform), mustProject(t, test.project))
			if plan != nil || err == nil {
				t.Fatalf("a plan came back: %v", err)
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestPlanValidates: specs made in code are checked like parsed ones.
func TestPlanValidates(t *testing.T) {
	platform, project := validPlatform(), validProject()
	platform.Spec.Clusters[0].Name = "../home"
	project.Metadata.Name = "../shop"
	_, err := generator.New(templates.FS).Plan(platform, project)
	var problems generator.Problems
	if !errors.As(err, &problems) || len(problems) != 2 {
		t.Fatal(err)
	}
	if owned := generator.Owned(platform, "../shop"); owned != nil {
		t.Errorf("a bad id owns %v", owned)
	}
	if owned := generator.Owned(platform, "shop"); len(owned) != 2 {
		t.Errorf("a bad cluster gives paths: %v", owned)
	}
	if _, err := generator.ClusterFiles(platform); !errors.As(err, &problems) {
		t.Errorf("ClusterFiles: %v", err)
	}
}

func TestWarnings(t *testing.T) {
	for name, test := range map[string]struct {
		platform, project string
		want              []string
	}{
		"none": {platformDoc, head + "  image: ghcr.io/a/b:v1\n  pullSecret: {registry: ghcr.io, username: a}\n" + tail, nil},
		"latest": {platformDoc, head + "  image: i:latest\n" + tail, []string{
			"project.yaml:7: spec.image: latest without a digest: what runs depends on when a pod starts; name a version, best with a digest"}},
		"no tag": {platformDoc, head + "  image: i\n" + tail, []string{
			"project.yaml:7: spec.image: has no tag, so it means latest: what runs depends on when a pod starts; name a tag, best with a digest"}},
		"pinned latest": {platformDoc, head + "  image: i:latest@" + digest + "\n" + tail, nil},
		"pinned":        {platformDoc, head + "  image: i@" + digest + "\n" + tail, nil},
		"not inherited": {platformDoc, head + "  image: i\n" + tail + "    image: i:1\n", nil},
		"own image": {platformDoc, head + "  image: i:1\n" + tail + "    image: i\n", []string{
			"project.yaml:10: spec.environments[0].image: has no tag, so it means latest: what runs depends on when a pod starts; name a tag, best with a digest"}},
		"other registry": {platformDoc, head + "  image: i:1\n  pullSecret: {registry: ghcr.io, username: a}\n" + tail, []string{
			"project.yaml:7: spec.image: comes from docker.io, but the pull secret is for ghcr.io and will not be used for it; name the registry of the credential, or use an image from there"}},
		"Docker Hub": {platformDoc, head + "  image: a/b:1\n  pullSecret: {registry: docker.io, username: a}\n" + tail, nil},
		"port counts": {platformDoc, head + "  image: r.example.com:5000/b:1\n  pullSecret: {registry: r.example.com, username: a}\n" + tail, []string{
			"project.yaml:7: spec.image: comes from r.example.com:5000, but the pull secret is for r.example.com and will not be used for it; name the registry of the credential, or use an image from there"}},
		"quota": {platformDoc + "  defaults: {quota: {pods: 2, requests.cpu: 1}}\n", head + "  image: i:1\n" + tail + "    replicas: 3\n    resources: {requests: {cpu: 500m}}\n", []string{
			"project.yaml:10: spec.environments[0].replicas: 3 pods need 3 of pods; the quota is 2; lower the replicas or the resources, or raise the quota in berth.yaml",
			"project.yaml:10: spec.environments[0].replicas: 3 pods need 1500m of requests.cpu; the quota is 1; lower the replicas or the resources, or raise the quota in berth.yaml"}},
		"quota without limits": {platformDoc + "  defaults: {limitRange: {}, quota: {limits.memory: 1Gi}}\n", head + "  image: i:1\n" + tail, []string{
			"project.yaml:9: spec.environments[0].resources: the quota counts limits.memory and the container sets none: its pods will be refused; set it here, in the platform's defaults or in its limitRange"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, w := range mustPlan(t, mustPlatform(t, test.platform), mustProject(t, test.project)).Warnings {
				got = append(got, w.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestRequests: what has to be sealed, for whom and where.
func TestRequests(t *testing.T) {
	plan := golden(t, "private")
	wantKeys := []generator.KeyRequest{
		{Path: "tenants/cloud/shop/project-key.sops.yaml", Cluster: "cloud", Name: "sops-shop", Namespace: "flux-projects", Project: "shop",
			Owner: "alice@example.com", Recipients: []string{"age1zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"}},
		{Path: "tenants/home/shop/project-key.sops.yaml", Cluster: "home", Name: "sops-shop", Namespace: "flux-projects", Project: "shop",
			Owner: "alice@example.com", Recipients: []string{"age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq", "age1pppppppppppppppppppppppppppppppp"}},
	}
	if diff := cmp.Diff(wantKeys, plan.Keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	var secrets []string
	for _, s := range plan.Secrets {
		secrets = append(secrets, strings.Join([]string{s.Path, s.Name, s.Namespace, s.Project, s.Environment, s.Cluster, s.Owner, s.Registry, s.Username}, " "))
	}
	wantSecrets := []string{
		"projects/shop/overlays/development/ghcr-secret.sops.yaml ghcr-secret project-shop-development shop development home alice@example.com ghcr.io alice",
		"projects/shop/overlays/production/ghcr-secret.sops.yaml ghcr-secret project-shop-production shop production cloud alice@example.com ghcr.io alice",
		"projects/shop/overlays/staging/ghcr-secret.sops.yaml ghcr-secret project-shop-staging shop staging home alice@example.com ghcr.io alice",
	}
	if diff := cmp.Diff(wantSecrets, secrets); diff != "" {
		t.Errorf("secrets (-want +got):\n%s", diff)
	}
}

// TestPure: the same specs give the same bytes, and only what a spec changes
// changes.
func TestPure(t *testing.T) {
	doc := readFile(t, "testdata/private/project.yaml")
	platform := mustPlatform(t, readFile(t, "testdata/private/berth.yaml"))
	first := mustPlan(t, platform, mustProject(t, doc))
	for range 5 {
		if diff := cmp.Diff(asStrings(first.Files), asStrings(mustPlan(t, platform, mustProject(t, doc)).Files)); diff != "" {
			t.Fatalf("two plans of one project differ:\n%s", diff)
		}
	}
	reordered := mustProject(t, doc)
	slices.Reverse(reordered.Spec.Environments)
	if diff := cmp.Diff(first, mustPlan(t, platform, reordered)); diff != "" {
		t.Errorf("the order of environments matters:\n%s", diff)
	}
	image := mustPlan(t, platform, mustProject(t, strings.Replace(doc, "shop:v1\n", "shop:v2\n", 1)))
	var changed []string
	for p, file := range image.Files {
		if string(file) != string(first.Files[p]) {
			changed = append(changed, p)
		}
	}
	slices.Sort(changed)
	want := []string{"projects/shop/overlays/development/kustomization.yaml", "projects/shop/overlays/staging/kustomization.yaml"}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("a new image changes other files (-want +got):\n%s", diff)
	}
}

// TestOwned: every path of a plan is owned, and nothing of a neighbour whose
// id begins alike.
func TestOwned(t *testing.T) {
	platform := mustPlatform(t, readFile(t, "testdata/private/berth.yaml"))
	want := []string{
		"projects/shop/base/", "projects/shop/overlays/",
		"tenants/home/shop/", "fleet/home/shop.yaml", "tenants/cloud/shop/", "fleet/cloud/shop.yaml",
	}
	if diff := cmp.Diff(want, generator.Owned(platform, "shop")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	plan := golden(t, "private")
	paths := slices.Collect(maps.Keys(plan.Files))
	for _, k := range plan.Keys {
		paths = append(paths, k.Path)
	}
	for _, s := range plan.Secrets {
		paths = append(paths, s.Path)
	}
	for _, p := range paths {
		if !owns(want, p) {
			t.Errorf("%s is not owned", p)
		}
	}
	for _, p := range []string{"projects/shop/project.yaml", "projects/shop/components/cache/x.yaml", "projects/shop2/base/x.yaml", "fleet/home/shop2.yaml", "berth.yaml"} {
		if owns(want, p) {
			t.Errorf("%s is owned", p)
		}
	}
}

// owns says whether a path is one of the owned files or in an owned folder.
func owns(owned []string, p string) bool {
	return slices.ContainsFunc(owned, func(o string) bool {
		return p == o || strings.HasSuffix(o, "/") && strings.HasPrefix(p, o)
	})
}

// TestNamesNeverMeet: a dash in an id cannot pose as one in an environment.
func TestNamesNeverMeet(t *testing.T) {
	platform := validPlatform()
	dashed := validProject()
	dashed.Metadata.Name, dashed.Spec.Environments[0].Name = "a-b", "prod"
	plan := mustPlan(t, platform, dashed)
	if got := plan.Targets[0].Namespace; got != "project-a-b-prod" {
		t.Fatal(got)
	}
	twin := validProject()
	twin.Metadata.Name, twin.Spec.Environments[0].Name = "a", "b-prod"
	if _, err := generator.New(templates.FS).Plan(platform, twin); err == nil {
		t.Fatal("a with b-prod would share the namespace of a-b with prod")
	}
}

// TestOwnTemplates: a repository's own bases, and what is wrong with them.
func TestOwnTemplates(t *testing.T) {
	web := readTreeFS(t, templates.FS)
	deployment, service := web["web/deployment.yaml"], web["web/service.yaml"]
	kustomization := "resources: [all.yaml]\nmetadata: {annotations: {team: blue}}\nlabels: [{pairs: {team: blue}}]\n"
	extraPort := strings.Replace(deployment, "          containerPort: 8080\n", "          containerPort: 8080\n        - name: metrics\n          containerPort: 9090\n", 1)
	for name, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"good":             {map[string]string{"kustomization.yaml": kustomization, "all.yaml": "# ours\n---\n" + extraPort + "---\n" + service}, ""},
		"no kustomization": {map[string]string{"all.yaml": deployment}, "has no kustomization.yaml"},
		"no deployment":    {map[string]string{"kustomization.yaml": kustomization, "all.yaml": service}, "has no Deployment called app"},
		"other image": {map[string]string{"kustomization.yaml": kustomization, "all.yaml": strings.Replace(deployment, "image: app", "image: nginx", 1)},
			"has no Deployment called app"},
		"not YAML":      {map[string]string{"kustomization.yaml": kustomization, "all.yaml": deployment + "\n\tx"}, "not valid YAML: all.yaml"},
		"other file":    {map[string]string{"kustomization.yaml": kustomization, "all.yaml": deployment, "run.sh": "#!/bin/sh"}, "not YAML: run.sh"},
		"bad object":    {map[string]string{"kustomization.yaml": kustomization, "all.yaml": strings.Replace(deployment, "containerPort: 8080", "containerPort: x", 1)}, "Kubernetes would refuse: all.yaml"},
		"bad kustomize": {map[string]string{"kustomization.yaml": "[]", "all.yaml": deployment}, "not valid YAML: kustomization.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			bases := fstest.MapFS{}
			for p, doc := range test.files {
				bases["ours/"+p] = &fstest.MapFile{Data: []byte(doc)}
			}
			project := validProject()
			project.Spec.Template, project.Spec.Port = "ours", 80
			plan, err := generator.New(bases).Plan(validPlatform(), project)
			if test.want != "" {
				var problems generator.Problems
				if !errors.As(err, &problems) || !strings.Contains(err.Error(), test.want) {
					t.Fatalf("got %v, want a word about %q", err, test.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			built := build(t, repository(t, plan, nil), "projects/shop/overlays/production")["Deployment/project-shop-production/app"]
			ports := at(t, built, "spec", "template", "spec", "containers", 0, "ports")
			if diff := cmp.Diff(parse(t, "[{name: http, containerPort: 80}, {name: metrics, containerPort: 9090}]"), ports); diff != "" {
				t.Errorf("ports: %s", diff)
			}
			if got := at(t, built, "metadata", "labels", "team"); got != "blue" {
				t.Errorf("the template's own label is %v", got)
			}
			base := string(plan.Files["projects/shop/base/kustomization.yaml"])
			if !strings.Contains(base, "team: blue") || !strings.Contains(base, "berth/template: ours@sha256:") {
				t.Error(base)
			}
		})
	}
}

// TestUnreadableTemplates: what keeps templates from being read is told, and is no
// problem of the spec.
func TestUnreadableTemplates(t *testing.T) {
	_, err := generator.New(os.DirFS(filepath.Join(t.TempDir(), "gone"))).Plan(validPlatform(), validProject())
	var problems generator.Problems
	if !errors.Is(err, fs.ErrNotExist) || errors.As(err, &problems) {
		t.Errorf("got %v", err)
	}
}

func TestGenerated(t *testing.T) {
	doc := string(golden(t, "public").Files["fleet/home/0.yaml"])
	for name, test := range map[string]struct {
		doc                 string
		generated, pristine bool
	}{
		"as written":        {doc, true, true},
		"edited":            {strings.Replace(doc, "prune: true", "prune: false", 1), true, false},
		"appended":          {doc + "\n", true, false},
		"cut":               {doc[:len(doc)-1], true, false},
		"comment above":     {"# mine\n" + doc, true, false},
		"comment between":   {strings.Replace(doc, "\n", "\n# mine\n", 1), true, false},
		"first line edited": {strings.Replace(doc, "instead.", "instead. Ask alice first.", 1), true, false},
		"another source":    {strings.Replace(doc, "from projects/0/project.yaml", "from alice and me", 1), true, false},
		"no first line":     {doc[strings.Index(doc, "# berth/digest"):], true, false},
		"line above":        {"a: b\n" + doc, false, false},
		"header gone":       {doc[strings.Index(doc, "apiVersion"):], false, false},
		"line breaks":       {strings.ReplaceAll(doc, "\n", "\r\n"), true, false},
		"only a comment":    {"# berth/digest: sha256:", true, false},
		"empty":             {"", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			generated, pristine := generator.Generated([]byte(test.doc))
			if generated != test.generated || pristine != test.pristine {
				t.Errorf("generated %v, pristine %v", generated, pristine)
			}
		})
	}
}
