package review

import (
	"fmt"
	"strings"

	"github.com/berth-gitops/berth/internal/verify"
)

// Text words the review for a terminal, findings left out: `berth verify` words those.
func (r *Review) Text() string {
	var b strings.Builder
	for _, s := range r.sections() {
		if len(s.phrases) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s\n", s.title)
		for _, p := range s.phrases {
			fmt.Fprintf(&b, "  %s\n", p)
		}
	}
	for _, p := range r.parts() {
		title := "platform"
		if p.ID != "" {
			title = "project " + p.ID
		}
		fmt.Fprintf(&b, "%s: %s\n", title, p.summary())
		for _, n := range p.Notes {
			fmt.Fprintf(&b, "  ! %s\n", n)
		}
		for _, o := range p.Objects {
			fmt.Fprintf(&b, "► %s %s on %s\n", o.Name, o.Action, o.Cluster)
			for _, line := range o.lines() {
				fmt.Fprintf(&b, "    %s\n", line)
			}
		}
	}
	for _, name := range append(append([]string{}, r.Settings...), r.Others...) {
		fmt.Fprintf(&b, "file %s changes\n", verify.Printable(name))
	}
	if r.Unnamed > 0 {
		fmt.Fprintf(&b, "%d more files change\n", r.Unnamed)
	}
	return b.String()
}

type section struct {
	title   string
	phrases []Phrase
}

func (r *Review) sections() []section {
	return []section{
		{"Will be deleted", r.Deletions},
		{"New privileges", r.Privileges},
		{"Secrets", r.Secrets},
		{"Images", r.Images},
	}
}

// parts are the platform, when something of it changes, and the projects.
func (r *Review) parts() []Project {
	if r.Platform == nil {
		return r.Projects
	}
	return append([]Project{*r.Platform}, r.Projects...)
}

// summary counts what happens to the objects.
func (p Project) summary() string {
	counts := map[string]int{}
	for _, o := range p.Objects {
		counts[o.Action]++
	}
	var parts []string
	for _, action := range []string{"created", "changed", "deleted"} {
		if n := counts[action]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, action))
		}
	}
	switch {
	case len(parts) > 0:
		return p.Action + " (objects: " + strings.Join(parts, ", ") + ")"
	case len(p.Notes) == 0:
		return p.Action + " (no object differs)"
	}
	return p.Action
}

// lines are the changed fields as `flux diff` shows them: the path, then what goes and
// what comes.
func (o Object) lines() []string {
	var lines []string
	if o.Note != "" {
		lines = append(lines, "("+o.Note+")")
	}
	for _, f := range o.Fields {
		lines = append(lines, "  "+f.Path.String())
		if f.Before != "" {
			lines = append(lines, "- "+f.Before.String())
		}
		if f.After != "" {
			lines = append(lines, "+ "+f.After.String())
		}
	}
	return lines
}
