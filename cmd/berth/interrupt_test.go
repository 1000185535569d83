package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
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
