package sops

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decrypt returns the document in plain text, without its sops block and
// without comments, which SOPS does not protect, after checking the MAC.
func (d *document) decrypt(dataKey []byte) (*yaml.Node, error) {
	rule, err := d.sops.rule()
	if err != nil {
		return nil, err
	}
	w := decrypter{key: dataKey, rule: rule, macOnlyEncrypted: d.sops.macOnlyEncrypted, mac: sha512.New()}
	if w.macOnlyEncrypted { // so that the two kinds of MAC always differ
		start := sha256.Sum256([]byte("sops"))
		w.mac.Write(start[:])
	}
	plain, err := w.node(d.root, "", false)
	if err != nil {
		return nil, err
	}
	stored, typ, err := decryptValue(d.sops.mac, dataKey, d.sops.lastModified.Format(time.RFC3339))
	computed := fmt.Sprintf("%X", w.mac.Sum(nil))
	if err != nil || typ != "str" || subtle.ConstantTimeCompare([]byte(stored), []byte(computed)) != 1 {
		return nil, changed("the MAC is not that of these values")
	}
	return plain, nil
}

// A rule says which values of a document are encrypted: those below a key that
// matches or, with except, all others.
type rule struct {
	matches func(key string) bool
	except  bool
}

// rule returns the one rule of the sops block, or SOPS' default.
func (m *metadata) rule() (rule, error) {
	for _, r := range []struct {
		pattern string
		except  bool
	}{{m.encryptedRegex, false}, {m.unencryptedRegex, true}} {
		if r.pattern == "" {
			continue
		}
		re, err := regexp.Compile(r.pattern)
		if err != nil {
			return rule{}, foreign("its rule for what is encrypted is no regular expression")
		}
		return rule{re.MatchString, r.except}, nil
	}
	suffix, except := "_unencrypted", true
	switch {
	case m.encryptedSuffix != "":
		suffix, except = m.encryptedSuffix, false
	case m.unencryptedSuffix != "":
		suffix = m.unencryptedSuffix
	}
	return rule{func(key string) bool { return strings.HasSuffix(key, suffix) }, except}, nil
}

// A decrypter walks over a document in its order, as SOPS does, and sums up
// the MAC: SHA-512 over every value in plain text, or every encrypted one.
type decrypter struct {
	key              []byte
	rule             rule
	macOnlyEncrypted bool
	mac              hash.Hash
}

// node returns a copy of n in plain text; nil for an encrypted comment. A value
// is bound to path, the keys that lead to it with a colon after each; matched
// says that the rule matches one of them.
func (w *decrypter) node(n *yaml.Node, path string, matched bool) (*yaml.Node, error) {
	switch n.Kind {
	case yaml.MappingNode:
		return w.mapping(n, path, matched)
	case yaml.SequenceNode:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range n.Content {
			plain, err := w.node(item, path, matched)
			if err != nil {
				return nil, err
			}
			if plain != nil {
				list.Content = append(list.Content, plain)
			}
		}
		return list, nil
	}
	return w.scalar(n, path, matched != w.rule.except)
}

func (w *decrypter) mapping(n *yaml.Node, path string, matched bool) (*yaml.Node, error) {
	mapping := &yaml.Node{Kind: yaml.MappingNode}
	for key, value := range pairs(n) {
		plainKey, err := scalarNode(key.Value)
		if err != nil {
			return nil, err
		}
		plain, err := w.node(value, path+key.Value+":", matched || w.rule.matches(key.Value))
		if err != nil {
			return nil, err
		}
		if plain == nil {
			return nil, changed("a value is marked as a comment")
		}
		mapping.Content = append(mapping.Content, plainKey, plain)
	}
	return mapping, nil
}

func (w *decrypter) scalar(n *yaml.Node, path string, encrypted bool) (*yaml.Node, error) {
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, foreign(fmt.Sprintf("line %d: a value that YAML cannot read", n.Line))
	}
	if v == nil {
		return scalarNode(nil) // SOPS passes over it
	}
	if encrypted && v != "" { // SOPS leaves an empty text as it is
		text, _ := v.(string)
		plain, typ, err := decryptValue(text, w.key, path)
		if err != nil {
			return nil, changed("a value does not decrypt under its key")
		}
		if typ == "comment" {
			return nil, nil // SOPS encrypts a comment in a list as an item
		}
		if v, err = typed(plain, typ); err != nil {
			return nil, err
		}
	}
	if encrypted || !w.macOnlyEncrypted {
		covered, err := macText(v)
		if err != nil {
			return nil, err
		}
		w.mac.Write([]byte(covered))
	}
	return scalarNode(v)
}

// typed converts a decrypted text to what it was before.
func typed(plain, typ string) (v any, err error) {
	switch typ {
	case "str":
		return plain, nil
	case "int":
		v, err = strconv.Atoi(plain)
	case "float":
		v, err = strconv.ParseFloat(plain, 64)
	case "bool":
		v, err = strconv.ParseBool(plain)
	case "time":
		var t time.Time
		err = t.UnmarshalText([]byte(plain))
		v = t
	default:
		err = errors.ErrUnsupported
	}
	if err != nil { // it may quote the plaintext
		return nil, changed("a value does not decrypt to its type")
	}
	return v, nil
}

// macText is the form in which the MAC covers a value.
func macText(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case int:
		return strconv.Itoa(v), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		if v {
			return "True", nil
		}
		return "False", nil
	case time.Time:
		text, err := v.MarshalText()
		return string(text), err
	}
	return "", foreign("a number that SOPS does not take")
}

// scalarNode returns v as SOPS writes it, but for the text "<<", which the
// YAML library takes for a merge key.
func scalarNode(v any) (*yaml.Node, error) {
	if v == "<<" {
		return &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Value: "<<"}, nil
	}
	node := &yaml.Node{}
	if err := node.Encode(v); err != nil {
		return nil, errors.New("a decrypted value cannot be written as YAML")
	}
	return node, nil
}
