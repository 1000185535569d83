package sops

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits that no sealed file comes near: they bound the memory and the time
// that a hostile one can cost.
const (
	maxFile     = 1 << 20
	maxItems    = 1 << 14 // lines and commas, so about as many YAML nodes
	maxDepth    = 32
	maxSelector = 256
)

// A document is one SOPS file: well-formed, sealed to age recipients only, and
// not yet believed in any other way.
type document struct {
	root *yaml.Node // the top-level mapping without the sops block
	sops metadata
}

// metadata is the sops block.
type metadata struct {
	stanzas      []stanza
	lastModified time.Time
	mac, version string

	// At most one of the four says which values are encrypted.
	unencryptedSuffix, encryptedSuffix string
	unencryptedRegex, encryptedRegex   string
	selectors                          int

	macOnlyEncrypted bool
}

// stanza is the data key wrapped to one age recipient.
type stanza struct{ recipient, enc string }

// readDocument reads one YAML document with a sops block. What cannot be one,
// or what berth does not open, is a TamperedError of kind Foreign.
func readDocument(data []byte) (*document, error) {
	root, err := readYAML(data)
	if err != nil {
		return nil, err
	}
	for i := 0; i < len(root.Content); i += 2 {
		if root.Content[i].Value != "sops" {
			continue
		}
		d := &document{root: root}
		if err := d.sops.read(root.Content[i+1]); err != nil {
			return nil, err
		}
		root.Content = append(root.Content[:i:i], root.Content[i+2:]...)
		return d, nil
	}
	return nil, foreign("not a SOPS file: it has no sops block, so its values stand in plain text, or it was cut short")
}

// readYAML reads exactly one document whose top level is a mapping, and
// refuses what SOPS never writes: anchors, aliases, tags, keys that are not
// text, duplicate keys.
func readYAML(data []byte) (*yaml.Node, error) {
	switch {
	case len(data) == 0:
		return nil, foreign("the file is empty")
	case len(data) > maxFile:
		return nil, foreign(fmt.Sprintf("larger than %d bytes", maxFile))
	case !utf8.Valid(data) || bytes.HasPrefix(data, []byte("\ufeff")):
		return nil, foreign("not plain UTF-8 text")
	case bytes.Count(data, []byte("\n"))+bytes.Count(data, []byte(",")) > maxItems:
		return nil, foreign(fmt.Sprintf("more than %d lines and list items", maxItems))
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, foreign("the file has no YAML document")
		}
		return nil, foreign("not YAML, or cut short: " + yamlReason(err))
	}
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, foreign("more than one YAML document")
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, foreign("not a SOPS file: its top level is not a mapping")
	}
	root := doc.Content[0]
	return root, plainNodes(root, 1)
}

// yamlReason is the parser's own reason, which may quote a few characters of
// the file, cut to its line number: the file may hold plaintext.
func yamlReason(err error) string {
	line, _, ok := strings.Cut(strings.TrimPrefix(err.Error(), "yaml: "), ":")
	if ok && strings.HasPrefix(line, "line ") {
		return "see " + line
	}
	return "it does not parse"
}

// plainNodes refuses every YAML feature beyond maps, lists and scalars.
func plainNodes(node *yaml.Node, depth int) error {
	refuse := func(what string) error { return foreign(fmt.Sprintf("line %d: %s", node.Line, what)) }
	switch {
	case depth > maxDepth:
		return refuse("nested too deeply")
	case node.Anchor != "" || node.Kind == yaml.AliasNode:
		return refuse("a YAML anchor or alias")
	case node.Style&yaml.TaggedStyle != 0:
		return refuse("a YAML tag")
	case node.Kind == yaml.MappingNode:
		seen := make(map[string]bool, len(node.Content)/2)
		for key := range pairs(node) {
			if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
				return refuse("a key that is not text")
			}
			if seen[key.Value] {
				return foreign(fmt.Sprintf("line %d: duplicate key %q", key.Line, clip(key.Value)))
			}
			seen[key.Value] = true
		}
	}
	for _, child := range node.Content {
		if err := plainNodes(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// pairs yields the keys and values of a mapping.
func pairs(mapping *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		for i := 0; i+1 < len(mapping.Content); i += 2 {
			if !yield(mapping.Content[i], mapping.Content[i+1]) {
				return
			}
		}
	}
}

// child returns a mapping's value, nil when there is none.
func child(mapping *yaml.Node, name string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for key, value := range pairs(mapping) {
		if key.Value == name {
			return value
		}
	}
	return nil
}

// text returns the text of a string node, "" for anything else.
func text(node *yaml.Node) string {
	if node == nil || node.Kind != yaml.ScalarNode || node.ShortTag() != "!!str" {
		return ""
	}
	return node.Value
}

// read fills m from the sops block and refuses every field that berth does not
// know: a field that upstream knows and we do not could open a second way in.
func (m *metadata) read(block *yaml.Node) error {
	if block.Kind != yaml.MappingNode {
		return foreign("its sops block is not a mapping")
	}
	for key, value := range pairs(block) {
		if err := m.field(key.Value, value); err != nil {
			return err
		}
	}
	switch {
	case len(m.stanzas) == 0:
		return foreign("its sops block has no age recipient, or was cut short")
	case m.mac == "":
		return foreign("its sops block has no MAC, or was cut short")
	case m.lastModified.IsZero():
		return foreign("its sops block has no lastmodified time, or was cut short")
	case m.selectors > 1:
		return foreign("its sops block has several rules for what is encrypted")
	}
	return nil
}

func (m *metadata) field(name string, value *yaml.Node) (err error) {
	selector := func(to *string) {
		if *to = text(value); *to == "" || len(*to) > maxSelector {
			err = foreign(fmt.Sprintf("sops.%s is no usable rule", name))
		}
		m.selectors++
	}
	switch name {
	case "age":
		return m.readStanzas(value)
	case "kms", "gcp_kms", "azure_kv", "hc_vault", "hckms":
		return none(value, fmt.Sprintf("sealed to a key management service as well (sops.%s)", name))
	case "pgp":
		return none(value, "sealed to a PGP key as well (sops.pgp)")
	case "key_groups", "shamir_threshold":
		return none(value, fmt.Sprintf("sealed to key groups (sops.%s)", name))
	case "lastmodified":
		if m.lastModified, err = time.Parse(time.RFC3339, value.Value); err != nil {
			return foreign("sops.lastmodified is not a time")
		}
	case "mac":
		m.mac = text(value)
	case "version":
		m.version = text(value)
	case "unencrypted_suffix":
		selector(&m.unencryptedSuffix)
	case "encrypted_suffix":
		selector(&m.encryptedSuffix)
	case "unencrypted_regex":
		selector(&m.unencryptedRegex)
	case "encrypted_regex":
		selector(&m.encryptedRegex)
	case "encrypted_comment_regex", "unencrypted_comment_regex":
		return foreign(fmt.Sprintf("sops.%s: berth does not read comments; use the sops command", name))
	case "mac_only_encrypted":
		m.macOnlyEncrypted = value.Value == "true"
	default:
		return foreign(fmt.Sprintf("unknown field sops.%s", clip(name)))
	}
	return err
}

// none accepts the empty lists that older versions of sops wrote.
func none(value *yaml.Node, what string) error {
	if value.Kind == yaml.SequenceNode && len(value.Content) == 0 ||
		value.Kind == yaml.ScalarNode && (value.ShortTag() == "!!null" || value.Value == "0") {
		return nil
	}
	return foreign(what)
}

func (m *metadata) readStanzas(list *yaml.Node) error {
	if list.Kind != yaml.SequenceNode {
		return foreign("sops.age is not a list")
	}
	for _, item := range list.Content {
		s := stanza{recipient: text(child(item, "recipient")), enc: text(child(item, "enc"))}
		if s.recipient == "" || s.enc == "" || len(item.Content) != 4 {
			return foreign("an entry of sops.age is not a recipient and its wrapped key, or was cut short")
		}
		m.stanzas = append(m.stanzas, s)
	}
	return nil
}

// recipients returns who the document is sealed to.
func (m *metadata) recipients() []string {
	out := make([]string, len(m.stanzas))
	for i, s := range m.stanzas {
		out[i] = s.recipient
	}
	return out
}

// clip bounds what a message quotes from a file.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
