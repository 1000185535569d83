package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/berth-gitops/berth/e2e/capacity"
	"github.com/berth-gitops/berth/e2e/process"
)

// A row is one setting at one size.
type row struct {
	setting     setting
	size, added int
	first       time.Duration // until the added ones were applied
	changes     []*capacity.Change
}

// median is that of a time of the row's changes.
func (r row) median(of func(*capacity.Change) time.Duration) time.Duration {
	var all []time.Duration
	for _, c := range r.changes {
		all = append(all, of(c))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func (r row) quiet() time.Duration {
	return r.median(func(c *capacity.Change) time.Duration { return c.Quiet })
}

// used words CPU time for a change and memory.
func (r row) used(of func(*capacity.Change) process.Usage) string {
	cpu := r.median(func(c *capacity.Change) time.Duration { return of(c).CPU })
	return fmt.Sprintf("%s, %d MB", seconds(cpu), of(r.changes[len(r.changes)-1]).Peak>>20)
}

// A report is the table of one run and what one must know to judge it.
type report struct {
	began, ended          time.Time
	rounds                int
	loadBefore, loadAfter string
	rows                  []row
}

func newReport(rounds int) *report {
	return &report{began: time.Now(), rounds: rounds, loadBefore: load()}
}

func (r *report) end() { r.ended, r.loadAfter = time.Now(), load() }

// String is the report in Markdown.
func (r *report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d CPUs; medians of %d changes; load average %s before, %s after; %.0f minutes in all.\n\n",
		r.began.Format(time.DateOnly), runtime.NumCPU(), r.rounds, r.loadBefore, r.loadAfter, r.ended.Sub(r.began).Minutes())
	b.WriteString("| `/tmp`, workers | environments | first apply | change applied | all looked at | kustomize-controller | source-controller | API server |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, row := range r.rows {
		fmt.Fprintf(&b, "| %s | %d | %s (+%d) | %s | %s | %s | %s | %s |\n", row.setting, row.size, seconds(row.first), row.added,
			seconds(row.median(func(c *capacity.Change) time.Duration { return c.Applied })), seconds(row.quiet()),
			row.used(func(c *capacity.Change) process.Usage { return c.Kustomize }),
			row.used(func(c *capacity.Change) process.Usage { return c.Source }),
			row.used(func(c *capacity.Change) process.Usage { return c.API }))
	}
	b.WriteString(r.forecast())
	return b.String()
}

// forecast continues the line of the first setting.
func (r *report) forecast() string {
	var line []row
	for _, row := range r.rows {
		if row.setting.String() == r.rows[0].setting.String() {
			line = append(line, row)
		}
	}
	if len(line) < 2 {
		return ""
	}
	a, b := line[len(line)-2], line[len(line)-1]
	if b.quiet() <= a.quiet() {
		return "" // noise
	}
	at := func(limit time.Duration) int {
		return reaches(point{a.size, a.quiet()}, point{b.size, b.quiet()}, limit)
	}
	return fmt.Sprintf("\nContinued like that, Flux looks at everything for one minute after each push at about %d environments, "+
		"and for five minutes at about %d (%s).\n", at(time.Minute), at(5*time.Minute), a.setting)
}

// A point says how long Flux takes at a size.
type point struct {
	size  int
	takes time.Duration
}

// reaches is the size, to two digits, at which Flux takes so long, on the power
// law through two points.
func reaches(a, b point, limit time.Duration) int {
	exponent := math.Log(b.takes.Seconds()/a.takes.Seconds()) / math.Log(float64(b.size)/float64(a.size))
	size := float64(b.size) * math.Pow(limit.Seconds()/b.takes.Seconds(), 1/exponent)
	unit := math.Pow(10, math.Floor(math.Log10(size))-1)
	return int(math.Round(size/unit) * unit)
}

// The table stands between these lines of the document.
const (
	tableBegin = "<!-- capacity: begin, written by `go run ./cmd/capacity -write` -->\n"
	tableEnd   = "<!-- capacity: end -->\n"
)

func (r *report) rewrite(document string) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	head, rest, begins := strings.Cut(string(text), tableBegin)
	_, tail, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
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
