package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestInterruptedWhileReading interrupts berth while it waits for more on stdin, as a
// person does who forgot to pipe something in: it ends at once, and says so.
func TestInterruptedWhileReading(t *testing.T) {
	cmd := exec.Command(berthProgram(t), "create", "project", "-f", "-")
	cmd.Env = []string{"HOME=" + t.TempDir(), "BERTH_REPO=fleet.git"}
	var said bytes.Buffer
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// More than a pipe holds: once it is written, berth reads.
	if _, err := stdin.Write(bytes.Repeat([]byte("#\n"), 100_000)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitInterrupted {
		t.Errorf("%v, want exit status %d", err, exitInterrupted)
	}
	if !strings.HasPrefix(said.String(), "✗ interrupted;") {
		t.Errorf("it said %q", said.String())
	}
}

// TestInterruptedBeforeOpening interrupts berth while it waits for somebody to write to a
// named pipe, which not even opening it ends.
func TestInterruptedBeforeOpening(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-f", pipe}, {"shop", "--password-file", pipe}} {
		cmd := exec.Command(berthProgram(t), append([]string{"create", "project"}, args...)...)
		cmd.Env = []string{"HOME=" + t.TempDir(), "BERTH_REPO=fleet.git"}
		var said bytes.Buffer
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // nothing tells when it waits
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		stuck := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		stuck.Stop()
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitInterrupted {
			t.Errorf("%v: %v, want exit status %d", args, err, exitInterrupted)
		}
		if said.String() != "✗ interrupted; the branch is as it was\n" {
			t.Errorf("it said %q", said.String())
		}
	}
}

// TestInterrupted: only who writes may have written.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for want, err := range map[string]error{
		"interrupted; the branch is as it was":                                                     ctx.Err(),
		"interrupted; the branch holds either none or all of the change, so running again is safe": writing(ctx.Err()),
	} {
		if r := explain(ctx, err); r.Message != want || r.Status != exitInterrupted {
			t.Errorf("%+v, want %q", r, want)
		}
	}
	if writing(nil) != nil {
		t.Error("an error without one")
	}
}

// TestBulkStatus wants the exit status of many creations to be that of the worst of them.
func TestBulkStatus(t *testing.T) {
	for _, test := range []struct {
		each []int
		want error
	}{
		{[]int{exitOK, exitOK}, nil},
		{[]int{exitOK, exitUsage}, statusError(exitUsage)},
		{[]int{exitUsage, exitFailure, exitOK}, statusError(exitFailure)},
		{[]int{exitInterrupted, exitUsage, exitFailure}, statusError(exitInterrupted)},
	} {
		var items []bulkItem
		for _, status := range test.each {
			var item bulkItem
			if status != exitOK {
				item.Error = &report{Status: status}
			}
			items = append(items, item)
		}
		if got := bulkStatus(items); got != test.want { //nolint:errorlint // it is not wrapped
			t.Errorf("%v: %v, want %v", test.each, got, test.want)
		}
	}
}
