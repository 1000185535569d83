package main

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// goGit commits and pushes prepared files with go-git's work-tree API, as most Go
// programs do: here with a clone that is kept, opened once, and without the status
// of the whole work tree that Add computes unless it is told not to.
func goGit(clone, fleet string) (round, error) {
	repo, err := git.PlainOpen(clone)
	if err != nil {
		return nil, err
	}
	tree, err := repo.Worktree()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, id string) (int, error) {
		files, err := sampleAs(fleet, id)
		if err != nil {
			return 0, err
		}
		if err := writeFiles(clone, files); err != nil {
			return 0, err
		}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if err := tree.AddWithOptions(&git.AddOptions{Path: name, SkipStatus: true}); err != nil {
				return 0, err
			}
		}
		who := &object.Signature{Name: "bench", Email: "bench@localhost", When: time.Now()}
		if _, err := tree.Commit("Create project "+id, &git.CommitOptions{Author: who}); err != nil {
			return 0, err
		}
		return 1, repo.PushContext(ctx, &git.PushOptions{})
	}, nil
}

// sampleAs returns the files of the fleet's sample project under another name.
func sampleAs(fleet, id string) (map[string][]byte, error) {
	files := map[string][]byte{}
	root := filepath.Join(fleet, "sample")
	return files, filepath.WalkDir(root, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if name, err = filepath.Rel(root, name); err != nil {
			return err
		}
		rename := func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(sampleID), []byte(id)) }
		files[string(rename([]byte(filepath.ToSlash(name))))] = rename(data)
		return nil
	})
}
