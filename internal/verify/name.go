package verify

import (
	"io/fs"
	"path"
	"strings"
)

// checkName looks at what a file's name alone says.
func (c *checker) checkName(name string) {
	if what, _, ok := c.scan.find([]byte(name), false); ok {
		c.add(ruleToken, name, 0, "its name looks like %s", what)
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

// checkHidden finds what keeps files from Flux. One at the top may have its reasons, so
// only a change of it blocks.
func (c *checker) checkHidden(name string) {
	const what = "keeps files from Flux that are looked at here"
	switch top, _, below := strings.Cut(name, "/"); {
	case below && (isOurs(name) || top == "clusters"), !below && c.changed(name):
		c.add(ruleHidden, name, 0, what)
	case !below:
		c.warn(ruleHidden, name, 0, what)
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
