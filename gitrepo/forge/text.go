package forge

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// fit cuts Markdown to limit characters, at a line's end, and says so. A code
// fence or <details> that the cut leaves open is closed.
func fit(body string, limit int) string {
	if utf8.RuneCountInString(body) <= limit {
		return body
	}
	const notice = "\n_Shortened: %d more lines do not fit into the %d characters allowed here._\n"
	lines := strings.SplitAfter(body, "\n")
	var open blocks
	kept, size, end := 0, 0, ""
	for i, line := range lines {
		size += utf8.RuneCountInString(line)
		open.read(line)
		closing := open.closing()
		if size+len(closing)+len(notice)+2*len("1000000") > limit {
			break
		}
		kept, end = i+1, closing
	}
	if kept == 0 {
		return firstRunes(body, limit) // one huge line, or a limit without room for the notice
	}
	return strings.Join(lines[:kept], "") + end + fmt.Sprintf(notice, len(lines)-kept, limit)
}

// blocks follows what a line of Markdown opens and closes.
type blocks struct {
	fence   string // the marker that opened a code block, or ""
	details int    // <details> that are open
}

func (b *blocks) read(line string) {
	text := strings.TrimSpace(line)
	if marker := fenceMarker(text); marker != "" {
		switch {
		case b.fence == "":
			b.fence = marker
		case marker[0] == b.fence[0] && len(marker) >= len(b.fence) && text == marker:
			b.fence = ""
		}
		return
	}
	if b.fence == "" {
		b.details = max(b.details+strings.Count(text, "<details")-strings.Count(text, "</details>"), 0)
	}
}

func (b *blocks) closing() string {
	s := strings.Repeat("\n</details>\n", b.details)
	if b.fence != "" {
		return "\n" + b.fence + "\n" + s
	}
	return s
}

func fenceMarker(text string) string {
	for _, char := range []string{"`", "~"} {
		if n := len(text) - len(strings.TrimLeft(text, char)); n >= 3 {
			return text[:n]
		}
	}
	return ""
}

// maxTitle, in bytes, is what every forge keeps as it is: GitHub takes 256
// characters, GitLab 255, and Gitea cuts what is longer than 255 bytes.
const maxTitle = 255

func fitLine(title string) string {
	if len(title) <= maxTitle {
		return title
	}
	const end = "…"
	return strings.ToValidUTF8(title[:maxTitle-len(end)], "") + end
}

func firstRunes(s string, n int) string {
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// sameText compares texts as forges keep them: they change line ends and drop
// white space at the end.
func sameText(a, b string) bool { return canonical(a) == canonical(b) }

func canonical(s string) string {
	return strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
}

// marker is the hidden first line by which a comment is found again.
func marker(name string) string { return "<!-- " + name + " -->" }

func hasMarker(body, name string) bool {
	first, _, _ := strings.Cut(canonical(body), "\n")
	return strings.TrimRight(first, " \t") == marker(name)
}

func checkMarker(name string) error {
	if !regexp.MustCompile(`^[a-z0-9]([a-z0-9:/._-]{0,98}[a-z0-9])?$`).MatchString(name) || strings.Contains(name, "--") {
		return invalidf("%q cannot mark a comment: lower-case letters, digits and single : / . _ - can", name)
	}
	return nil
}
