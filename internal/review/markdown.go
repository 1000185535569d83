package review

import (
	"fmt"
	"strings"

	"github.com/berth-gitops/berth/internal/verify"
)

// Marker is the hidden first line by which a forge's comment is found again.
const Marker = "<!-- berth:review -->"

// DefaultLimit is the length of a Markdown review in bytes. GitHub's limit, the
// smallest of the forges', is 65,536 characters.
const DefaultLimit = 60_000

// maxBlock bounds one object's share, so that one does not hide all others.
const maxBlock = 6_000

// Markdown words the review for a pull request, in at most limit bytes. What matters
// most comes first; what does not fit is counted. The first line is Marker.
func (r *Review) Markdown(limit int) string {
	d := &document{limit: limit - 300} // room for the last line
	d.add(Marker + "\n## " + r.title() + "\n\n" + r.headline() + "\n\n")
	for _, f := range r.Findings {
		if f.Level == verify.Blocking {
			d.add(findingMarkdown(f))
		}
	}
	for _, s := range r.sections() {
		for i, p := range s.phrases {
			item := "- " + p.Markdown() + "\n"
			if i == 0 {
				item = "\n### " + s.title + "\n\n" + item
			}
			d.add(item)
		}
	}
	d.names("Files of the platform", r.Settings)
	for _, f := range r.Findings {
		if f.Level == verify.Warning {
			d.add(findingMarkdown(f))
		}
	}
	for _, p := range r.parts() {
		title := "Platform"
		if p.ID != "" {
			title = "Project " + code(p.ID)
		}
		d.add("\n### " + title + ": " + p.summary() + "\n\n")
		for _, n := range p.Notes {
			d.add("- " + n.Markdown() + "\n")
		}
		for _, o := range p.Objects {
			d.add(objectMarkdown(o))
		}
	}
	d.names("Other files, which berth only searched for secrets", r.Others)
	if r.Unnamed > 0 {
		d.add(fmt.Sprintf("- … and %d more files change\n", r.Unnamed))
	}
	return d.end()
}

// names lists files.
func (d *document) names(title string, names []string) {
	for i, name := range names {
		item := "- " + code(clip(name, maxName)) + "\n"
		if i == 0 {
			item = "\n### " + title + "\n\n" + item
		}
		d.add(item)
	}
}

// title names the commit: a comment may stay behind what was pushed since.
func (r *Review) title() string {
	if r.Commit == "" {
		return "berth review"
	}
	return "berth review of " + code(r.Commit[:min(len(r.Commit), 12)])
}

func (r *Review) headline() string {
	switch n := r.Blocking(); {
	case n > 0:
		return fmt.Sprintf("**%d blocking.** Each is named below with what to do about it.", n)
	case r.Empty():
		return "Nothing changes in any project."
	}
	return "Nothing blocking."
}

func findingMarkdown(f verify.Finding) string {
	place := clip(f.File, maxName)
	if f.Line > 0 {
		place += fmt.Sprintf(":%d", f.Line)
	}
	return fmt.Sprintf("- **%s** (%s) %s: %s<br>%s\n  **Mend:** %s\n", f.Rule, f.Level, code(place), code(f.What), f.Why, f.Mend)
}

func objectMarkdown(o Object) string {
	head := "- " + o.Name.Markdown() + " " + o.Action + " on " + code(o.Cluster)
	if o.Note != "" {
		head += " (" + o.Note + ")"
	}
	head += "\n"
	if len(o.Fields) == 0 {
		return head
	}
	var lines []string
	size := 0
	for i, line := range o.lines() {
		if size += len(line) + 1; size > maxBlock {
			lines = append(lines, fmt.Sprintf("… and %d more lines", len(o.lines())-i))
			break
		}
		lines = append(lines, line)
	}
	return head + "\n" + block("diff", lines) + "\n"
}

// document takes whole parts as long as they fit.
type document struct {
	b       strings.Builder
	limit   int
	dropped int
}

func (d *document) add(part string) {
	if d.dropped > 0 || d.b.Len()+len(part) > d.limit {
		d.dropped++
		return
	}
	d.b.WriteString(part)
}

func (d *document) end() string {
	if d.dropped > 0 {
		fmt.Fprintf(&d.b, "\n… %d more parts are left out: the comment would be too long. `berth review` shows all of it.\n", d.dropped)
	}
	return d.b.String()
}
