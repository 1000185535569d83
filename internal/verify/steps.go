package verify

import (
	"bytes"
	"context"
	"io/fs"
)

// A Step is one commit on the way from Base to Head.
type Step struct {
	Commit  string // id
	Message string
	// Tree is what the commit holds, and Changed the files that it changed. They are not
	// read for Head itself, whose Changed is nil.
	Tree    fs.FS
	Changed []string
}

// MaxSteps is how many commits of a change are looked at one by one.
const MaxSteps = 64

// checkSteps looks for secrets in what commits said, added, and took back: a merge
// brings all of it into the history. What Head still has is found there.
func (c *checker) checkSteps(ctx context.Context) error {
	if c.Unseen {
		c.warn(ruleTooLarge, "commits", "are more than %d, or begin too far back: what they added and took back was not looked at", MaxSteps)
	}
	for _, step := range c.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if name, _, ok := c.scan.find([]byte(step.Message), false); ok {
			c.add(ruleToken, "commit "+step.Commit, 0, "its message has in it what looks like %s", name)
		}
		past := newChecker(Input{Head: step.Tree, Policy: c.Policy, Trusted: c.Trusted})
		for _, name := range step.Changed {
			if err := c.checkPast(past, name); err != nil {
				return err
			}
		}
		for _, f := range past.report.Findings {
			if f.Rule == ruleToken || f.Rule == rulePlaintextSecret {
				f.What += ", in commit " + step.Commit + ": a later one does not take it out of the history"
				c.report.Findings = append(c.report.Findings, f)
			}
		}
	}
	return nil
}

// checkPast looks at one file as it was.
func (c *checker) checkPast(past *checker, name string) error {
	if !isFile(past.Head, name) {
		return nil
	}
	f, err := past.read(entry{name, 0})
	if err != nil || f == nil {
		return err
	}
	delete(past.files, name)
	if isFile(c.Head, name) {
		now, err := fs.ReadFile(c.Head, name)
		if err != nil || bytes.Equal(now, f.data) {
			return err
		}
	}
	past.checkName(name)
	past.checkTokens(f)
	past.checkPlaintext(f)
	return nil
}
