package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/berth-gitops/berth/sops"
)

var update = flag.Bool("update", false, "rewrite golden files and the command reference")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"berth": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(run(ctx, streams{os.Stdin, os.Stdout, os.Stderr}, os.Args[1:]))
		},
		"open": open,
	})
}

// TestScripts runs the specification of the command line: one script for each
// command or promise, with every exit status.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			env.Setenv("GIT_AUTHOR_NAME", "Carol")
			env.Setenv("GIT_AUTHOR_EMAIL", "carol@example.com")
			env.Setenv("GIT_COMMITTER_NAME", "Carol")
			env.Setenv("GIT_COMMITTER_EMAIL", "carol@example.com")
			env.Setenv("GIT_CONFIG_COUNT", "1")
			env.Setenv("GIT_CONFIG_KEY_0", "init.defaultBranch")
			env.Setenv("GIT_CONFIG_VALUE_0", "main")
			env.Setenv("BERTH_REPO", filepath.Join(env.WorkDir, "fleet.git"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
	})
}

// exits runs a program and wants an exit status, as in "exits 3 berth diff shop".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits status program [argument...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// open prints the plain text of a sealed file: open FILE IDENTITIES. With -unwrap it
// prints the identity that a project key holds.
func open() {
	args := os.Args[1:]
	unwrap := args[0] == "-unwrap"
	if unwrap {
		args = args[1:]
	}
	data, err := os.ReadFile(args[0])
	var identities []byte
	if err == nil {
		identities, err = os.ReadFile(args[1])
	}
	var text string
	if err == nil && unwrap {
		text, err = sops.ProjectIdentity(data, string(identities))
	} else if err == nil {
		var plain []byte
		plain, err = sops.Open(data, string(identities))
		text = string(plain)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(strings.TrimRight(text, "\n"))
}
