package review

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/berth-gitops/berth/internal/verify"
)

// Phrase is a sentence of berth's with names from the repository in it. The names are
// marked, and printed so that they cannot be taken for anything else. Use String or
// Markdown; never the value itself.
type Phrase string

// The marks around a name. verify.Printable leaves none of them in a name.
const (
	opens, closes = "\x02", "\x03"
	maxName       = 200
)

// phrase words a sentence; every argument is a name.
func phrase(format string, names ...any) Phrase {
	quoted := make([]any, len(names))
	for i, n := range names {
		quoted[i] = opens + clip(verify.Printable(fmt.Sprint(n)), maxName) + closes
	}
	return Phrase(fmt.Sprintf(format, quoted...))
}

// String is the phrase for a terminal.
func (p Phrase) String() string {
	return strings.NewReplacer(opens, "", closes, "").Replace(string(p))
}

// MarshalJSON writes the phrase as String has it.
func (p Phrase) MarshalJSON() ([]byte, error) { return json.Marshal(p.String()) }

// Markdown is the phrase with its names as code.
func (p Phrase) Markdown() string {
	var b strings.Builder
	rest := string(p)
	for {
		before, after, found := strings.Cut(rest, opens)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, tail, _ := strings.Cut(after, closes)
		b.WriteString(code(name))
		rest = tail
	}
}

// code makes a code span of one line, in which nothing is Markdown, HTML or a mention.
func code(s string) string {
	s = verify.Printable(s)
	if strings.TrimSpace(s) == "" {
		return `""`
	}
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if fence == "`" {
		return "`" + s + "`"
	}
	return fence + " " + s + " " + fence
}

// block makes a fenced block that s cannot close.
func block(language string, lines []string) string {
	text := strings.Join(lines, "\n")
	fence := strings.Repeat("`", max(3, longestRun(text, '`')+1))
	return fence + language + "\n" + text + "\n" + fence + "\n"
}

func longestRun(s string, of rune) int {
	longest, n := 0, 0
	for _, r := range s {
		if r != of {
			n = 0
			continue
		}
		n++
		longest = max(longest, n)
	}
	return longest
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
