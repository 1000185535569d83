package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"iter"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/berth-gitops/berth/sops"
)

// secretForm is what one kind of secret looks like.
type secretForm struct {
	name string
	form *regexp.Regexp // begins with letters, which are quick to look for, or has a hint
	// hint stands in everything that the form matches: most texts do not have it, and
	// need no slower look.
	hint string
	// fixed says that the form begins with letters that nothing else begins with,
	// so that it is also looked for where values are joined.
	fixed bool
}

// secretForms returns every form that is looked for. Registry tokens come first; the
// prefixes are those that their issuers publish.
func secretForms() []secretForm {
	form := func(name, expr, hint string, fixed bool) secretForm {
		return secretForm{name, regexp.MustCompile(expr), hint, fixed}
	}
	return []secretForm{
		form("a GitHub token", `gh[opusr]_[A-Za-z0-9]{36}`, "", true),
		form("a GitHub token", `github_pat_[A-Za-z0-9_]{60}`, "", true),
		form("a GitLab token", `gl(pat|dt|rt|cbt|ptt|ft|agent|soat|imt)-[A-Za-z0-9_-]{20}`, "", true),
		form("a Docker token", `dckr_[po]at_[A-Za-z0-9_-]{20}`, "", true),
		form("an npm token", `npm_[A-Za-z0-9]{36}`, "", true),
		form("an AWS key", `A(KI|SI)A[0-9A-Z]{16}\b`, "", false),
		form("an Alibaba Cloud key", `LTAI[45][A-Za-z][0-9A-Za-z]{18}\b`, "", false),
		form("a Tencent Cloud key", `\bAKID[0-9A-Za-z]{32}\b`, "AKID", false),
		form("a Vault token", `\bhv[sbr]\.[A-Za-z0-9_-]{24}`, "hv", false),
		form("a PyPI token", `pypi-AgE[A-Za-z0-9_-]{50}`, "", true),
		form("a DigitalOcean token", `do[opr]_v1_[0-9a-f]{64}`, "_v1_", true),
		form("a Stripe key", `[rs]k_live_[A-Za-z0-9]{20}`, "k_live_", true),
		form("a Slack token", `xox[abprs]-[A-Za-z0-9-]{20}`, "", true),
		form("an age secret key", `(?i)AGE-SECRET-KEY-(PQ-)?1[0-9a-z]{40}`, "-1", true),
		form("a berth key", `BERTH-SECRET-KEY-1[A-Za-z0-9_-]{40}`, "", true),
		form("a private key", `-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----[\s\\nr"',#;/*>|-]+[A-Za-z0-9+/=]{16}`, "PRIVATE KEY", false), // also in comments and lists
		form("a JSON web token", `eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{16,}`, ".eyJ", false),
		form("a registry credential", `"auths"\s*:\s*\{\s*("[^"]*"\s*:\s*\{[^{}]*\}\s*,\s*)*"[^"]*"\s*:\s*\{[^{}]*"(auth|password|identitytoken)"\s*:\s*"[^"]{4,}"`, "", false),
		form("a password in a URL", `://[^\s/:@"'<>$]+:[^\s/@"'<>${}*]{3,}@[A-Za-z0-9\[]`, "", false),
	}
}

const (
	maxLayers   = 3  // of base64 and hexadecimal
	leastSecret = 10 // bytes; no form matches less
)

// scanner looks for secrets.
type scanner struct{ forms []secretForm }

// find returns what the first secret in text looks like and where it begins.
func (s scanner) find(text []byte, joined bool) (name string, at int, ok bool) {
	return s.findWithin(text, joined, 0)
}

func (s scanner) findWithin(text []byte, joined bool, layer int) (string, int, bool) {
	if len(text) < leastSecret {
		return "", 0, false
	}
	for _, f := range s.forms {
		if joined && !f.fixed || !bytes.Contains(text, []byte(f.hint)) {
			continue
		}
		if m := f.form.FindIndex(text); m != nil {
			return f.name, m[0], true
		}
	}
	if layer == maxLayers {
		return "", 0, false
	}
	for d := range decodings(text) {
		if name, _, ok := s.findWithin(d.plain, joined, layer+1); ok {
			for _, e := range encodings() {
				name = strings.TrimSuffix(name, " in "+e.name)
			}
			return name + " in " + d.encoding, d.at, true
		}
	}
	return "", 0, false
}

// decoding is a text that stands in another one, encoded.
type decoding struct {
	plain    []byte
	encoding string
	at       int // in the other one
}

// decodings returns what every run of digits of an encoding stands for, from each digit
// that one of its groups may begin with, where that may be a text.
func decodings(text []byte) iter.Seq[decoding] {
	const least = 20
	return func(yield func(decoding) bool) {
		for _, e := range encodings() {
			for at, run := range runs(text, &e.digits, e.least) {
				var last []byte
				for shift := range e.group {
					plain := longestText(e.decode(run[shift:]))
					if len(plain) < least || bytes.HasPrefix(last, plain) { // as of AAAA…
						continue
					}
					if !yield(decoding{plain, e.name, at}) {
						return
					}
					last = plain
				}
			}
		}
	}
}

// encoding writes bytes in digits.
type encoding struct {
	name   string
	digits [256]bool
	group  int // digits that stand for whole bytes
	least  int // digits of a run that is worth a look
	decode func([]byte) []byte
}

func encodings() []encoding {
	const numerals, letters = "0123456789", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return []encoding{
		{"base64", digits(numerals + letters + "+/-_"), 4, 27, decodeBase64},
		{"hexadecimal", digits(numerals + "abcdefABCDEF"), 2, 40, decodeHex},
	}
}

func digits(all string) (table [256]bool) {
	for i := range len(all) {
		table[all[i]] = true
	}
	return table
}

// runs returns the runs of digits in text that are not shorter than least, each with
// its place.
func runs(text []byte, digits *[256]bool, least int) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for start, i := 0, 0; i <= len(text); i++ {
			if i < len(text) && digits[text[i]] {
				continue
			}
			if i-start >= least && !yield(start, text[start:i]) {
				return
			}
			start = i + 1
		}
	}
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
	if bytes.ContainsAny(run, "-_") {
		run = bytes.ReplaceAll(bytes.ReplaceAll(run, []byte("-"), []byte("+")), []byte("_"), []byte("/"))
	}
	plain, _ := base64.RawStdEncoding.AppendDecode(nil, run)
	return plain
}

func decodeHex(run []byte) []byte {
	plain, _ := hex.AppendDecode(nil, run[:len(run)&^1])
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
	if len(values) == 1 {
		return "", 0, false
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
