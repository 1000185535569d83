package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/berth-gitops/berth/sops"
)

// secretForm is what one kind of secret looks like.
type secretForm struct {
	name string
	form *regexp.Regexp
	// fixed says that the form begins with letters that nothing else begins with,
	// so that it is also looked for where values are joined.
	fixed bool
}

// secretForms returns every form that is looked for. Registry tokens come first; the
// prefixes are those that their issuers publish.
func secretForms() []secretForm {
	form := func(name, expr string, fixed bool) secretForm {
		return secretForm{name, regexp.MustCompile(expr), fixed}
	}
	return []secretForm{
		form("a GitHub token", `gh[opusr]_[A-Za-z0-9]{36}`, true),
		form("a GitHub token", `github_pat_[A-Za-z0-9_]{60}`, true),
		form("a GitLab token", `gl(pat|dt|rt|cbt|ptt|ft|agent|soat|imt)-[A-Za-z0-9_-]{20}`, true),
		form("a Docker token", `dckr_[po]at_[A-Za-z0-9_-]{20}`, true),
		form("an npm token", `npm_[A-Za-z0-9]{36}`, true),
		form("an AWS key", `\bA(KI|SI)A[0-9A-Z]{16}\b`, false),
		form("an Alibaba Cloud key", `\bLTAI[45][A-Za-z][0-9A-Za-z]{18}\b`, false),
		form("a Tencent Cloud key", `\bAKID[0-9A-Za-z]{32}\b`, false),
		form("a Vault token", `\bhv[sbr]\.[A-Za-z0-9_-]{24}`, false),
		form("a PyPI token", `pypi-AgE[A-Za-z0-9_-]{50}`, true),
		form("a DigitalOcean token", `do[opr]_v1_[0-9a-f]{64}`, true),
		form("a Stripe key", `[rs]k_live_[A-Za-z0-9]{20}`, true),
		form("a Slack token", `xox[abprs]-[A-Za-z0-9-]{20}`, true),
		form("an age secret key", `(?i)AGE-SECRET-KEY-(PQ-)?1[0-9a-z]{40}`, true),
		form("a berth key", `BERTH-SECRET-KEY-1[A-Za-z0-9_-]{40}`, true),
		form("a private key", `-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----[\s\\nr"',#;/*>|-]+[A-Za-z0-9+/=]{16}`, false), // also in comments and lists
		form("a JSON web token", `\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16,}`, false),
		form("a registry credential", `"auths"\s*:\s*\{\s*("[^"]*"\s*:\s*\{[^{}]*\}\s*,\s*)*"[^"]*"\s*:\s*\{[^{}]*"(auth|password|identitytoken)"\s*:\s*"[^"]{4,}"`, false),
		form("a password in a URL", `\b[a-z][a-z0-9+.-]*://[^\s/:@"'<>$]+:[^\s/@"'<>${}*]{3,}@[A-Za-z0-9\[]`, false),
	}
}

var (
	base64Run = regexp.MustCompile(`[A-Za-z0-9+/_-]{20,}`)
	hexRun    = regexp.MustCompile(`[0-9A-Fa-f]{40,}`)
)

const maxLayers = 3 // of base64 and hexadecimal

// scanner looks for secrets.
type scanner struct{ forms []secretForm }

// find returns what the first secret in text looks like and where it begins.
func (s scanner) find(text []byte, joined bool) (name string, at int, ok bool) {
	return s.findWithin(text, joined, 0)
}

func (s scanner) findWithin(text []byte, joined bool, layer int) (string, int, bool) {
	for _, f := range s.forms {
		if joined && !f.fixed {
			continue
		}
		if m := f.form.FindIndex(text); m != nil {
			return f.name, m[0], true
		}
	}
	if layer == maxLayers {
		return "", 0, false
	}
	for _, run := range base64Run.FindAllIndex(text, -1) {
		for shift := range 4 {
			if name, ok := s.decoded(decodeBase64(text[run[0]+min(shift, run[1]-run[0]):run[1]]), joined, layer); ok {
				return name + " in base64", run[0], true
			}
		}
	}
	for _, run := range hexRun.FindAllIndex(text, -1) {
		for shift := range 2 {
			digits := text[run[0]+shift : run[1]]
			plain, _ := hex.AppendDecode(nil, digits[:len(digits)&^1])
			if name, ok := s.decoded(plain, joined, layer); ok {
				return name + " in hexadecimal", run[0], true
			}
		}
	}
	return "", 0, false
}

// decoded looks into a decoded text if it may be one.
func (s scanner) decoded(plain []byte, joined bool, layer int) (string, bool) {
	if printable := longestText(plain); len(printable) >= 20 {
		name, _, ok := s.findWithin(printable, joined, layer+1)
		return strings.TrimSuffix(strings.TrimSuffix(name, " in base64"), " in hexadecimal"), ok
	}
	return "", false
}

// longestText is the longest run of printable ASCII.
func longestText(b []byte) []byte {
	var longest []byte
	for start, i := 0, 0; i <= len(b); i++ {
		if i == len(b) || b[i] >= 0x7f || b[i] < ' ' && b[i] != '\n' && b[i] != '\t' && b[i] != '\r' {
			if i-start > len(longest) {
				longest = b[start:i]
			}
			start = i + 1
		}
	}
	return longest
}

// decodeBase64 decodes as much as it can, in either alphabet.
func decodeBase64(run []byte) []byte {
	if len(run)&3 == 1 {
		run = run[:len(run)-1]
	}
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(run, "-_") {
		encoding = base64.RawURLEncoding
	}
	plain, _ := encoding.AppendDecode(nil, run)
	return plain
}

// checkTokens looks for secrets in the text of a file and in its values, one by one
// and joined: a token split over two fields is still a token.
func (c *checker) checkTokens(f *file) {
	if isSealedPath(f.path) {
		// In a million signatures some look like a token.
		if _, err := sops.Verify(f.path, f.data, c.Trusted, nil); err == nil {
			return
		}
	}
	s := c.scan
	data := bytes.ReplaceAll(f.data, []byte{0}, nil) // as UTF-16 has them
	if name, at, ok := s.find(data, false); ok {
		c.add(ruleToken, f.path, lineAt(data, at), "looks like %s", name)
		return
	}
	clean := map[*yaml.Node]bool{}
	for _, doc := range f.docs {
		if login := registryLogin(doc); login != nil {
			c.add(ruleToken, f.path, login.Line, "looks like a registry credential")
			return
		}
		for _, list := range valueLists(doc) {
			if name, line, ok := s.findValues(list, clean); ok {
				c.add(ruleToken, f.path, line, "looks like %s", name)
				return
			}
		}
	}
}

// registryLogin returns a password below "auths", as a dockerconfigjson has it, where it
// is no text but part of the document.
func registryLogin(doc *yaml.Node) (login *yaml.Node) {
	visit(doc, func(n *yaml.Node) {
		auths := deref(field(n, "auths"))
		if login != nil || auths == nil || auths.Kind != yaml.MappingNode {
			return
		}
		for i := 1; i < len(auths.Content); i += 2 {
			for _, name := range []string{"auth", "password", "identitytoken"} {
				if v := deref(field(auths.Content[i], name)); v != nil && v.Kind == yaml.ScalarNode && len(v.Value) >= 4 {
					login = v
				}
			}
		}
	})
	return login
}

// findValues looks at values without their white space, then joined. clean are those
// that were looked at one by one: an alias may repeat one a thousand times.
func (s scanner) findValues(values []*yaml.Node, clean map[*yaml.Node]bool) (string, int, bool) {
	var all []byte
	for _, v := range values {
		squeezed := squeeze(v.Value)
		if !clean[v] {
			if name, _, ok := s.find([]byte(squeezed), false); ok {
				return name, v.Line, true
			}
			clean[v] = true
		}
		all = append(all, squeezed...)
	}
	name, at, ok := s.find(all, true)
	if !ok {
		return "", 0, false
	}
	for _, v := range values {
		if at -= len(squeeze(v.Value)); at < 0 {
			return name + " in parts", v.Line, true
		}
	}
	return name, 0, true
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), "") }

// valueLists returns the scalar values of a document in order: all of them, and for
// each key those under it, as the values of an env list are.
func valueLists(doc *yaml.Node) [][]*yaml.Node {
	var all []*yaml.Node
	byKey := map[string][]*yaml.Node{}
	var names []string
	visit(doc, func(n *yaml.Node) {
		switch n.Kind {
		case yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				if v := deref(n.Content[i+1]); v.Kind == yaml.ScalarNode {
					key := text(n.Content[i])
					if byKey[key] == nil {
						names = append(names, key)
					}
					byKey[key] = append(byKey[key], v)
					all = append(all, v)
				}
			}
		case yaml.SequenceNode:
			for _, v := range n.Content {
				if v = deref(v); v.Kind == yaml.ScalarNode {
					all = append(all, v)
				}
			}
		}
	})
	lists := [][]*yaml.Node{all}
	for _, name := range names {
		if len(byKey[name]) > 1 {
			lists = append(lists, byKey[name])
		}
	}
	return lists
}
