package generator_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-gitops/berth/generator"
)

var update = flag.Bool("update", false, "write what is rendered now into testdata")

// TestGolden renders each folder of testdata, a berth.yaml and a project.yaml,
// and compares every file with the folder's want/.
func TestGolden(t *testing.T) {
	cases, err := filepath.Glob("testdata/*/project.yaml")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, c := range cases {
		folder := filepath.Dir(c)
		t.Run(filepath.Base(folder), func(t *testing.T) {
			platform := mustPlatform(t, readFile(t, folder+"/berth.yaml"))
			got, err := generator.ClusterFiles(platform)
			if err != nil {
				t.Fatal(err)
			}
			for p, doc := range mustPlan(t, platform, mustProject(t, readFile(t, c))).Files {
				got[p] = doc
			}
			if *update {
				writeTree(t, folder+"/want", got)
			}
			if diff := cmp.Diff(readTree(t, folder+"/want"), asStrings(got)); diff != "" {
				t.Errorf("rendered files differ (-want +got); run with -update if that is meant:\n%s", diff)
			}
			for p, doc := range got {
				if generated, pristine := generator.Generated(doc); !generated || !pristine {
					t.Errorf("%s: generated %v, pristine %v", p, generated, pristine)
				}
			}
		})
	}
}

func asStrings(files map[string][]byte) map[string]string {
	out := map[string]string{}
	for p, doc := range files {
		out[p] = string(doc)
	}
	return out
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	doc, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}

func readTree(t *testing.T, root string) map[string]string {
	t.Helper()
	return readTreeFS(t, os.DirFS(root))
}

func readTreeFS(t *testing.T, tree fs.FS) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(tree, ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		doc, err := fs.ReadFile(tree, p)
		files[p] = string(doc)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func writeTree(t *testing.T, root string, files map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	for p, doc := range files {
		name := filepath.Join(root, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, doc, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
