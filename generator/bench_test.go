package generator_test

import (
	"os"
	"testing"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/templates"
)

// BenchmarkPlan renders a project with three environments on two clusters, as one
// creation does: with a Generator of its own.
func BenchmarkPlan(b *testing.B) {
	platform, project := specs(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := generator.New(templates.FS).Plan(platform, project); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMerge writes a new project.yaml, and one with an image changed.
func BenchmarkMerge(b *testing.B) {
	_, project := specs(b)
	prior, err := generator.MarshalProject(project)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := generator.MarshalProject(project); err != nil {
				b.Fatal(err)
			}
		}
	})
	project.Spec.Image += ".1"
	b.Run("changed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := generator.MergeProject("project.yaml", prior, project); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func specs(b *testing.B) (*generator.Platform, *generator.Project) {
	b.Helper()
	read := func(name string) string {
		doc, err := os.ReadFile("testdata/private/" + name)
		if err != nil {
			b.Fatal(err)
		}
		return string(doc)
	}
	return mustPlatform(b, read("berth.yaml")), mustProject(b, read("project.yaml"))
}
