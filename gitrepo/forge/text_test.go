package forge

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFit(t *testing.T) {
	long := strings.Repeat("0123456789\n", 100)
	for _, c := range []struct {
		name, body string
		limit      int
		want       string
	}{
		{"fits", "text\n", 5, "text\n"},
		{"lines", long, 150, strings.Repeat("0123456789\n", 5) + "\n_Shortened: 96 more lines do not fit into the 150 characters allowed here._\n"},
		{"fence", "````diff\n```\n" + long, 150, "````diff\n```\n" + strings.Repeat("0123456789\n", 3) +
			"\n````\n\n_Shortened: 98 more lines do not fit into the 150 characters allowed here._\n"},
		{"details", "<details><summary>x</summary>\n" + long, 150, "<details><summary>x</summary>\n" + strings.Repeat("0123456789\n", 1) +
			"\n</details>\n\n_Shortened: 100 more lines do not fit into the 150 characters allowed here._\n"},
		{"details in a fence", "```\n<details>\n" + long, 150, "```\n<details>\n" + strings.Repeat("0123456789\n", 3) +
			"\n```\n\n_Shortened: 98 more lines do not fit into the 150 characters allowed here._\n"},
		{"one line", strings.Repeat("ä", 20), 10, strings.Repeat("ä", 10)},
	} {
		if got := fit(c.body, c.limit); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzFit(f *testing.F) {
	f.Add("```\na\n```\n<details>\nb", 20)
	f.Add(strings.Repeat("~~~~\nä🚢\n", 50), 200)
	f.Fuzz(func(t *testing.T, body string, limit int) {
		if limit < 0 || limit > 1<<20 {
			return
		}
		got := fit(body, limit)
		if n := utf8.RuneCountInString(got); n > limit {
			t.Errorf("%d characters, limit %d", n, limit)
		}
		if utf8.RuneCountInString(body) <= limit && got != body {
			t.Error("changed although it fits")
		}
		if fit(got, limit) != got {
			t.Error("cut twice is not cut once")
		}
		kept, _, _ := strings.Cut(got, "\n_Shortened: ")
		var open blocks
		for line := range strings.Lines(kept) {
			open.read(line)
		}
		if got != body && strings.Contains(got, "_Shortened: ") && !strings.Contains(body, "_Shortened: ") && open.fence != "" {
			t.Errorf("a fence is left open: %q", got)
		}
	})
}

func TestFitLine(t *testing.T) {
	if got := fitLine("short"); got != "short" {
		t.Error(got)
	}
	if got := fitLine(strings.Repeat("ä", 200)); len(got) > maxTitle || !utf8.ValidString(got) || !strings.HasSuffix(got, "ä…") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

// TestQuickActions: GitLab obeys lines that begin with a slash.
func TestQuickActions(t *testing.T) {
	g := &gitlab{}
	for in, want := range map[string]string{
		"/merge":                  "\u200b/merge",
		"text\n/close\n":          "text\n\u200b/close\n",
		"text\r\n  /label ~x\r\n": "text\r\n  \u200b/label ~x\r\n",
		"> /approve":              "> \u200b/approve",
		"text\n\r/merge":          "text\n\r\u200b/merge", // GitLab takes every \r out before it looks
		"```\n/merge\n```":        "```\n\u200b/merge\n```",
		"a /merge, /, //x":        "a /merge, /, //x",
		"/ merge":                 "/ merge",
	} {
		if got := g.escape(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
		if again := g.escape(want); again != want {
			t.Errorf("%q was escaped twice: %q", want, again)
		}
	}
}

func TestMarker(t *testing.T) {
	for in, want := range map[string]bool{
		"<!-- berth:review -->\ntext":        true,
		"<!-- berth:review -->\r\ntext":      true,
		"<!-- berth:review -->":              true,
		"\n<!-- berth:review -->\ntext":      true,
		"see <!-- berth:review -->\ntext":    false,
		"<!-- berth:review2 -->\ntext":       false,
		"text\n<!-- berth:review -->":        false,
		"> <!-- berth:review -->\n> quoted":  false,
		"<!-- berth:review --> and more":     false,
		"<!--berth:review-->\nother spacing": false,
	} {
		if got := hasMarker(in, "berth:review"); got != want {
			t.Errorf("%q: %t, want %t", in, got, want)
		}
	}
	for _, bad := range []string{"", "a b", "a--b", "-a", "a>", "A", strings.Repeat("a", 101)} {
		if checkMarker(bad) == nil {
			t.Errorf("%q may mark a comment", bad)
		}
	}
}
