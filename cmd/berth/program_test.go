package main

import (
	"os"
	"path/filepath"
	"testing"
)

// berthProgram returns a program to run as users do: this test's own binary, which is
// berth when it is called so (see TestMain).
func berthProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "berth")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}
