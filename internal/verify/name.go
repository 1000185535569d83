package verify

import (
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode"
)

// checkName looks at what a file's name alone says.
func (c *checker) checkName(name string) {
	if what, _, ok := c.scan.find([]byte(name), false); ok {
		c.add(ruleToken, name, 0, "its name looks like %s", what)
	}
	if why := nameFlaw(name); why != "" {
		c.add(ruleFileName, name, 0, "%s", why)
	}
	switch base := path.Base(name); {
	case !fs.ValidPath(name):
		if isOurs(name) {
			c.add(ruleStray, name, 0, "its name is not UTF-8")
		}
	case base == ".sourceignore":
		c.checkHidden(name)
	case base == ".sops.yaml" && name != base && isOurs(name):
		c.add(ruleStray, name, 0, "says to whom plain sops seals here")
	}
}

// nameFlaw says why source-controller cannot check out a file of that name, or "". It
// gives up the whole repository at one, wherever it stands.
func nameFlaw(name string) string {
	switch {
	case len(name) > maxPath:
		return "its path is longer than 1,024 bytes"
	case strings.ContainsFunc(name, unicode.IsControl):
		return "its name has a control character"
	}
	for part := range strings.SplitSeq(name, "/") {
		if len(part) > 255 {
			return "a part of its path is longer than 255 bytes"
		}
		for piece := range strings.SplitSeq(part, `\`) { // which separates on Windows
			switch {
			case piece == "." || piece == "..":
				return "its name has . or .. beside a backslash"
			case deviceName.MatchString(piece):
				return "a part of its path is the name of a device on Windows"
			case dotGit.MatchString(strings.Map(visible, piece)):
				return "a part of its path is .git to some file systems"
			}
		}
	}
	return ""
}

var (
	deviceName = regexp.MustCompile(`(?i)^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[1-9])([ .:]|$)`)
	dotGit     = regexp.MustCompile(`(?i)^(\.git|git~1)[ .]*(:|$)`)
	// magicLink are the names that may not be a link's: Flux reads one, and Git the other.
	magicLink = regexp.MustCompile(`(?i)(^|[/\\])(\.sourceignore$|\.gitmodules[ .]*(:|/|\\|$)|gitmod~[1-4]|gi7e[^/]*~)`)
)

// visible drops what HFS+ ignores in a name.
func visible(r rune) rune {
	if unicode.Is(unicode.Cf, r) {
		return -1
	}
	return r
}

// checkHidden finds what keeps files from Flux. One at the top may have its reasons, so
// only a change of it blocks.
func (c *checker) checkHidden(name string) {
	const what = "keeps files from Flux that are looked at here"
	switch top, _, below := strings.Cut(name, "/"); {
	case below && (isOurs(name) || top == "clusters"), !below && c.changed(name):
		c.add(ruleHidden, name, 0, what)
	case !below:
		c.warn(ruleHidden, name, what)
	}
}

// redact takes what looks like a secret out of a file's path.
func (c *checker) redact(name string) string {
	if _, _, ok := c.scan.find([]byte(name), false); !ok {
		return name
	}
	parts := strings.Split(name, "/")
	for i, part := range parts {
		if what, _, ok := c.scan.find([]byte(part), false); ok {
			parts[i] = "(" + what + ")"
		}
	}
	name = strings.Join(parts, "/")
	if what, _, ok := c.scan.find([]byte(name), false); ok {
		return "(" + what + ")"
	}
	return name
}
