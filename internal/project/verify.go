package project

import (
	"cmp"
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/internal/verify"
)

// Comparison is a change: what a base becomes.
type Comparison struct {
	// Tip is the revision to compare with as it is now. It says what counts.
	Tip *gitrepo.Tree
	// Base is where the change starts from: the newest commit that Tip and Head
	// share, so that what others have done since is not taken for its undoing.
	Base, Head *gitrepo.Tree
	Changed    []string // paths of files that differ between Base and Head
}

// Compare opens the change from base to head, both revisions; an empty head is the
// branch's tip. What a look at the change reads is fetched in few round trips.
func (s *Steps) Compare(ctx context.Context, base, head string) (*Comparison, error) {
	trees, err := s.Repo.AtEach(ctx, base, cmp.Or(head, "refs/heads/"+s.Branch))
	if err != nil {
		return nil, err
	}
	c := Comparison{Tip: trees[0], Head: trees[1]}
	if c.Base, err = s.forkPoint(ctx, c.Tip, c.Head); err != nil {
		return nil, err
	}
	// Projects are fetched whole, so there is no need to ask for each of their folders.
	differ, err := c.Head.Differences(c.Base, func(folder string) bool { return verify.ProjectOf(folder+"/x") != "" })
	if err != nil {
		return nil, err
	}
	if err := c.Tip.Prefetch(ctx, generator.PlatformPath); err != nil {
		return nil, err
	}
	wanted := append(touched(differ), generator.PlatformPath)
	if err := s.Repo.Prefetch(ctx, []*gitrepo.Tree{c.Base, c.Head}, wanted...); err != nil {
		return nil, err
	}
	c.Changed, err = c.Head.Differences(c.Base, nil)
	return &c, err
}

// forkPoint is what tip and head share, or tip where they share nothing.
func (s *Steps) forkPoint(ctx context.Context, tip, head *gitrepo.Tree) (*gitrepo.Tree, error) {
	if tip.Root() == head.Root() {
		return tip, nil
	}
	id, err := s.Repo.MergeBase(ctx, tip.Commit(), head.Commit())
	if err != nil || id.IsZero() || id == tip.Commit() {
		return tip, err
	}
	return s.Repo.At(ctx, id.String())
}

// touched names what to fetch for a change: projects as a whole, other files alone. A
// project may be named by a file or a folder of it.
func touched(changed []string) []string {
	var patterns []string
	seen := map[string]bool{}
	add := func(pattern string) {
		if !seen[pattern] {
			seen[pattern] = true
			patterns = append(patterns, pattern)
		}
	}
	for _, name := range changed {
		id := cmp.Or(verify.ProjectOf(name), verify.ProjectOf(name+"/x"))
		if id == "" || generator.CheckID(id) != nil {
			add(literal(name))
			continue
		}
		for _, pattern := range everywhere(id) {
			add(pattern)
		}
	}
	return patterns
}

// literal escapes what path.Match would take for a pattern.
func literal(name string) string {
	if _, err := path.Match(name, name); err == nil && !strings.ContainsAny(name, `*?[\`) {
		return name
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// Verify judges head, a revision or else the branch's tip, with public keys alone; with
// base, a revision, only what differs from it, and by its settings. identities is the
// text of an age identity file with platform keys, or empty.
func (s *Steps) Verify(ctx context.Context, base, head, identities string) (*verify.Report, error) {
	if base != "" {
		c, err := s.Compare(ctx, base, head)
		if err != nil {
			return nil, err
		}
		return s.judge(ctx, c, identities)
	}
	tree, err := s.at(ctx, head)
	if err != nil {
		return nil, err
	}
	if err := tree.Prefetch(ctx, "*"); err != nil {
		return nil, err
	}
	in, err := input(tree)
	if err != nil {
		return nil, err
	}
	in.Head, in.Identities = tree, identities
	return verify.Check(ctx, in)
}

// at returns a revision, or the branch's tip for "".
func (s *Steps) at(ctx context.Context, revision string) (*gitrepo.Tree, error) {
	if revision == "" {
		return s.Repo.Tip(ctx, s.Branch)
	}
	return s.Repo.At(ctx, revision)
}

// judge verifies a change by what the tip of its base says.
func (s *Steps) judge(ctx context.Context, c *Comparison, identities string) (*verify.Report, error) {
	in, err := input(c.Tip)
	if err != nil {
		return nil, err
	}
	in.Head, in.Base, in.Changed, in.Identities = c.Head, c.Base, c.Changed, identities
	if in.Steps, in.Unseen, err = s.steps(ctx, c); err != nil {
		return nil, err
	}
	return verify.Check(ctx, in)
}

// steps are the commits of a change, each with the files that it made differ from all
// the commits that it was made on.
func (s *Steps) steps(ctx context.Context, c *Comparison) (steps []verify.Step, unseen bool, err error) {
	commits, all, err := s.Repo.Between(ctx, c.Tip.Commit(), c.Head.Commit(), verify.MaxSteps)
	if err != nil {
		return nil, false, err
	}
	var trees []*gitrepo.Tree
	var wanted []string
	for _, commit := range commits {
		step := verify.Step{Commit: commit.Commit().String(), Message: commit.Message, Tree: commit.Tree}
		if commit.Root() != c.Head.Root() && commit.Root() != c.Base.Root() {
			if step.Changed, err = s.changedBy(ctx, commit); err != nil {
				return nil, false, err
			}
		}
		if len(wanted)+len(step.Changed) > verify.MaxStepFiles {
			return nil, true, nil
		}
		for _, name := range step.Changed {
			wanted = append(wanted, literal(name))
		}
		if len(step.Changed) > 0 {
			trees = append(trees, commit.Tree)
		}
		steps = append(steps, step)
	}
	if len(trees) > 0 {
		slices.Sort(wanted)
		err = s.Repo.Prefetch(ctx, append(trees, c.Head), slices.Compact(wanted)...)
	}
	return steps, !all, err
}

// changedBy returns the files that differ from every parent: a merge brings only what
// neither side had.
func (s *Steps) changedBy(ctx context.Context, commit gitrepo.Commit) ([]string, error) {
	if len(commit.Parents) == 0 {
		return commit.Differences(&gitrepo.Tree{}, nil)
	}
	var changed []string
	for i, id := range commit.Parents {
		parent, err := s.Repo.At(ctx, id.String())
		if err != nil {
			return nil, err
		}
		differ, err := commit.Differences(parent, nil)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			changed = differ
			continue
		}
		changed = slices.DeleteFunc(changed, func(name string) bool {
			_, both := slices.BinarySearch(differ, name)
			return !both
		})
	}
	return changed, nil
}

// input reads the policy from the tree that is to be believed. A berth key that happens to
// be at hand has no say in it: the answer is the same for everybody who asks.
func input(judge fs.FS) (verify.Input, error) {
	platform, err := readPlatform(judge)
	if err != nil {
		return verify.Input{}, err
	}
	trusted, err := publicKeys(platform)
	if err != nil {
		return verify.Input{}, err
	}
	return verify.Input{Policy: platform, Trusted: trusted, Generator: newGenerator()}, nil
}
