// Package forgetest tests what works with a forge.
//
// [NewGitHub] and [NewGitLab] start stand-ins on loopback: a Git repository
// acme/gitops with a branch main, served over HTTP at [Server.Address], and
// the part of the forge's API that package forge uses, at the address that
// forge.Locate finds by itself. GitHub's checks every request and answer
// against GitHub's own OpenAPI description; GitLab's answers with the
// documents that GitLab's Go client has recorded, and takes only the
// parameters which that client knows.
//
// [Run] is the suite that package forge passes on every forge, on these and on
// real ones.
package forgetest

import (
	"testing"

	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/gitrepo/forge"
)

// Account is who a token belongs to.
type Account string

// The accounts of a Site.
const (
	Berth  Account = "berth"  // may write
	Reader Account = "reader" // sees the repository, and may not write
	Nobody Account = "nobody" // has a token that the forge does not know
)

// Site is a forge with one repository in it, which has a branch main. Its
// methods are what people do, and look past package forge.
type Site interface {
	// Repository is where package forge finds it.
	Repository(t testing.TB) forge.Repository
	// Token is an account's token for the API and for pushes.
	Token(t testing.TB, a Account) gitrepo.Secret

	// Commit gives a branch one more commit, or makes the branch with one on
	// top of main, and returns it.
	Commit(t testing.TB, branch string) string
	DeleteBranch(t testing.TB, branch string)
	Merge(t testing.TB, number int64)
	CloseByHand(t testing.TB, number int64)
	Retitle(t testing.TB, number int64, title string)
	// CommentByHand writes a comment as a person other than berth.
	CommentByHand(t testing.TB, number int64, body string)
	// OpenFromFork opens a pull request of a fork's branch into base.
	OpenFromFork(t testing.TB, branch, base string) int64

	// OpenPulls lists the numbers of all open pull requests, by their head
	// branch; those of forks are left out.
	OpenPulls(t testing.TB) map[string][]int64
	// Comments lists the texts of a pull request's comments.
	Comments(t testing.TB, number int64) []string
	// Labels lists the names of the repository's labels.
	Labels(t testing.TB) []string
}
