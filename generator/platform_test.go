package generator_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-gitops/berth/generator"
)

func validPlatform() *generator.Platform {
	return &generator.Platform{
		APIVersion: generator.APIVersion,
		Kind:       generator.KindPlatform,
		Metadata:   generator.Metadata{Name: "fleet"},
		Spec: generator.PlatformSpec{Clusters: []generator.Cluster{{
			Name: "home", URL: "https://git.example.com/fleet.git", Recipients: []string{"age1" + strings.Repeat("q", 58)},
		}}},
	}
}

// TestPlatformStrings goes through the rules of every string of berth.yaml.
func TestPlatformStrings(t *testing.T) {
	cluster := func(set func(c *generator.Cluster, s string)) func(*generator.Platform, string) {
		return func(p *generator.Platform, s string) { set(&p.Spec.Clusters[0], s) }
	}
	for field, test := range map[string]struct {
		set  func(p *generator.Platform, s string)
		good []string
		bad  map[string]string
	}{
		"metadata.name": {
			func(p *generator.Platform, s string) { p.Metadata.Name = s },
			[]string{"fleet"}, map[string]string{"": "is required", "Fleet": "lower-case"},
		},
		"spec.publicKeys[0]": {
			func(p *generator.Platform, s string) { p.Spec.PublicKeys = []string{s} },
			[]string{"berth-pub-1qqqq", "berth-pub-1HDZrNXBasm1DlVhfL_MEMQ46LhEiQAADi_wMW0X2OQ3pKRi3"},
			map[string]string{
				"": "public key", "berth-pub-1": "public key", "berth-pub-1a b": "public key", "berth-pub-1a\nb": "public key", "berth-pub-1a,b": "public key",
				"berth-pub-1" + strings.Repeat("a", 256): "public key", "MCowBQYDK2VwAyEA+/=": "begins with berth-pub-1",
				"BERTH-SECRET-KEY-1HDZrNXBasm1DlVhfL_MEMQ46LhEiQAADi_wMW0X2OQ3pKRi3": "is secret",
			},
		},
		"spec.clusters[0].name": {
			cluster(func(c *generator.Cluster, s string) { c.Name = s }),
			[]string{"home", "eu-1"},
			map[string]string{"": "is required", "../x": "lower-case", "a.b": "lower-case", "a'b": "lower-case"},
		},
		"spec.clusters[0].url": {
			cluster(func(c *generator.Cluster, s string) { c.URL = s }),
			[]string{
				"https://git.example.com/platform/fleet.git", "http://127.0.0.1:3000/fleet.git", "ssh://git@git.example.com:2222/fleet.git",
				"https://git.example.com/~alice/fleet", "http://[::1]:8080/a",
			},
			map[string]string{
				"": "is required", "git@git.example.com:fleet.git": "must begin", "/srv/fleet.git": "must begin", "file:///srv": "must begin",
				"git://a/b": "must begin", "HTTPS://a/b": "must begin", "https://u:p@git.example.com/a": "credential", "https://token@git.example.com/a": "credential",
				"ssh://git:pw@a/b": "credential", "https://": "not a URL", "https://a b/c": "not a URL", "https://a/b\n": "not a URL", "https:///a": "not a URL",
			},
		},
		"spec.clusters[0].branch": {
			cluster(func(c *generator.Cluster, s string) { c.Branch = s }),
			[]string{"main", "release/2026", "a.b"},
			map[string]string{
				"a b": "branch", "-a": "branch", "a..b": "branch", "/a": "branch", "a/": "branch", "a.lock": "branch", ".a": "branch", "a/.b": "branch",
				"a~1": "branch", "a^": "branch", "a:b": "branch", "a\n": "branch", "@": "branch", "a@{1}": "branch", "HEAD": "branch", "refs/heads/main": "branch",
			},
		},
		"spec.clusters[0].recipients[0]": {
			cluster(func(c *generator.Cluster, s string) { c.Recipients = []string{s} }),
			[]string{"age1" + strings.Repeat("q", 58), "age1pq1" + strings.Repeat("q", 1952)},
			map[string]string{"": "age recipient", "ssh-ed25519 AAAA": "age recipient", "AGE-SECRET-KEY-1QQ": "age recipient", "age1qqqqqqqqqqqqqq,age1ppppppppppppppp": "age recipient", "age1qqqqqqqqqqqq\n": "age recipient", "age1": "age recipient"},
		},
		"spec.clusters[0].ingressNamespace": {
			cluster(func(c *generator.Cluster, s string) { c.IngressNamespace = s }),
			[]string{"ingress-nginx"}, map[string]string{"a.b": "lower-case"},
		},
		"spec.clusters[0].ingressClass": {
			cluster(func(c *generator.Cluster, s string) { c.IngressClass = s }),
			[]string{"traefik", "a.b"}, map[string]string{"A": "lower-case", "a b": "lower-case"},
		},
		"spec.clusters[0].podSecurity": {
			cluster(func(c *generator.Cluster, s string) { c.PodSecurity = s }),
			[]string{"privileged", "baseline", "restricted"}, map[string]string{"none": "Pod Security Standard", "Baseline": "Pod Security Standard"},
		},
		"spec.defaults.cluster": {
			func(p *generator.Platform, s string) { p.Spec.Defaults.Cluster = s },
			[]string{"home"}, map[string]string{"away": "not one of the clusters"},
		},
		"spec.defaults.template": {
			func(p *generator.Platform, s string) { p.Spec.Defaults.Template = s },
			[]string{"worker"}, map[string]string{"../x": "lower-case"},
		},
		"spec.defaults.podSecurity": {
			func(p *generator.Platform, s string) { p.Spec.Defaults.PodSecurity = s },
			[]string{"restricted"}, map[string]string{"x": "Pod Security Standard"},
		},
		"spec.defaults.interval": {
			func(p *generator.Platform, s string) { p.Spec.Defaults.Interval = s },
			[]string{"1s", "10m", "1h30m", "168h"},
			map[string]string{"1": "duration", "1d": "duration", "-1h": "between", "0s": "between", "169h": "between", "100ms": "between", "1h\n": "duration"},
		},
		"spec.defaults.quota[pods]": {
			func(p *generator.Platform, s string) { p.Spec.Defaults.Quota = generator.Quantities{"pods": s} },
			[]string{"10", "1k"}, map[string]string{"-1": "negative", "1.5": "whole number", "many": "quantity"},
		},
		"spec.defaults.quota": {
			func(p *generator.Platform, s string) { p.Spec.Defaults.Quota = generator.Quantities{s: "1"} },
			[]string{"requests.cpu", "count/deployments.apps", "requests.nvidia.com/gpu"},
			map[string]string{"request.cpu": "did you mean requests.cpu?", "a b": "not a resource", "a/b/c": "qualified", "a\n/b": "qualified"},
		},
	} {
		for _, value := range test.good {
			p := validPlatform()
			test.set(p, value)
			if _, err := generator.MergePlatform("f", nil, p); err != nil {
				t.Errorf("%s %q is refused: %v", field, value, err)
			}
		}
		for value, reason := range test.bad {
			p := validPlatform()
			test.set(p, value)
			_, err := generator.MergePlatform("f", nil, p)
			if err == nil || !strings.Contains(err.Error(), "f: "+field) || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s %q: got %v, want a word about %q", field, value, err, reason)
			} else if strings.Contains(value, "SECRET") && strings.Contains(err.Error(), value) {
				t.Errorf("%s: a secret is in the error %v", field, err)
			}
		}
	}
}

func TestPlatformRules(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*generator.Platform)
		want string
	}{
		"no cluster": {func(p *generator.Platform) { p.Spec.Clusters = nil },
			"f: spec.clusters: is required; name the cluster that Flux runs on"},
		"cluster twice": {func(p *generator.Platform) { p.Spec.Clusters = append(p.Spec.Clusters, p.Spec.Clusters[0]) },
			"f: spec.clusters[1].name: is the name of an earlier cluster too; remove or rename one of them"},
		"recipient twice": {func(p *generator.Platform) {
			c := &p.Spec.Clusters[0]
			c.Recipients = append(c.Recipients, c.Recipients[0])
		}, "f: spec.clusters[0].recipients[1]: is in the list already; name it once"},
		"limit range upside down": {func(p *generator.Platform) {
			p.Spec.Defaults.LimitRange = &generator.Resources{Requests: generator.Quantities{"memory": "2Gi"}, Limits: generator.Quantities{"memory": "1Gi"}}
		}, "f: spec.defaults.limitRange.requests[memory]: is above the limit; raise the limit or lower the request"},
		"wrong head": {func(p *generator.Platform) { p.Kind = "Project" }, "f: kind: must be Platform; write kind: Platform"},
	} {
		t.Run(name, func(t *testing.T) {
			p := validPlatform()
			test.edit(p)
			_, err := generator.MergePlatform("f", nil, p)
			if err == nil {
				t.Fatal("is accepted")
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if _, err := generator.ParsePlatform("f", []byte("{}")); err == nil || !strings.Contains(err.Error(), "spec.clusters: is required") {
		t.Errorf("empty platform: %v", err)
	}
}
