package sops

import (
	"bytes"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// upstreamVersion is what the sops command of that version writes into
// sops.version: the one that this package is compared with byte by byte.
const upstreamVersion = "3.13.3"

// plainSecret is a Secret before it is sealed. Every text in it has passed
// plainText; value is what stands under data, already in base64.
type plainSecret struct {
	name, namespace string
	annotations     []annotation // sorted by key
	typ             string
	dataKey, value  string
}

type annotation struct{ key, value string }

// seal encrypts s to recipients and returns the SOPS document, byte for byte
// as upstream's YAML store would write it: indented by four, metadata fields
// in alphabetical order.
func (s *plainSecret) seal(recipients []string, now time.Time) ([]byte, error) {
	key := make([]byte, dataKeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	enc, err := encryptValue(s.value, key, "data:"+s.dataKey+":")
	if err != nil {
		return nil, err
	}
	e := emitter{mac: sha512.New()}
	e.field(0, "apiVersion", "v1")
	e.field(0, "kind", "Secret")
	e.line("metadata:")
	e.field(1, "name", s.name)
	e.field(1, "namespace", s.namespace)
	e.line("    annotations:")
	for _, a := range s.annotations {
		e.field(2, a.key, a.value)
	}
	e.field(0, "type", s.typ)
	e.line("data:")
	e.mac.Write([]byte(s.value))
	e.line("    " + s.dataKey + ": " + enc)
	if err := e.sopsBlock(key, recipients, now.UTC().Truncate(time.Second)); err != nil {
		return nil, err
	}
	return e.out.Bytes(), nil
}

// emitter writes YAML and sums up what SOPS' MAC covers: every value of the
// document in its order, in plain text.
type emitter struct {
	out bytes.Buffer
	mac hash.Hash
	err error
}

func (e *emitter) line(s string) {
	e.out.WriteString(s)
	e.out.WriteByte('\n')
}

func (e *emitter) field(indent int, key, value string) {
	e.mac.Write([]byte(value))
	scalar, err := yamlScalar(value)
	if err != nil {
		e.err = err
	}
	e.line(strings.Repeat("    ", indent) + key + ": " + scalar)
}

func (e *emitter) sopsBlock(key []byte, recipients []string, modified time.Time) error {
	if e.err != nil {
		return e.err
	}
	stamp := modified.Format(time.RFC3339)
	mac, err := encryptValue(fmt.Sprintf("%X", e.mac.Sum(nil)), key, stamp)
	if err != nil {
		return err
	}
	e.line("sops:")
	e.line("    age:")
	for _, name := range recipients {
		to, err := parseRecipient(name)
		if err != nil {
			return err
		}
		armoured, err := wrap(key, to)
		if err != nil {
			return fmt.Errorf("seal to %s: %w", short(name), err)
		}
		e.line("        - enc: |")
		for line := range strings.Lines(armoured) {
			e.out.WriteString("            " + line)
		}
		e.line("          recipient: " + name)
	}
	e.line("    encrypted_regex: " + encryptedRegex)
	e.line(`    lastmodified: "` + stamp + `"`)
	e.line("    mac: " + mac)
	e.line("    version: " + upstreamVersion)
	return nil
}

// yamlScalar writes one line of text as upstream does, through the YAML
// library, which parses what it wrote once more; names and numbers, whose form
// is known, skip that.
func yamlScalar(s string) (string, error) {
	switch {
	case plainScalar(s):
		return s, nil
	case s != "" && strings.Trim(s, "0123456789") == "":
		return `"` + s + `"`, nil
	}
	node, err := scalarNode(s)
	if err != nil {
		return "", err
	}
	b, err := yaml.Marshal(node)
	if err != nil {
		return "", errors.New("a text cannot be written as YAML")
	}
	return strings.TrimSuffix(string(b), "\n"), nil
}

// plainScalar reports whether s means itself in YAML without quotes: it begins
// with a letter, has none of YAML's signs, and is none of the words that
// YAML 1.1 or 1.2 read as a boolean or null.
func plainScalar(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || (c < '0' || c > '9') && !strings.ContainsRune("-_./", rune(c))) {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "", "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return false
	}
	return true
}

// plainText refuses a text that is empty, not UTF-8, or not on one line of
// visible characters, and one over 1 KiB.
func plainText(what, s string) error {
	const most = 1024
	switch {
	case s == "":
		return fmt.Errorf("the %s is empty", what)
	case len(s) > most && !strings.HasPrefix(s, hybridPrefix):
		return fmt.Errorf("the %s is longer than %d bytes", what, most)
	case !utf8.ValidString(s):
		return fmt.Errorf("the %s is not UTF-8 text", what)
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }):
		return fmt.Errorf("the %s contains a line end or another invisible character", what)
	}
	return nil
}
