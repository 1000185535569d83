package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// A Row is one line of the table: berth against something else.
type Row struct {
	What    string // is measured
	Berth   Figure
	Against string // whom
	Theirs  Figure // without a unit when there is no opponent
	Goal    Goal
}

// A Goal is a bound on the ratio; the zero Goal bounds nothing.
type Goal struct {
	Kind  goalKind
	Bound float64
}

type goalKind int

const (
	none    goalKind = iota
	smaller          // berth's figure is so many times smaller than theirs
	atMost           // berth's figure over theirs is not above the bound
	atLeast          // berth's figure over theirs is not below the bound
)

// ratio words the ratio of the medians, and whether the bound is kept.
func (r Row) ratio() (ratio, goal, reached string) {
	if r.Theirs.Unit == nil {
		return "", "", ""
	}
	value := r.Berth.Median / r.Theirs.Median
	times, part := fmt.Sprintf("%.2f×", value), fmt.Sprintf("1/%.1f", 1/value)
	var kept bool
	switch r.Goal.Kind {
	case none:
		if value < 1 {
			return part, "", ""
		}
		return times, "", ""
	case smaller:
		ratio, goal, kept = part, fmt.Sprintf("≤ 1/%g", r.Goal.Bound), value <= 1/r.Goal.Bound
	case atMost:
		ratio, goal, kept = times, fmt.Sprintf("≤ %g×", r.Goal.Bound), value <= r.Goal.Bound
	case atLeast:
		ratio, goal, kept = times, fmt.Sprintf("≥ %g×", r.Goal.Bound), value >= r.Goal.Bound
	}
	if kept {
		return ratio, goal, "yes"
	}
	return ratio, goal, "**no**"
}

// A report is the table of one run and what one must know to judge it.
type report struct {
	options
	began      time.Time
	loadBefore string
	loadAfter  string
	rows       []Row
}

func newReport(o options) *report { return &report{options: o, began: time.Now(), loadBefore: load()} }

func (r *report) add(rows []Row) { r.rows = append(r.rows, rows...) }

func (r *report) finish() { r.loadAfter = load() }

// String is the table in Markdown.
func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s, %s/%s, %d CPUs, %s; medians of %d rounds (min–max); load average %s before, %s after.\n\n",
		r.began.Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), gitVersion(),
		r.rounds, r.loadBefore, r.loadAfter)
	b.WriteString("| what | berth | against | theirs | ratio | goal | reached |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, row := range r.rows {
		ratio, goal, reached := row.ratio()
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", row.What, row.Berth, row.Against, row.Theirs, ratio, goal, reached)
	}
	return b.String()
}

// The table stands between these lines of the document.
const (
	tableBegin = "<!-- bench: begin, written by `go run . -write` -->\n"
	tableEnd   = "<!-- bench: end -->\n"
)

func (r *report) rewrite(document string) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	head, rest, ok := strings.Cut(string(text), tableBegin)
	_, tail, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s: no place for the table: put these two lines in it:\n%s%s", document, tableBegin, tableEnd)
	}
	return os.WriteFile(document, []byte(head+tableBegin+"\n"+r.String()+"\n"+tableEnd+tail), 0o644)
}

// load is the one-minute load average where the system tells.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

func gitVersion() string {
	out, err := exec.Command("git", "version").Output()
	if err != nil {
		return "no git"
	}
	return strings.Join(strings.Fields(string(out)), " ")
}
