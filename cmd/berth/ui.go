package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
	"sigs.k8s.io/yaml"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/gitrepo/forge"
	"github.com/berth-gitops/berth/internal/project"
	"github.com/berth-gitops/berth/sops"
)

// This file words everything that berth says to people. The rules:
//
//   - data goes to stdout, the story to stderr;
//   - ► starts an action, ✔ ends it, ✗ says that it failed, ! warns;
//   - an error says what failed and why, in lower case and without a full stop;
//     what to do next stands on a line of its own, behind "→";
//   - colour only on a terminal, and never with NO_COLOR.

const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitDifferent   = 3
	exitInterrupted = 130
)

// statusError ends a command that has said all there is with an exit status.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

const errDifferent = statusError(exitDifferent)

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

type ui struct {
	out, err io.Writer
	terminal bool // err is one
	colour   bool
}

func newUI(std streams) *ui {
	file, ok := std.Err.(*os.File)
	terminal := ok && term.IsTerminal(int(file.Fd()))
	return &ui{out: std.Out, err: std.Err, terminal: terminal, colour: terminal && os.Getenv("NO_COLOR") == ""}
}

func (u *ui) action(format string, args ...any) { u.say("36", "►", format, args...) }
func (u *ui) done(format string, args ...any)   { u.say("32", "✔", format, args...) }
func (u *ui) warn(format string, args ...any)   { u.say("33", "!", format, args...) }
func (u *ui) failed(format string, args ...any) { u.say("31", "✗", format, args...) }

func (u *ui) say(colour, sign, format string, args ...any) {
	if u.colour {
		sign = "\x1b[" + colour + "m" + sign + "\x1b[0m"
	}
	fmt.Fprintf(u.err, "%s %s\n", sign, fmt.Sprintf(format, args...))
}

func (u *ui) hint(format string, args ...any) {
	fmt.Fprintf(u.err, "  → %s\n", fmt.Sprintf(format, args...))
}

func (u *ui) problems(problems []generator.Problem) {
	for _, p := range problems {
		u.warn("%s", problemLine(p))
	}
}

// print writes v to stdout as JSON or YAML.
func (u *ui) print(v any, format string) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err == nil && format == "yaml" {
		data, err = yaml.JSONToYAML(data)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(u.out, strings.TrimRight(string(data), "\n"))
	return err
}

func checkOutput(format string) error {
	if format != "" && format != "json" && format != "yaml" {
		return usagef("unknown output %q; use json or yaml", format)
	}
	return nil
}

// exit words err and returns the exit status.
func (u *ui) exit(ctx context.Context, err error, format string) int {
	if err == nil {
		return exitOK
	}
	if status, ok := errors.AsType[statusError](err); ok {
		return int(status)
	}
	r := explain(ctx, err)
	data, jsonErr := json.Marshal(map[string]report{"error": r})
	if jsonErr != nil || format != "json" && format != "yaml" {
		u.report(r)
	} else {
		fmt.Fprintln(u.err, string(data))
	}
	return r.Status
}

func (u *ui) report(r report) {
	for _, p := range r.Problems {
		u.failed("%s", problemLine(p))
		if p.Hint != "" {
			u.hint("%s", p.Hint)
		}
	}
	if len(r.Problems) == 0 {
		u.failed("%s", r.Message)
	}
	for _, h := range r.Hints {
		u.hint("%s", h)
	}
}

func problemLine(p generator.Problem) string {
	place := p.File
	if p.Line > 0 {
		place = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	if place != "" {
		place += ": "
	}
	if p.Field != "" {
		place += p.Field + ": "
	}
	return place + p.Reason
}

// report is an error in words.
type report struct {
	Message  string              `json:"message"`
	Hints    []string            `json:"hints,omitempty"`
	Problems []generator.Problem `json:"problems,omitempty"`
	Status   int                 `json:"status"`
}

// explain finds the words and the exit status for err.
func explain(ctx context.Context, err error) report {
	r := report{Message: err.Error(), Status: exitFailure, Problems: allProblems(err)}
	if errors.As(err, new(usageError)) || len(r.Problems) > 0 {
		r.Status = exitUsage
	}
	if ctx.Err() != nil {
		return report{Message: "interrupted; the branch holds either none or all of the change, so running again is safe", Status: exitInterrupted}
	}
	for _, known := range knownErrors {
		if errors.Is(err, known.is) {
			r.Hints = append(r.Hints, known.hint)
			r.Status = max(r.Status, known.status)
			break
		}
	}
	if e, ok := errors.AsType[*project.ConflictError](err); ok {
		if len(e.Edited) > 0 {
			r.Hints = append(r.Hints, "put the change into project.yaml or a component, or let berth replace the files with --overwrite")
		}
		if len(e.Foreign) > 0 {
			r.Hints = append(r.Hints, "move these files elsewhere, or let berth replace them with --overwrite")
		}
	}
	if e, ok := errors.AsType[*project.OwnerError](err); ok {
		r.Hints = append(r.Hints, fmt.Sprintf("choose another project id; to hand the project over, change spec.owner in projects/%s/project.yaml by a reviewed commit", e.Project))
	}
	if errors.As(err, new(*sops.TamperedError)) {
		r.Hints = append(r.Hints,
			"restore the file from a commit you trust, or seal afresh with the user's token and --overwrite",
			"find out who changed it: git log -- <file>")
	}
	if errors.As(err, new(*gitrepo.RejectedError)) {
		r.Hints = append(r.Hints, "the server refused the push by a rule of its own: ask its administrator, or write to another --branch")
	}
	return r
}

// knownErrors are the sentinel errors with what to do about each.
var knownErrors = []struct {
	is     error
	hint   string
	status int
}{
	{project.ErrNotBerth, "run `berth init` on this repository first, or check --repo and --branch", exitFailure},
	{project.ErrNoProject, "`berth get projects` lists what there is", exitFailure},
	{project.ErrForeign, "use the key that `berth init` made for this repository: --key-file or BERTH_KEY_FILE", exitFailure},
	{sops.ErrNoKey, "name the berth key with --key-file or BERTH_KEY_FILE", exitFailure},
	{sops.ErrUnknownKey, "add the old berth key to the key file, or check that --key-file is this repository's", exitFailure},
	{sops.ErrNoToken, "give the user's token: --password-stdin, --password-file or BERTH_PASSWORD", exitUsage},
	{sops.ErrUnpinned, "if you added the recipient yourself, pin it with `berth init --cluster NAME --recipient RECIPIENT`; if not, somebody else did: treat it as an attack", exitFailure},
	{gitrepo.ErrAuthentication, "check the credential: --git-password-file or BERTH_GIT_PASSWORD for HTTPS, --ssh-key-file or the SSH agent for SSH", exitFailure},
	{gitrepo.ErrAuthorization, "the credential is good but may not do this: give it write access to the repository", exitFailure},
	{gitrepo.ErrNotFound, "check --repo and --branch; servers also say this when the credential may not see the repository", exitFailure},
	{gitrepo.ErrMoved, "others are writing to the branch faster than berth can: run the command again", exitFailure},
	{gitrepo.ErrForeignBranch, "merge, or delete, the branch of the pull request first", exitFailure},
	{forge.ErrAuthentication, "check the forge's token", exitFailure},
	{forge.ErrAuthorization, "the forge's token may not do this: it needs write access to pull requests and contents", exitFailure},
	{forge.ErrNotFound, "check --repo and --forge-api; forges also say this when the token may not see the repository", exitFailure},
	{forge.ErrRateLimited, "wait until then and run the command again", exitFailure},
	{forge.ErrNetwork, "check the address and the network, then run the command again", exitFailure},
	{gitrepo.ErrNetwork, "check the address and the network, then run the command again: nothing was half-written", exitFailure},
}

// allProblems collects the problems of every error in err's tree.
func allProblems(err error) []generator.Problem {
	switch e := err.(type) { //nolint:errorlint // it unwraps by itself, to find all of them
	case generator.Problems:
		return e
	case interface{ Unwrap() []error }:
		var all []generator.Problem
		for _, inner := range e.Unwrap() {
			all = append(all, allProblems(inner)...)
		}
		return all
	case interface{ Unwrap() error }:
		return allProblems(e.Unwrap())
	}
	return nil
}
