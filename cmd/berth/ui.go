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
	"github.com/berth-gitops/berth/internal/verify"
)

// This file says how berth speaks to people; explain.go words every error but the mistakes
// on a command line, which the commands find themselves (usagef). The rules:
//
//   - data goes to stdout, the story to stderr; with -o json or yaml there is no story;
//   - ► starts an action, ✔ ends it, ✗ says that it failed, ! warns;
//   - an error says what failed, then why, then behind "→" what to do next, each on a
//     line of its own, in lower case and without a full stop. Where what failed is
//     plain from why, why stands alone;
//   - colour only on a terminal, and never with NO_COLOR;
//   - names, and what diff shows of files, come from Git, where anybody may have chosen
//     them: nothing in a line can move the cursor, hide text or begin another line.

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

// usageError is a mistake on the command line, and what to do about it.
type usageError struct {
	err  error
	hint string
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) usageError {
	return usageError{err: fmt.Errorf(format, args...)}
}

// next says what to do about the mistake.
func (e usageError) next(format string, args ...any) usageError {
	e.hint = fmt.Sprintf(format, args...)
	return e
}

// writingError is what ended a command while it wrote to the branch.
type writingError struct{ error }

func (e writingError) Unwrap() error { return e.error }

// writing marks an error, if there is one, as a writingError.
func writing(err error) error {
	if err == nil {
		return nil
	}
	return writingError{err}
}

type ui struct {
	out, err io.Writer
	terminal bool // err is one
	colour   bool
	quiet    bool // a program reads: no story
}

func newUI(std streams) *ui {
	file, ok := std.Err.(*os.File)
	terminal := ok && term.IsTerminal(int(file.Fd()))
	colour := terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return &ui{out: std.Out, err: std.Err, terminal: terminal, colour: colour}
}

func (u *ui) action(format string, args ...any) { u.say("36", "►", format, args...) }
func (u *ui) done(format string, args ...any)   { u.say("32", "✔", format, args...) }
func (u *ui) warn(format string, args ...any)   { u.say("33", "!", format, args...) }
func (u *ui) failed(format string, args ...any) { u.say("31", "✗", format, args...) }

func (u *ui) say(colour, sign, format string, args ...any) {
	if u.quiet {
		return
	}
	if u.colour {
		sign = "\x1b[" + colour + "m" + sign + "\x1b[0m"
	}
	fmt.Fprintf(u.err, "%s %s\n", sign, verify.Printable(fmt.Sprintf(format, args...)))
}

func (u *ui) hint(format string, args ...any) {
	if u.quiet {
		return
	}
	fmt.Fprintf(u.err, "  → %s\n", verify.Printable(fmt.Sprintf(format, args...)))
}

func (u *ui) problems(problems []generator.Problem) {
	for _, p := range problems {
		u.warn("%s", problemLine(p))
		if p.Hint != "" {
			u.hint("%s", p.Hint)
		}
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

// exit words err and returns the exit status. command is what failed, as it was called.
func (u *ui) exit(ctx context.Context, err error, command string) int {
	if err == nil {
		return exitOK
	}
	if status, ok := errors.AsType[statusError](err); ok {
		return int(status)
	}
	return u.tell(ctx, err, command)
}

// tell words err and returns the status that it would end the command with.
func (u *ui) tell(ctx context.Context, err error, command string) int {
	r := explain(ctx, err)
	if r.Status == exitUsage && len(r.Hints)+len(r.Problems) == 0 {
		r.Hints = []string{fmt.Sprintf("`%s --help` says more", command)}
	}
	data, jsonErr := json.Marshal(map[string]report{"error": r})
	if u.quiet && jsonErr == nil {
		fmt.Fprintln(u.err, string(data))
	} else {
		u.report(r)
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
	why := strings.Split(r.Message, "\n")
	switch {
	case len(r.Problems) > 0:
		why = nil
	case r.What == "":
		u.failed("%s", why[0])
		why = why[1:]
	default:
		u.failed("%s", r.What)
	}
	for _, line := range why {
		fmt.Fprintf(u.err, "  %s\n", verify.Printable(line))
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
