package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestKeysArePlacedWhole: a file is there with all of its text or not at all, and one that
// somebody else made meanwhile stays.
func TestKeysArePlacedWhole(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "keys")
	k := madeKey{file: filepath.Join(folder, "key"), text: []byte("new")}
	if err := k.stage(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(k.file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there before it is placed: %v", err)
	}
	other := madeKey{file: k.file, text: []byte("other")}
	if err := errors.Join(other.stage(), other.place()); err != nil {
		t.Fatal(err)
	}
	if err := k.place(); !errors.Is(err, fs.ErrExist) || k.placed {
		t.Errorf("placed over another key: %v", err)
	}
	late := madeKey{file: k.file, text: []byte("late")}
	if err := late.stage(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("staged for a file that is there: %v", err)
	}
	dropStaged([]madeKey{k, other, late})
	if text, err := os.ReadFile(k.file); err != nil || string(text) != "other" {
		t.Errorf("the key is %q: %v", text, err)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v %v", files, err)
	}
}
