package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// partsCell is what a creation is made of, and what a user waits for before berth even
// begins.
type partsCell struct{}

func (partsCell) Name() string { return "parts" }

func (partsCell) Run(ctx context.Context, s *stand) ([]Row, error) {
	small, err := s.fleet(ctx, smallFleet)
	if err != nil {
		return nil, err
	}
	dir, err := s.tools(ctx)
	if err != nil {
		return nil, err
	}
	tool := func(name string) string { return filepath.Join(dir, name) }
	step := func(name string) (Contender, error) {
		return s.client(ctx, name, func(int) (string, error) { return name, nil }, "parts", small.dir)
	}
	var steps []Contender
	for _, name := range []string{"secret", "key", "render"} {
		c, err := step(name)
		if err != nil {
			return nil, err
		}
		steps = append(steps, c)
	}
	costs, err := measure(ctx, s, append(steps,
		s.program("sops encrypt", "apiVersion: v1\nkind: Secret\ndata:\n  a: Yg==\n", tool("sops"), "encrypt", "--input-type=yaml",
			"--output-type=yaml", "--age="+small.recipient, "--encrypted-regex=^data$", "/dev/stdin"),
		s.program("kustomize build", "", tool("kustomize"), "build", filepath.Join(small.dir, "sample", "projects", sampleID, "overlays", "production")),
		s.program("berth version", "", berthProgram, "version"),
		s.program("kubectl version", "", tool("kubectl"), "version", "--client"),
	)...)
	if err != nil {
		return nil, err
	}
	each := func(costs []Cost) Figure {
		return figure(costs, func(c Cost) float64 { return c.Wall.Seconds() / c.Work }, seconds)
	}
	return []Row{
		{"seal one pull secret", each(costs[0]), "one `sops encrypt`", wall(costs[3]), Goal{}},
		{"make and seal one project key", each(costs[1]), "one `sops encrypt`", wall(costs[3]), Goal{}},
		{"render one project × 3 environments", each(costs[2]), "one `kustomize build`", wall(costs[4]), Goal{}},
		{"start-up: `berth version`", wall(costs[5]), "`kubectl version --client`", wall(costs[6]), Goal{}},
		{"start-up: memory", peak(costs[5]), "`kubectl version --client`", peak(costs[6]), Goal{}},
		{"size of the binary", size(berthProgram), "kubectl", size(tool("kubectl")), Goal{}},
		{"size of the binary", size(berthProgram), "sops", size(tool("sops")), Goal{}},
	}, nil
}

// program is a contender that runs the same command each time.
func (s *stand) program(name, stdin string, args ...string) Contender {
	return command{s, name, func(ctx context.Context, _ int) (*exec.Cmd, error) {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Stdin = strings.NewReader(stdin)
		return cmd, nil
	}}
}

func size(file string) Figure {
	info, err := os.Stat(file)
	if err != nil {
		return Figure{}
	}
	v := float64(info.Size())
	return Figure{v, v, v, megabytes}
}
