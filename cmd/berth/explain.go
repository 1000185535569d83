package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/gitrepo/forge"
	"github.com/berth-gitops/berth/internal/project"
	"github.com/berth-gitops/berth/sops"
)

// report is an error in words.
type report struct {
	What     string              `json:"what,omitempty"` // failed, where the message says only why
	Message  string              `json:"message"`
	Server   []string            `json:"server,omitempty"` // what the Git server said, which people were told as it came
	Hints    []string            `json:"hints,omitempty"`
	Problems []generator.Problem `json:"problems,omitempty"`
	Status   int                 `json:"status"`
}

// explain finds the words and the exit status for err.
func explain(ctx context.Context, err error) report {
	kept := keptHints(err)
	if ctx.Err() != nil {
		left := "is as it was"
		if errors.As(err, new(writingError)) {
			left = "holds either none or all of the change, so running again is safe"
		}
		return report{Message: "interrupted; the branch " + left, Hints: kept, Status: exitInterrupted}
	}
	r := report{Message: err.Error(), Status: exitFailure, Problems: allProblems(err)}
	if e, ok := errors.AsType[usageError](err); ok {
		r.Status = exitUsage
		if e.hint != "" {
			r.Hints = append(r.Hints, e.hint)
		}
	}
	if len(r.Problems) > 0 {
		r.Status = exitUsage
	}
	for _, known := range knownErrors {
		if errors.Is(err, known.is) {
			r.What = known.what
			r.Hints = append(r.Hints, known.hint)
			r.Status = max(r.Status, known.status)
			break
		}
	}
	if e, ok := errors.AsType[*project.ConflictError](err); ok {
		r.What = "berth would lose what it did not write"
		r.Hints = append(r.Hints, conflictHints(e)...)
	}
	if e, ok := errors.AsType[*project.OwnerError](err); ok && e.File != "" {
		r.Hints = append(r.Hints, fmt.Sprintf("restore projects/%[1]s/project.yaml from Git, or remove what is left with `berth delete project %[1]s`", e.Project))
	} else if ok {
		r.Hints = append(r.Hints, fmt.Sprintf("choose another project id; to hand the project over, change spec.owner in projects/%s/project.yaml by a reviewed commit", e.Project))
	}
	if errors.As(err, new(*sops.TamperedError)) {
		r.What = "a sealed file is not to be trusted"
		r.Hints = append(r.Hints,
			"restore the file from a commit you trust, or seal afresh with the user's token and --overwrite",
			"find out who changed it: git log -- <file>")
	}
	if e, ok := errors.AsType[*gitrepo.RejectedError](err); ok {
		r.What, r.Server = "the server refused the push", e.Messages
		r.Message, _, _ = strings.Cut(r.Message, "\nremote: ")
		hint := "the rule is the server's own: ask its administrator, write to another --branch, or propose the change with --pull-request"
		if strings.Contains(e.Reason, "currently checked out") {
			hint = "somebody works in that repository on this branch: use a bare repository, or check out another branch there"
		}
		r.Hints = append(r.Hints, hint)
	}
	r.Hints = append(r.Hints, kept...)
	return r
}

// keptHints say what a failed init has left.
func keptHints(err error) []string {
	e, ok := errors.AsType[keptError](err)
	if !ok {
		return nil
	}
	hint := "the next run uses the keys that were made, which are kept: "
	if errors.Is(err, project.ErrForeign) { // another init was faster
		hint = "nothing uses the keys that were made, which may be deleted: "
	}
	return []string{hint + strings.Join(e.files, ", ")}
}

// conflictHints say what to do about files that are not berth's to replace.
func conflictHints(e *project.ConflictError) []string {
	if e.Deleting {
		return []string{"keep a copy of what is needed, then remove the files with --overwrite"}
	}
	var hints []string
	if len(e.Edited) > 0 {
		hints = append(hints, "put the change into project.yaml or a component, or let berth replace the files with --overwrite")
	}
	if len(e.Foreign) > 0 {
		hints = append(hints, "move these files elsewhere, or let berth replace them with --overwrite")
	}
	return hints
}

// knownErrors are the sentinel errors, each with what has failed and what to do about it.
var knownErrors = []struct {
	is         error
	what, hint string
	status     int
}{
	{project.ErrNotBerth, "", "run `berth init` on this repository first, or check --repo and --branch", exitFailure},
	{project.ErrNoProject, "", "`berth get projects` lists what there is", exitFailure},
	{project.ErrNoEnvironment, "", "`berth get projects NAME` lists what there is", exitFailure},
	{project.ErrNoCluster, "", "berth.yaml lists what there is; `berth init --cluster NAME` adds one", exitFailure},
	{project.ErrChanged, "what would be deleted is not what was shown", "nothing was deleted; run the command again to see what goes now", exitFailure},
	{project.ErrNotRendered, "", "run `berth create project NAME` first", exitFailure},
	{project.ErrForeign, "", "use the key that `berth init` made for this repository: --key-file or BERTH_KEY_FILE", exitFailure},
	{sops.ErrNoKey, "", "name the berth key with --key-file or BERTH_KEY_FILE", exitFailure},
	{sops.ErrUnknownKey, "", "add the old berth key to the key file, or check that --key-file is this repository's", exitFailure},
	{sops.ErrNoToken, "a pull secret cannot be sealed", "give the user's token: --password-stdin, --password-file or BERTH_PASSWORD", exitUsage},
	{sops.ErrUnpinned, "berth seals only to keys that it was told to trust", "if you added the recipient yourself, pin it with `berth init --cluster NAME --recipient RECIPIENT`, with all that the cluster lacks in one run; if not, somebody else did: treat it as an attack", exitFailure},
	{gitrepo.ErrAddress, "", "name it with --repo or BERTH_REPO as https://host/path, ssh://user@host/path or a local path", exitUsage},
	{gitrepo.ErrRewritten, "somebody replaced the history of the branch while berth was writing", "find out who and why; then run the command again: it works on what is there now", exitFailure},
	{gitrepo.ErrUncertain, "the connection was lost while pushing", "run the command again: it finds out, and repeats nothing that is done", exitFailure},
	{gitrepo.ErrLink, "a link stands where berth has a file", "berth follows and replaces no link: remove it with git rm, then run the command again", exitFailure},
	{gitrepo.ErrAuthentication, "the Git server does not know who is asking", "check the credential: --git-password-file or BERTH_GIT_PASSWORD for HTTPS, --ssh-key-file or the SSH agent for SSH", exitFailure},
	{gitrepo.ErrOwner, "git does not trust the owner of the repository's files", "run berth as that user or, if you trust who can write there, add the folder to safe.directory in your git configuration", exitFailure},
	{fs.ErrPermission, "", "check the rights of that file or folder for the user that berth runs as", exitFailure},
	{gitrepo.ErrAuthorization, "the Git server says no", "the credential is good but may not do this: give it write access to the repository", exitFailure},
	{gitrepo.ErrNotFound, "there is no GitOps repository at that address", "check --repo; servers also say this when the credential may not see the repository", exitFailure},
	{gitrepo.ErrRevisionNotFound, "the repository has no such branch, tag or commit", "check the name: a branch or tag as in main or v1.2, a commit by its whole id", exitFailure},
	{gitrepo.ErrHostKey, "the SSH server is not known to be the right one", "check its key with whoever runs it, then add it to the file that --ssh-known-hosts names", exitFailure},
	{gitrepo.ErrMoved, "the branch could not be updated", "others are writing to it faster than berth can: run the command again", exitFailure},
	{gitrepo.ErrBusy, "the branch could not be updated", "nothing was changed; run the command again, and if that does not help look at the server's disk and rights", exitFailure},
	{gitrepo.ErrForeignBranch, "the pull request holds other people's commits", "merge, or delete, the branch of the pull request first", exitFailure},
	{forge.ErrAuthentication, "the forge does not know who is asking", "check the forge's token", exitFailure},
	{forge.ErrAuthorization, "the forge says no", "its token needs write access to pull requests and contents", exitFailure},
	{forge.ErrNotFound, "the forge does not know the repository", "check --repo and --forge-api; forges also say this when the token may not see it", exitFailure},
	{forge.ErrRateLimited, "the forge wants fewer requests", "wait until then and run the command again", exitFailure},
	{forge.ErrNetwork, "the forge cannot be reached", "check the address and the network, then run the command again", exitFailure},
	{gitrepo.ErrNetwork, "the server cannot be reached", "check the address and the network, then run the command again: nothing was half-written", exitFailure},
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
