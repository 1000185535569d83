package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/internal/project"
)

// kubectl is a stub: what is applied goes to a file. A file that is not there is an error,
// as it is to the real one.
const kubectl = `#!/bin/sh
case $1 in
create)
	for arg; do
		case $arg in --from-file=*) cat "${arg##*=}" || exit 1 ;; esac
	done ;;
apply) cat >"$OUT" ;;
esac
`

// TestCommandsWithoutTheirFile: what is missing is never applied as something empty.
func TestCommandsWithoutTheirFile(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file("kubectl", kubectl)
	good := file("it's good", "hunter2\r\n")
	values := map[string]string{
		"unset": "", "missing": filepath.Join(dir, "none"), "a folder": dir, "a pipe": "/dev/stdin",
		"empty": file("empty", ""), "blank": file("blank", "\r\n"), "good": good,
	}
	for _, tt := range []struct {
		name, url, key string
		variables      []string
		applied        string
	}{
		{"password", "https://git.example.com/f.git", "", []string{"FLUX_GIT_PASSWORD_FILE"}, "hunter2"},
		{"ssh", "ssh://git@git.example.com/f.git", "", []string{"FLUX_GIT_KEY_FILE", "FLUX_GIT_KNOWN_HOSTS_FILE"}, "hunter2\r\nhunter2\r\n"},
		{"platform key", "https://git.example.com/f.git", "", []string{"PLATFORM_KEY_FILE"}, "hunter2\r\n"},
		{"platform key by name", "https://git.example.com/f.git", good, nil, "hunter2\r\n"},
		{"missing platform key by name", "https://git.example.com/f.git", values["missing"], nil, ""},
	} {
		g := &globals{repo: "https://git.example.com/f.git", branch: "main", flags: pflag.NewFlagSet("", pflag.ContinueOnError)}
		commands, err := g.clusterCommands(initOptions{platformKeyFile: tt.key},
			&project.InitResult{Cluster: generator.Cluster{Name: "home", URL: tt.url}})
		if err != nil {
			t.Fatal(err)
		}
		command := commands[2].Command
		if strings.Contains(tt.name, "platform") {
			command = commands[1].Command
		}
		for state, value := range values {
			for n, variable := range tt.variables {
				runPrinted(t, tt.name+", "+variable+" "+state, command, tt.variables, n, value, good, tt.applied, state == "good")
			}
			if tt.variables == nil && state == "good" {
				runPrinted(t, tt.name, command, nil, 0, "", good, tt.applied, tt.applied != "")
			}
		}
	}
}

// runPrinted runs a command in each shell with one variable as value says, the others good.
func runPrinted(t *testing.T, name, command string, variables []string, n int, value, good, want string, succeeds bool) {
	t.Helper()
	for _, shell := range [][]string{{"sh", "-c"}, {"sh", "-euc"}, {"bash", "-c"}, {"dash", "-c"}} {
		path, err := exec.LookPath(shell[0])
		if err != nil {
			continue
		}
		out := filepath.Join(t.TempDir(), "applied")
		cmd := exec.Command(path, shell[1], command)
		cmd.Env = []string{"PATH=" + filepath.Dir(good) + ":" + os.Getenv("PATH"), "OUT=" + out}
		cmd.Stdin = strings.NewReader("hunter2")
		for i, variable := range variables {
			switch {
			case i != n:
				cmd.Env = append(cmd.Env, variable+"="+good)
			case value != "":
				cmd.Env = append(cmd.Env, variable+"="+value)
			}
		}
		said, err := cmd.CombinedOutput()
		applied, _ := os.ReadFile(out)
		_, statErr := os.Stat(out)
		switch {
		case succeeds && (err != nil || string(applied) != want):
			t.Errorf("%s, %s: %v, applied %q\n%s", name, shell, err, applied, said)
		case !succeeds && (err == nil || statErr == nil || len(said) == 0):
			t.Errorf("%s, %s: %v, applied %q (%v), and said %q", name, shell, err, applied, statErr, said)
		}
	}
}
