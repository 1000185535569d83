package generator_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-gitops/berth/generator"
)

func validProject() *generator.Project {
	return &generator.Project{
		APIVersion: generator.APIVersion,
		Kind:       generator.KindProject,
		Metadata:   generator.Metadata{Name: "shop"},
		Spec: generator.ProjectSpec{
			Owner:        "alice",
			Image:        "ghcr.io/alice/shop:v1",
			Environments: []generator.Environment{{Name: "production"}},
		},
	}
}

const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// projectField sets one string of a valid project.
func projectField(name string) func(p *generator.Project, s string) {
	return map[string]func(p *generator.Project, s string){
		"metadata.name":            func(p *generator.Project, s string) { p.Metadata.Name = s },
		"spec.owner":               func(p *generator.Project, s string) { p.Spec.Owner = s },
		"spec.template":            func(p *generator.Project, s string) { p.Spec.Template = s },
		"spec.image":               func(p *generator.Project, s string) { p.Spec.Image = s },
		"spec.pullSecret.registry": func(p *generator.Project, s string) { pull(p).Registry = s },
		"spec.pullSecret.username": func(p *generator.Project, s string) { pull(p).Username = s },
		"spec.env[A]":              func(p *generator.Project, s string) { p.Spec.Env = map[string]string{"A": s} },
		"spec.env":                 func(p *generator.Project, s string) { p.Spec.Env = map[string]string{s: "x"} },
		"spec.components[0]":       func(p *generator.Project, s string) { p.Spec.Components = []string{s} },
		"spec.environments[0].name": func(p *generator.Project, s string) {
			p.Spec.Environments[0].Name = s
		},
		"spec.environments[0].cluster": func(p *generator.Project, s string) { p.Spec.Environments[0].Cluster = s },
		"spec.environments[0].host":    func(p *generator.Project, s string) { p.Spec.Environments[0].Host = s },
		"spec.environments[0].image":   func(p *generator.Project, s string) { p.Spec.Environments[0].Image = s },
		"spec.environments[0].resources.limits[cpu]": func(p *generator.Project, s string) {
			p.Spec.Environments[0].Resources = &generator.Resources{Limits: generator.Quantities{"cpu": s}}
		},
		"spec.environments[0].resources.limits[memory]": func(p *generator.Project, s string) {
			p.Spec.Environments[0].Resources = &generator.Resources{Limits: generator.Quantities{"memory": s}}
		},
	}[name]
}

func pull(p *generator.Project) *generator.PullSecret {
	if p.Spec.PullSecret == nil {
		p.Spec.PullSecret = &generator.PullSecret{Registry: "ghcr.io", Username: "alice"}
	}
	return p.Spec.PullSecret
}

// TestProjectStrings goes through the rules of every string: values that are
// accepted, and values that are refused with a part of the reason.
func TestProjectStrings(t *testing.T) {
	long := strings.Repeat("a", 63)
	for field, test := range map[string]struct {
		good []string
		bad  map[string]string
	}{
		"metadata.name": {
			[]string{"shop", "0", "1-2", "a--b", "com0", "com10", "console", "null", "true", "1e3", strings.Repeat("a", 44)},
			map[string]string{
				"": "is required", "Shop": "lower-case", "-a": "beginning and ending", "a-": "beginning and ending", "a.b": "lower-case",
				"a/b": "lower-case", "..": "lower-case", "a b": "lower-case", "a\nb": "lower-case", "ä": "lower-case",
				"berth": "fleet/<cluster>/berth.yaml", "kustomization": "reserved", "age": "sops-age", long + "a": "63",
				"con": "reserved", "nul": "reserved", "com1": "reserved", "cloudbuild": "cloudbuild.yaml",
			},
		},
		"spec.environments[0].name": {
			[]string{"production", "0", "a", strings.Repeat("a", 16), "yes", "null", "1e3"},
			map[string]string{
				"": "is required", "b-prod": "without '-'", strings.Repeat("a", 17): "1 to 16", "Prod": "lower-case",
				"a.b": "lower-case", "../x": "lower-case", "a\n": "lower-case", "kustomization": "reserved",
				"aux": "reserved", "cloudbuild": "cloudbuild.yaml",
			},
		},
		"spec.owner": {
			[]string{"alice", "alice@example.com", "Alice Ä. O'Neil", "google-oauth2|123", "${HOME}", "{a: b}", "- a", "yes", "# a", strings.Repeat("a", 253)},
			map[string]string{
				"": "is required", " ": "space", " a": "space", "a ": "space", "a\nb": "control", "a\tb": "control", "a\x00b": "control",
				"a\u200bb": "invisible", "a\u202eb": "invisible", "a\u2028b": "invisible", "a\u00a0b": "invisible", strings.Repeat("a", 254): "253",
			},
		},
		"spec.template": {
			[]string{"web", "our-own-1"},
			map[string]string{"lpt9": "reserved", "Web": "lower-case", "../web": "lower-case", "web/": "lower-case", ".": "lower-case"},
		},
		"spec.image": {
			[]string{
				"nginx", "nginx:1.27", "nginx@" + digest, "nginx:1.27@" + digest, "ghcr.io/a/b/c_d__e--f:V1", "localhost:5000/a:1",
				"127.0.0.1:5000/a", "[::1]:5000/a:1", "GHCR.io/a/b:1", "a:1e3", "0:0x1",
				"a@sha512:" + strings.Repeat("0", 128),
			},
			map[string]string{
				"ghcr.io/Alice/Shop:v1": "upper-case", "Alice": "upper-case", "https://ghcr.io/a/b": "scheme", "a b": "not an image",
				"a:": "not an image", "a@sha256:12": "not an image", "a:b:c": "not an image", "/a": "not an image", "a/": "not an image",
				"user:token@ghcr.io/a": "not an image", "a\nb": "not an image", "a:" + strings.Repeat("b", 129): "not an image", "a//b": "not an image",
				strings.Repeat("a", 64): "not an image", strings.Repeat("a/", 150) + "b": "255",
				"ghcr.io/a/b:v1\n": "not an image", "a@md5:d41d8cd98f00b204e9800998ecf8427e": "not an image",
			},
		},
		"spec.pullSecret.registry": {
			[]string{"ghcr.io", "docker.io", "registry.example.com:5000", "localhost", "localhost:5000", "10.0.0.1:5000", "registry:5000", "a-registry.cn-hangzhou.cr.aliyuncs.com"},
			map[string]string{
				"": "is required", "https://ghcr.io": "scheme", "ghcr.io/": "path", "ghcr.io/alice": "path", "*.io": "pattern", "ghcr.i?": "pattern",
				"[g]hcr.io": "pattern", "GHCR.io": "upper-case", "ghcr.io:": "port", "ghcr.io:0": "port", "ghcr.io:65536": "port", "ghcr.io:080": "port",
				"ghcr.io:a": "port", "a@ghcr.io": "user name", "ghcr .io": "not a host", "ghcr.io\n": "not a host", "ghcr..io": "not a host", "registry": "neither a dot nor a port", "index.docker.io": "write docker.io", "registry-1.docker.io": "write docker.io",
				"a:b:1": "port", "ghcr.io.": "not a host",
			},
		},
		"spec.pullSecret.username": {
			[]string{"alice", "tcr$robot", "name@alias", "Ünï", "a b", "_json_key", "{x}"},
			map[string]string{"": "is required", "a:b": "':'", "a\nb": "control", "a\rb": "control", "a\x00b": "control", "a\u0085b": "control", "a ": "space"},
		},
		"spec.env": {
			[]string{"A", "_", "a.b-c", "LOG_LEVEL1"},
			map[string]string{"": "environment variable", "1A": "environment variable", "A B": "environment variable", "A=B": "environment variable", "A\n": "environment variable", "Ä": "environment variable"},
		},
		"spec.env[A]": {
			[]string{"", " ", "a\nb: c", "\t", "a\r\nb", "\u2028", "yes", "# x", "---\n", "\ufeff", "😀", "$(A)"},
			map[string]string{"\x00": "control", "a\x1b[0m": "control", "\x7f": "control", "\u0085": "control", "\u009f": "control", "\ufffe": "control", "\U0001ffff": "control"},
		},
		"spec.components[0]": {
			[]string{"cache", "a-1"},
			map[string]string{"": "is required", "..": "lower-case", "../x": "lower-case", "a/b": "lower-case", "https://x": "lower-case", "A": "lower-case"},
		},
		"spec.environments[0].cluster": {
			[]string{"home"},
			map[string]string{"Home": "lower-case", "../home": "lower-case"},
		},
		"spec.environments[0].host": {
			[]string{"shop.example.com", "localhost", "a-1.b"},
			map[string]string{
				"Shop.example.com": "upper-case", "*.example.com": "wildcard", "10.0.0.1": "IP", "::1": "IP", "https://x.com": "URL", "x.com/a": "URL",
				"x.com:80": "DNS", "x..com": "DNS", "x_y.com": "DNS", "x.com\n": "DNS", "ä.com": "DNS", strings.Repeat("a.", 130) + "a": "DNS",
			},
		},
		"spec.environments[0].image": {
			[]string{"nginx:1"},
			map[string]string{"Nginx": "upper-case"},
		},
		"spec.environments[0].resources.limits[cpu]": {
			[]string{"0", "1", "0.5", ".5", "500m", "1e3", "1k", "100n"},
			map[string]string{"": "quantity", "a": "quantity", "-1": "negative", "1 ": "quantity", "1e2147483647": "quantity", "1e-99999": "quantity", "10E": "more than", "1Gb": "quantity", "1\n": "quantity", "0x10": "quantity"},
		},
		"spec.environments[0].resources.limits[memory]": {
			[]string{"64Mi", "1G", "1e9", "128974848"},
			map[string]string{"64M i": "quantity", "500m": "whole number", "0.5": "whole number"},
		},
	} {
		set := projectField(field)
		for _, value := range test.good {
			p := validProject()
			set(p, value)
			if _, err := generator.MergeProject("f", nil, p); err != nil {
				t.Errorf("%s %q is refused: %v", field, value, err)
			}
		}
		for value, reason := range test.bad {
			p := validProject()
			set(p, value)
			_, err := generator.MergeProject("f", nil, p)
			if err == nil || !strings.Contains(err.Error(), "f: "+field) || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s %q: got %v, want a word about %q", field, value, err, reason)
			}
		}
	}
}

// TestProjectRules goes through what is not about one string.
func TestProjectRules(t *testing.T) {
	number := func(n int32) *int32 { return &n }
	quantities := func(kv ...string) generator.Quantities { return generator.Quantities{kv[0]: kv[1]} }
	for name, test := range map[string]struct {
		edit func(*generator.Project)
		want string
	}{
		"nothing wrong": {func(*generator.Project) {}, ""},
		"no environment": {func(p *generator.Project) { p.Spec.Environments = nil },
			"f: spec.environments: is required; name at least one, for example production"},
		"environment twice": {func(p *generator.Project) {
			p.Spec.Environments = append(p.Spec.Environments, generator.Environment{Name: "production"})
		}, "f: spec.environments[1].name: is the name of an earlier environment too; remove or rename one of them"},
		"63 characters": {func(p *generator.Project) { p.Metadata.Name = strings.Repeat("a", 44) }, ""},
		"64 characters": {func(p *generator.Project) { p.Metadata.Name = strings.Repeat("a", 45) },
			"f: spec.environments[0].name: makes the namespace project-<id>-<env> 64 characters long; Kubernetes allows 63; shorten the project's id or the environment's name"},
		"no image": {func(p *generator.Project) { p.Spec.Image = "" },
			"f: spec.environments[0].image: is required: the project has no image of its own; set spec.image, or the image of each environment"},
		"own images": {func(p *generator.Project) { p.Spec.Image, p.Spec.Environments[0].Image = "", "nginx:1" }, ""},
		"negative port": {func(p *generator.Project) { p.Spec.Port = -1 },
			"f: spec.port: must be between 1 and 65535"},
		"high port": {func(p *generator.Project) { p.Spec.Port = 65536 },
			"f: spec.port: must be between 1 and 65535"},
		"no replicas": {func(p *generator.Project) { p.Spec.Environments[0].Replicas = number(0) }, ""},
		"negative replicas": {func(p *generator.Project) { p.Spec.Environments[0].Replicas = number(-1) },
			"f: spec.environments[0].replicas: must be between 0 and 10000"},
		"component twice": {func(p *generator.Project) { p.Spec.Components = []string{"a", "b", "a"} },
			"f: spec.components[2]: is in the list already; name it once"},
		"much environment": {func(p *generator.Project) { p.Spec.Env = map[string]string{"A": strings.Repeat("a", 128<<10)} },
			"f: spec.env: holds more than 128 KiB; put large values in a file of the image or a ConfigMap component"},
		"request above limit": {func(p *generator.Project) {
			p.Spec.Environments[0].Resources = &generator.Resources{Requests: quantities("cpu", "1"), Limits: quantities("cpu", "900m")}
		}, "f: spec.environments[0].resources.requests[cpu]: is above the limit; raise the limit or lower the request"},
		"request at limit": {func(p *generator.Project) {
			p.Spec.Environments[0].Resources = &generator.Resources{Requests: quantities("cpu", "1"), Limits: quantities("cpu", "1000m")}
		}, ""},
		"unknown resource": {func(p *generator.Project) {
			p.Spec.Environments[0].Resources = &generator.Resources{Limits: quantities("mem", "1Gi")}
		}, "f: spec.environments[0].resources.limits[mem]: is not a resource that can be set here; known: cpu, ephemeral-storage, memory"},
		"misspelt resource": {func(p *generator.Project) {
			p.Spec.Environments[0].Resources = &generator.Resources{Limits: quantities("Memroy", "1Gi")}
		}, "f: spec.environments[0].resources.limits[Memroy]: is not a resource that can be set here; did you mean memory?"},
		"wrong head": {func(p *generator.Project) { p.APIVersion, p.Kind = "v1", "project" },
			"f: apiVersion: must be berth/v1alpha1; write apiVersion: berth/v1alpha1\nf: kind: must be Project; write kind: Project"},
		"upper-case image": {func(p *generator.Project) { p.Spec.Image = "ghcr.io/Alice/Shop:V1@" + digest },
			"f: spec.image: has upper-case letters in the image's path, which registries and the kubelet refuse; use ghcr.io/alice/shop:V1@" + digest},
	} {
		t.Run(name, func(t *testing.T) {
			p := validProject()
			test.edit(p)
			got := ""
			if _, err := generator.MergeProject("f", nil, p); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestErrorsKeepSecrets: a credential in the wrong place is not repeated.
func TestErrorsKeepSecrets(t *testing.T) {
	const secret = "ghp_0123456789abcdefABCDEF"
	for _, field := range []string{"spec.image", "spec.pullSecret.registry", "spec.pullSecret.username", "spec.environments[0].host"} {
		for _, value := range []string{"user:" + secret + "@ghcr.io", "https://user:" + secret + "@ghcr.io/a", secret + ":\n", secret + "\x00"} {
			p := validProject()
			projectField(field)(p, value)
			if _, err := generator.MergeProject("f", nil, p); err == nil || strings.Contains(strings.ToLower(err.Error()), "ghp_") {
				t.Errorf("%s %q: %v", field, value, err)
			}
		}
	}
	platform := strings.Replace(platformDoc, "https://git.", "https://user:"+secret+"@git.", 1)
	if _, err := generator.ParsePlatform("f", []byte(platform)); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("platform: %v", err)
	}
}
