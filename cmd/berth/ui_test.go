package main

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/internal/project"
)

// TestHintsFitTheCause: what is wrong on this machine is not blamed on a credential or a
// server's administrator.
func TestHintsFitTheCause(t *testing.T) {
	refused := func(reason string) error { return &gitrepo.RejectedError{Branch: "main", Reason: reason} }
	for _, tt := range []struct {
		err  error
		hint string
	}{
		{fmt.Errorf("fleet.git: %w", gitrepo.ErrOwner), "safe.directory"},
		{fmt.Errorf("%w: %w", gitrepo.ErrAuthorization, fs.ErrPermission), "check the rights of that file"},
		{gitrepo.ErrAuthorization, "give it write access"},
		{refused("branch is currently checked out"), "use a bare repository"},
		{refused("protected branch"), "ask its administrator"},
		{keptError{gitrepo.ErrBusy, []string{"a.key"}}, "the next run uses the keys that were made, which are kept: a.key"},
		{keptError{project.ErrForeign, []string{"a.key"}}, "nothing uses the keys that were made, which may be deleted: a.key"},
	} {
		got := explain(context.Background(), tt.err).Hints
		if len(got) == 0 || !strings.Contains(got[len(got)-1], tt.hint) {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.hint)
		}
	}
}
