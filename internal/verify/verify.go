package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/sops"
)

// Input is what is judged, and by what.
type Input struct {
	// Head is what is judged. Files whose FileInfo has the same Sys, such as the id of
	// a blob, are taken for equal; nil says nothing.
	Head fs.FS
	// Base is what Head starts from; nil judges the whole of Head by itself.
	Base fs.FS
	// Changed are the paths of the files that differ between Base and Head. It
	// is not read without a Base.
	Changed []string
	// Steps are the commits from Base to Head, Head's among them. Unseen says that there
	// are more than MaxSteps.
	Steps  []Step
	Unseen bool

	// Policy is the berth.yaml that counts: the base's.
	Policy *generator.Platform
	// Trusted are the public keys whose signatures count.
	Trusted []sops.PublicKey
	// Generator renders specs with the templates of this berth.
	Generator *generator.Generator
	// Identities is the text of an age identity file with platform keys. With
	// it the sealed files are opened as well.
	Identities string
}

// Level says what a finding means for a change.
type Level string

// The levels of findings.
const (
	Blocking Level = "blocking" // must not be merged as it is
	Warning  Level = "warning"  // worth knowing
)

// A Finding is one thing that is wrong at one place. None of its texts shows a
// secret; they may quote names from the repository.
type Finding struct {
	Rule  string `json:"rule"`
	Level Level  `json:"level"`
	File  string `json:"file"`
	Line  int    `json:"line,omitempty"` // from 1; 0 for the file as a whole
	What  string `json:"what"`           // was seen
	Why   string `json:"why"`            // it matters
	Mend  string `json:"mend"`           // what to do
}

// Report is what Check found.
type Report struct {
	Findings []Finding `json:"findings"` // by file, line and rule
	Projects []string  `json:"projects"` // that were looked at
	Files    int       `json:"files"`    // that were read
	Sealed   int       `json:"sealed"`   // files among them
	// Incomplete says that a build ran away, or that there is too much to look at, as a
	// finding tells, and that this process must build nothing more.
	Incomplete bool `json:"incomplete,omitempty"`
}

// Blocked says how many findings are blocking.
func (r *Report) Blocked() int {
	n := 0
	for _, f := range r.Findings {
		if f.Level == Blocking {
			n++
		}
	}
	return n
}

// Check judges in. An error means that something could not be read, never that
// something was found.
func Check(ctx context.Context, in Input) (*Report, error) {
	c := newChecker(in)
	if err := c.run(ctx); err != nil {
		return nil, err
	}
	c.checkOpened()
	slices.SortFunc(c.report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.What, b.What))
	})
	c.report.Findings = slices.Compact(c.report.Findings)
	return c.report, nil
}

// checker is one run.
type checker struct {
	Input
	settings *generator.Platform // of Head; those of Policy where Head's cannot be read
	report   *Report
	rules    map[string]Rule
	files    map[string]*file  // of Head, as far as they were read
	seen     map[string]place  // ciphertexts and where they stood first
	hosts    map[string]string // of Ingresses, by cluster and host: the project
	differs  map[string]bool   // paths in Changed; nil without a Base
	opened   bool              // Identities open something
	shut     []string          // sealed files that Identities do not open
	scan     scanner
	grown    int // values that aliases add, in the files of one project or of none

	equal   map[any]int                    // times that files of no project were read, by Sys
	names   map[string]map[string][]string // of folders of Head, by how they read in one case
	left    int                            // bytes that may be looked at yet
	lookups int                            // and places where files of projects may be
	others  int                            // and files of no project
}

func newChecker(in Input) *checker {
	c := &checker{
		Input: in, settings: in.Policy, report: &Report{Findings: []Finding{}, Projects: []string{}},
		rules: map[string]Rule{}, files: map[string]*file{}, seen: map[string]place{}, hosts: map[string]string{}, scan: scanner{secretForms()},
		equal: map[any]int{}, names: map[string]map[string][]string{}, left: maxWhole, lookups: maxLookups, others: maxOthersWhole,
	}
	for _, r := range Rules() {
		c.rules[r.ID] = r
	}
	if in.Base != nil {
		c.left, c.others = maxChange, maxOthers
		c.differs = make(map[string]bool, len(in.Changed))
		for _, name := range in.Changed {
			c.differs[name] = true
		}
	}
	return c
}

// add notes a finding at the rule's own level.
func (c *checker) add(id, file string, line int, format string, args ...any) {
	c.addAt(c.rules[id].Level, id, file, line, format, args...)
}

func (c *checker) warn(id, file, format string, args ...any) {
	c.addAt(Warning, id, file, 0, format, args...)
}

func (c *checker) addAt(level Level, id, file string, line int, format string, args ...any) {
	r := c.rules[id]
	c.report.Findings = append(c.report.Findings, Finding{
		Rule: r.ID, Level: level, File: c.redact(file), Line: line, What: c.describe(format, args...), Why: r.Why, Mend: r.Mend,
	})
}

// describe words what was seen so that it shows no secret and harms no terminal.
func (c *checker) describe(format string, args ...any) string {
	what := fmt.Sprintf(format, args...)
	if name, _, ok := c.scan.find([]byte(what), false); ok {
		return "cannot be quoted: its message contains what looks like " + name
	}
	return cut(Printable(what), maxWhat)
}

// problems notes what a parser or the generator says about a spec.
func (c *checker) problems(id, file string, err error) error {
	var list generator.Problems
	if !errors.As(err, &list) {
		return err
	}
	for _, p := range list {
		what := p.Reason
		if p.Field != "" {
			what = p.Field + ": " + what
		}
		if p.Hint != "" {
			what += "; " + p.Hint
		}
		c.add(id, cmp.Or(p.File, file), p.Line, "%s", what)
	}
	return nil
}

func (c *checker) run(ctx context.Context) error {
	s, err := c.scope(ctx)
	if err != nil || c.report.Incomplete {
		return err
	}
	if err := c.checkSettings(s); err != nil {
		return err
	}
	for _, name := range s.others {
		if err := ctx.Err(); err != nil || c.report.Incomplete {
			return err
		}
		if err := c.checkOther(name); err != nil {
			return err
		}
	}
	for _, id := range s.projects {
		if err := ctx.Err(); err != nil || c.report.Incomplete {
			return err
		}
		if s.crowded[id] {
			c.add(ruleTooLarge, "projects/"+id, 0, "project %q: %v", clip(id), errCrowded)
			continue
		}
		if err := c.checkProject(ctx, id, s.byProject[id]); err != nil {
			return err
		}
	}
	return c.checkSteps(ctx)
}

// giveUp notes at which file there is too much to look at, and that nothing more is.
func (c *checker) giveUp(file, much string) {
	c.report.Incomplete = true
	c.add(ruleTooLarge, file, 0, "comes after %s, and was not looked at, nor anything after it", much)
}

// changed says that Head and Base differ at name; without a Base nothing does.
func (c *checker) changed(name string) bool { return c.differs[name] }

// base returns a file of Base, or nil.
func (c *checker) base(name string) ([]byte, error) {
	if c.Base == nil || !isFile(c.Base, name) {
		return nil, nil
	}
	return fs.ReadFile(c.Base, name)
}
