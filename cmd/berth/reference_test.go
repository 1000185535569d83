package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// TestReference compares docs/reference with what the commands say of themselves; with
// -update it writes it.
func TestReference(t *testing.T) {
	const folder = "../../docs/reference"
	for _, name := range []string{"BERTH_REPO", "BERTH_BRANCH", "BERTH_KEY_FILE", "BERTH_AUTHOR"} {
		t.Setenv(name, "")
	}
	want := map[string]string{}
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		cmd.DisableAutoGenTag = true
		var page bytes.Buffer
		if err := doc.GenMarkdown(cmd, &page); err != nil {
			t.Fatal(err)
		}
		want[strings.ReplaceAll(cmd.CommandPath(), " ", "_")+".md"] = page.String()
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				visit(sub)
			}
		}
	}
	visit(newRootCommand(&globals{ui: newUI(streams{nil, io.Discard, io.Discard})}))

	if *update {
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, page := range want {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := map[string]string{}
	names, err := filepath.Glob(folder + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got[filepath.Base(name)] = string(page)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/reference is not what the commands say; run go test ./cmd/berth -update (-want +got):\n%s", diff)
	}
}

// TestHelpNamesExitStatus keeps the exit codes in the help of every command that runs.
func TestHelpNamesExitStatus(t *testing.T) {
	codes := regexp.MustCompile(`(?s)Exit status: 0 .*1 .*2 .*3 .*130 `)
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Runnable() && !cmd.HasSubCommands() && cmd.Name() != "version" && !codes.MatchString(cmd.Long) {
			t.Errorf("the help of %q does not name the exit codes", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(newRootCommand(&globals{ui: newUI(streams{nil, io.Discard, io.Discard})}))
}
