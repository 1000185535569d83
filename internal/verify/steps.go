package verify

import (
	"context"
	"io/fs"
)

// A Step is one commit on the way from Base to Head.
type Step struct {
	Commit  string // id
	Message string
	// Tree is what the commit holds, and Changed the files that it changed; nil for Head
	// itself. The Sys of a file's information in Tree and in Head is the id of its content.
	Tree    fs.FS
	Changed []string
}

// How much of a change is looked at commit by commit.
const (
	MaxSteps     = 64        // commits
	MaxStepFiles = maxOthers // files that they change, in all
)

// checkSteps looks for secrets in what commits said, added, and took back: a merge
// brings all of it into the history. What Head still has is found there.
func (c *checker) checkSteps(ctx context.Context) error {
	if c.Unseen {
		c.warn(ruleTooLarge, "commits", "are more than %d, change more than %d files or begin too far back: what they added and took back was not looked at", MaxSteps, MaxStepFiles)
	}
	looked := map[any]bool{} // ids of files
	for _, step := range c.Steps {
		if err := ctx.Err(); err != nil || c.report.Incomplete {
			return err
		}
		if name, _, ok := c.scan.find([]byte(step.Message), false); ok {
			c.add(ruleToken, "commit "+step.Commit, 0, "its message has in it what looks like %s", name)
		}
		past := newChecker(Input{Head: step.Tree, Policy: c.Policy, Trusted: c.Trusted})
		past.left = c.left
		for _, name := range step.Changed {
			if err := c.checkPast(past, looked, name); err != nil {
				return err
			}
		}
		c.left = past.left
		for _, f := range past.report.Findings {
			if f.Rule == ruleToken || f.Rule == rulePlaintextSecret {
				f.What += ", in commit " + step.Commit + ": a later one does not take it out of the history"
				c.report.Findings = append(c.report.Findings, f)
			}
		}
		if past.report.Incomplete {
			c.giveUp("commit "+step.Commit, "as many bytes as berth looks at")
		}
	}
	return nil
}

// checkPast looks at one file as it was, unless Head has it there still, or it was looked
// at by another name or in another commit.
func (c *checker) checkPast(past *checker, looked map[any]bool, name string) error {
	info, err := lstat(past.Head, name)
	if isMissing(err) || err == nil && !info.Mode().IsRegular() {
		return nil
	}
	if err != nil {
		return err
	}
	past.checkName(name)
	id := info.Sys()
	if now, err := lstat(c.Head, name); looked[id] || err == nil && now.Mode().IsRegular() && now.Sys() == id {
		return nil
	}
	looked[id] = true
	f, err := past.read(entry{name, 0})
	delete(past.files, name)
	if err != nil || f == nil {
		return err
	}
	past.checkTokens(f)
	past.checkPlaintext(f)
	return nil
}
