package project

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/berth-gitops/berth/generator"
)

// TestRebased puts a proposal onto a base that has moved.
func TestRebased(t *testing.T) {
	type spec = generator.ProjectSpec
	env := func(names ...string) []generator.Environment {
		var all []generator.Environment
		for _, n := range names {
			all = append(all, generator.Environment{Name: n})
		}
		return all
	}
	secret := &generator.PullSecret{Registry: "ghcr.io", Username: "alice"}
	for name, test := range map[string]struct{ before, proposed, base, want *spec }{
		"new":                {nil, &spec{Image: "v1"}, nil, &spec{Image: "v1"}},
		"new, and so there":  {nil, &spec{Image: "v2"}, &spec{Image: "v1", Port: 80}, &spec{Image: "v2", Port: 80}},
		"the base stands":    {&spec{Image: "v1"}, &spec{Image: "v2"}, &spec{Image: "v1"}, &spec{Image: "v2"}},
		"the base moved":     {&spec{Image: "v1"}, &spec{Image: "v1", PullSecret: secret}, &spec{Image: "v3"}, &spec{Image: "v3", PullSecret: secret}},
		"both moved":         {&spec{Image: "v1"}, &spec{Image: "v2"}, &spec{Image: "v3"}, &spec{Image: "v2"}},
		"deleted since":      {&spec{Image: "v1"}, &spec{Image: "v2"}, nil, nil},
		"environments added": {&spec{Environments: env("a")}, &spec{Environments: env("a", "b")}, &spec{Environments: env("a", "c")}, &spec{Environments: env("a", "c", "b")}},
		"environment gone":   {&spec{Environments: env("a", "b")}, &spec{Port: 80, Environments: env("a", "b")}, &spec{Environments: env("a")}, &spec{Port: 80, Environments: env("a")}},
	} {
		project := func(s *spec) *generator.Project {
			if s == nil {
				return nil
			}
			return &generator.Project{Spec: *s}
		}
		got := rebased(project(test.before), project(test.proposed), project(test.base))
		if diff := cmp.Diff(project(test.want), got, cmpopts.IgnoreUnexported(generator.Project{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
