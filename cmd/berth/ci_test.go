package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestCIExamples keeps the workflows of examples/ci parsable and every flag in them one
// that the commands have; none may check out the pull request.
func TestCIExamples(t *testing.T) {
	files, err := filepath.Glob("../../examples/ci/*/berth.yaml")
	if err != nil || len(files) != 3 {
		t.Fatalf("workflows: %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.UnmarshalStrict(text, &map[string]any{}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if strings.Contains(string(text), "actions/checkout") {
			t.Errorf("%s checks out what it reviews", file)
		}
		commands := 0
		root := newRootCommand(&globals{ui: newUI(streams{})})
		for line := range strings.Lines(string(text)) {
			_, args, found := strings.Cut(line, "berth ")
			words := strings.Fields(args)
			if !found || strings.Contains(line, "#") || len(words) < 2 {
				continue
			}
			cmd, rest, err := root.Find(words)
			if err != nil || cmd == root {
				continue
			}
			commands++
			if err := cmd.ParseFlags(strings.Fields(strings.NewReplacer(`"`, "", "$CI_MERGE_REQUEST_IID", "7", "$NUMBER", "7").Replace(strings.Join(rest, " ")))); err != nil {
				t.Errorf("%s: %s: %v", file, strings.TrimSpace(line), err)
			}
		}
		if commands != 2 {
			t.Errorf("%s runs berth %d times, want review and verify", file, commands)
		}
	}
}
