package forge

import "testing"

// TestCodeOwners: Gitea asks the platform's owners about platform files, and
// only about those.
func TestCodeOwners(t *testing.T) {
	p := newPlatform(t)
	p.must("", "init", "--cluster", "home", "--code-owners", "@carol")
	create := func(args ...string) int64 {
		o := p.propose("", append([]string{"create", "project", "shop", "--owner", "alice", "--env", "production"}, args...)...)
		if o.PullRequest == nil {
			t.Fatalf("%q: no pull request", args)
		}
		return o.PullRequest.Number
	}
	number := create("--image", "nginx:1.27")
	if got := p.r.AskedToReview(t, number); len(got) != 1 || got[0] != "carol" {
		t.Errorf("a new project: %q are asked, want carol", got)
	}
	p.r.Merge(t, number)
	if got := p.r.AskedToReview(t, create("--image", "nginx:1.28")); len(got) != 0 {
		t.Errorf("another image: %q are asked, want nobody", got)
	}
}
