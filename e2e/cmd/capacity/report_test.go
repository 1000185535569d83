package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-gitops/berth/e2e/capacity"
	"github.com/berth-gitops/berth/e2e/process"
)

func sample() *report {
	change := func(applied, quiet, cpu time.Duration, peak int64) *capacity.Change {
		return &capacity.Change{Applied: applied, Quiet: quiet, Kustomize: process.Usage{CPU: cpu, Peak: peak}}
	}
	r := newReport(3)
	r.rows = []row{
		{setting: setting{workers: 4}, size: 100, added: 100, first: 20 * time.Second, changes: []*capacity.Change{
			change(2*time.Second, 5*time.Second, 8*time.Second, 100<<20),
			change(9*time.Second, 9*time.Second, 9*time.Second, 110<<20),
			change(1*time.Second, 4*time.Second, 7*time.Second, 120<<20),
		}},
		{setting: setting{workers: 4}, size: 300, added: 200, changes: []*capacity.Change{change(0, 45*time.Second, 0, 0)}},
		{setting: setting{workers: 20, disk: true, elsewhere: 200, ignore: "/x"}, size: 100, changes: []*capacity.Change{change(0, 0, 0, 0)}},
	}
	r.end()
	return r
}

func TestReport(t *testing.T) {
	text := sample().String()
	for _, want := range []string{
		"| memory, 4 workers | 100 | 20.0 s (+100) | 2.0 s | 5.0 s | 8.0 s, 120 MB | 0.0 s, 0 MB | 0.0 s, 0 MB |\n",
		"| disk, 20 workers, 200 more on another cluster, `ignore` | 100 |",
		// 5 s at 100 and 45 s at 300: it grows with the square.
		"one minute after each push at about 350 environments, and for five minutes at about 770 (memory, 4 workers).\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	for name, rows := range map[string][]row{"no": nil, "one": sample().rows[1:2], "a falling": {sample().rows[1], sample().rows[0]}} {
		r := sample()
		r.rows = rows
		if text := r.String(); strings.Contains(text, "Continued") {
			t.Errorf("%s point makes a line:\n%s", name, text)
		}
	}
}

func TestRewrite(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := sample()
	write("before\n" + tableBegin + "\nold\n\n" + tableEnd + "after\n")
	for range 2 {
		if err := r.rewrite(file); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := "before\n" + tableBegin + "\n" + r.String() + "\n" + tableEnd + "after\n"; string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	write("no place")
	if err := r.rewrite(file); err == nil || !strings.Contains(err.Error(), "no place for the table") {
		t.Errorf("a page without a place: %v", err)
	}
}

// The page that is committed has the place.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "capacity.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), tableBegin) || !strings.Contains(string(text), tableEnd) {
		t.Error("docs/capacity.md has no place for the table")
	}
}

func TestParseSizes(t *testing.T) {
	for _, list := range []string{"x", "30,", "0", "30,30", "100,30"} {
		if sizes, err := parseSizes(list); err == nil {
			t.Errorf("%q: %v", list, sizes)
		}
	}
	if sizes, err := parseSizes("6,9"); err != nil || len(sizes) != 2 || sizes[1] != 9 {
		t.Errorf("got %v, %v", sizes, err)
	}
}
