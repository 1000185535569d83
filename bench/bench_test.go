package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFigure(t *testing.T) {
	costs := func(walls ...int) (costs []Cost) {
		for _, w := range walls {
			costs = append(costs, Cost{Wall: time.Duration(w) * time.Millisecond})
		}
		return costs
	}
	tests := []struct {
		costs []Cost
		want  string
	}{
		{costs(30, 10, 200), "30.0 ms (10.0 ms–200 ms)"},
		{costs(10, 20, 30, 40), "25.0 ms (10.0 ms–40.0 ms)"},
		{costs(1500), "1.50 s"},
	}
	for _, test := range tests {
		if got := wall(test.costs).String(); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}

func TestRatio(t *testing.T) {
	value := func(v float64) Figure { return Figure{v, v, v, seconds} }
	tests := []struct {
		berth, theirs        float64
		goal                 Goal
		ratio, want, reached string
	}{
		{1, 25, Goal{smaller, 25}, "1/25.0", "≤ 1/25", "yes"},
		{1, 24, Goal{smaller, 25}, "1/24.0", "≤ 1/25", "**no**"},
		{1.15, 1, Goal{atMost, 1.15}, "1.15×", "≤ 1.15×", "yes"},
		{1.16, 1, Goal{atMost, 1.15}, "1.16×", "≤ 1.15×", "**no**"},
		{1, 2, Goal{atLeast, 0.5}, "0.50×", "≥ 0.5×", "yes"},
		{0.9, 2, Goal{atLeast, 0.5}, "0.45×", "≥ 0.5×", "**no**"},
		{1, 4, Goal{}, "1/4.0", "", ""},
		{4, 1, Goal{}, "4.00×", "", ""},
	}
	for _, test := range tests {
		ratio, goal, reached := Row{Berth: value(test.berth), Theirs: value(test.theirs), Goal: test.goal}.ratio()
		if ratio != test.ratio || goal != test.want || reached != test.reached {
			t.Errorf("%v to %v: got %q %q %q, want %q %q %q", test.berth, test.theirs, ratio, goal, reached, test.ratio, test.want, test.reached)
		}
	}
}

func TestRewriteKeepsTheRest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	write(t, file, "before\n"+tableBegin+"an old table\n"+tableEnd+"after\n")
	r := newReport(options{rounds: 9})
	r.add([]Row{{What: "something"}})
	if err := r.rewrite(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	if !strings.HasPrefix(got, "before\n"+tableBegin) || !strings.HasSuffix(got, tableEnd+"after\n") ||
		!strings.Contains(got, "| something |") || strings.Contains(got, "an old table") {
		t.Errorf("got:\n%s", got)
	}
	write(t, file, "no place\n")
	if err := r.rewrite(file); err == nil {
		t.Error("a page without a place for the table was rewritten")
	}
}

// TestFloor lets raw git make projects and the floor repeat them: both repositories
// must then be at the same commit.
func TestFloor(t *testing.T) {
	ctx := t.Context()
	s, err := newStand(ctx, options{rounds: 1, dir: t.TempDir(), cache: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	f, err := s.fleet(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	raw, leader, err := s.plumbing(ctx, f)
	if err != nil {
		t.Fatal(err)
	}
	own, err := s.repository(f)
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.tip(ctx, own)
	if err != nil {
		t.Fatal(err)
	}
	costs, err := measure(ctx, s, raw, &floor{stand: s, leader: leader, own: own})
	if err != nil {
		t.Fatal(err)
	}
	if costs[1][0].Work != 1 {
		t.Errorf("the floor posted %v commits in a round, want 1", costs[1][0].Work)
	}
	theirs, err := s.tip(ctx, leader)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := s.tip(ctx, own)
	if err != nil {
		t.Fatal(err)
	}
	if ours != theirs || ours == before {
		t.Errorf("before %s, leader %s, floor %s", before, theirs, ours)
	}
	spec, err := s.output(ctx, "", "git", "-C", own.path, "show", "main:projects/"+projectID(1)+"/project.yaml")
	if err != nil || !strings.Contains(spec, "name: "+projectID(1)+"\n") {
		t.Errorf("project.yaml is %q, %v", spec, err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
