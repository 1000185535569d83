package main

import (
	"bytes"
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/berth-gitops/berth/generator"
)

func newExportCommand(g *globals) *cobra.Command {
	var cluster string
	cmd := &cobra.Command{
		Use:   "export PROJECT ENVIRONMENT | export --cluster NAME",
		Short: "Print an environment's objects, both halves, built",
		Long: `Print what Flux applies for one environment, from the branch: the platform half and
the workload half, built with Kustomize. Secrets stay sealed. With --cluster, print the
one file that makes a cluster ready. The objects are a YAML stream, or one List with
-o json.
` + exitCodes,
		Example: `  berth export shop production
  berth export --cluster home | kubectl apply --server-side -f -`,
		Args: func(_ *cobra.Command, args []string) error {
			if want := 2; cluster == "" && len(args) != want || cluster != "" && len(args) != 0 {
				return usagef("want a project and an environment, or --cluster, got %d names", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return g.export(cmd.Context(), cluster, args) },
	}
	cmd.Flags().StringVar(&cluster, "cluster", "", "print this `cluster`'s file instead")
	return cmd
}

func (g *globals) export(ctx context.Context, cluster string, args []string) error {
	if cluster == "" {
		if err := generator.CheckID(args[0]); err != nil {
			return err
		}
	} else if err := generator.CheckClusterName(cluster); err != nil {
		return err
	}
	steps, err := g.steps(ctx)
	if err != nil {
		return err
	}
	var objects []byte
	if cluster != "" {
		objects, err = steps.ExportCluster(ctx, cluster)
	} else {
		objects, err = steps.Export(ctx, args[0], args[1])
	}
	if err != nil {
		return err
	}
	if g.output == "json" {
		list, err := objectList(objects)
		if err != nil {
			return err
		}
		return g.ui.print(list, g.output)
	}
	_, err = g.ui.out.Write(objects)
	return err
}

// objectList turns a YAML stream into a list that kubectl takes as well.
func objectList(stream []byte) (map[string]any, error) {
	objects := []any{}
	for doc := range bytes.SplitSeq(append([]byte("\n"), stream...), []byte("\n---\n")) {
		var object map[string]any
		if err := yaml.Unmarshal(doc, &object); err != nil {
			return nil, err
		}
		if object != nil {
			objects = append(objects, object)
		}
	}
	return map[string]any{"apiVersion": "v1", "kind": "List", "items": objects}, nil
}
