package generator

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a spec, or worth a warning.
type Problem struct {
	// File is the name that was given to the parser; empty when the value came
	// from no file.
	File string `json:"file"`
	// Line counts from 1; zero means that the value has no line of its own.
	Line int `json:"line,omitempty"`
	// Field is a path such as spec.environments[1].image.
	Field string `json:"field,omitempty"`
	// Reason says what is wrong, without the offending value unless that is
	// a name.
	Reason string `json:"reason"`
	// Hint says what to do about it; it may be empty.
	Hint string `json:"hint,omitempty"`
}

// String prints "file:line: field: reason; hint", leaving out what is unknown.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			b.WriteString(":" + strconv.Itoa(p.Line))
		}
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Reason)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problem is what a caller finds wrong with one of the project's fields: reason is a
// format. It has the line where the field stands, if the project was parsed.
func (p *Project) Problem(field, hint, reason string, args ...any) Problem {
	return Problem{
		File: first(p.at.file, ProjectPath(p.Metadata.Name)), Line: p.at.line(field),
		Field: field, Reason: fmt.Sprintf(reason, args...), Hint: hint,
	}
}

// Problems is everything that is wrong, in the order of the file. It is the
// error of the parsers, of [Generator.Plan] and of the merge functions.
type Problems []Problem

// Error prints one problem per line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// maxProblems bounds what one document can make a caller print.
const maxProblems = 100

// position remembers where the fields of a parsed document stood.
type position struct {
	file  string
	lines map[string]int
}

// line returns the line of a field or of the nearest field around it.
func (p position) line(field string) int {
	for ; field != ""; field = parent(field) {
		if n, ok := p.lines[field]; ok {
			return n
		}
	}
	return 0
}

// parent returns the field around a field, or "".
func parent(field string) string {
	return field[:max(0, strings.LastIndexAny(field, ".["))]
}

// collector gathers the problems of one document.
type collector struct {
	at       position
	problems Problems
	// broken are the fields whose form is wrong already.
	broken map[string]bool
}

// add notes a problem with what a field means, at the line where it stands.
func (c *collector) add(field, hint, reason string, args ...any) {
	for at := field; at != ""; at = parent(at) {
		if c.broken[at] {
			return
		}
	}
	c.addAt(c.at.line(field), field, hint, reason, args...)
}

func (c *collector) addAt(line int, field, hint, reason string, args ...any) {
	if len(args) > 0 {
		reason = fmt.Sprintf(reason, args...)
	}
	c.problems = append(c.problems, Problem{File: c.at.file, Line: line, Field: field, Reason: reason, Hint: hint})
}

// err returns the problems in the order of the file, or nil.
func (c *collector) err() error {
	if len(c.problems) == 0 {
		return nil
	}
	return sorted(c.problems)
}

func sorted(ps Problems) Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int { return a.Line - b.Line })
	ps = slices.Compact(ps)
	if len(ps) > maxProblems {
		more := Problem{File: ps[0].File, Reason: fmt.Sprintf("and %d more problems", len(ps)-maxProblems)}
		ps = append(ps[:maxProblems:maxProblems], more)
	}
	return ps
}
