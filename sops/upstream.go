package sops

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"go.yaml.in/yaml/v3"
)

// This file is the only one that imports getsops, and it takes two things from
// it: the cipher of a value, and the walk over a tree that decrypts it and
// computes the MAC. Neither looks at the environment, the home folder,
// .sops.yaml or a key command: those are read by upstream's key sources and
// stores, which stay out of the program. (Upstream's audit package still reads
// /etc/sops/audit.yaml when the program starts; nothing can prevent that.)
//
// Errors of upstream never leave this file: some of them quote plaintext.

// upstreamVersion is what upstream would write into sops.version. Its version
// package holds the same string but imports an HTTP client and a CLI library;
// a test compares the two.
const upstreamVersion = "3.13.3"

const dataKeySize = 32

// encryptValue encrypts one string as SOPS does, bound to additional data.
func encryptValue(plain string, dataKey []byte, additional string) (string, error) {
	out, err := aes.NewCipher().Encrypt(plain, dataKey, additional)
	if err != nil {
		return "", errors.New("the SOPS cipher failed")
	}
	return out, nil
}

// decrypt returns the document in plain text, without its sops block and
// without comments (the MAC does not cover them), after checking the MAC.
func (d *document) decrypt(dataKey []byte) (*yaml.Node, error) {
	branch, err := toTree(d.root)
	if err != nil {
		return nil, err
	}
	tree := sops.Tree{
		Branches: sops.TreeBranches{branch},
		Metadata: sops.Metadata{
			UnencryptedSuffix: d.sops.unencryptedSuffix,
			EncryptedSuffix:   d.sops.encryptedSuffix,
			UnencryptedRegex:  d.sops.unencryptedRegex,
			EncryptedRegex:    d.sops.encryptedRegex,
			MACOnlyEncrypted:  d.sops.macOnlyEncrypted,
		},
	}
	if d.sops.selectors == 0 {
		tree.Metadata.UnencryptedSuffix = sops.DefaultUnencryptedSuffix
	}
	computed, err := tree.Decrypt(dataKey, cautious{aes.NewCipher()})
	if err != nil {
		return nil, &TamperedError{Kind: Changed, Detail: "a value does not decrypt under its key"}
	}
	stored, err := cautious{aes.NewCipher()}.Decrypt(d.sops.mac, dataKey, d.sops.lastModified.Format(time.RFC3339))
	if text, ok := stored.(string); err != nil || !ok || subtle.ConstantTimeCompare([]byte(text), []byte(computed)) != 1 {
		return nil, &TamperedError{Kind: Changed, Detail: "the MAC is not that of these values"}
	}
	return fromTree(tree.Branches[0])
}

// knownValue is what upstream's cipher writes. It would also take a value of
// type bytes, and panics when it has decrypted one.
var knownValue = regexp.MustCompile(`^ENC\[AES256_GCM,data:[^,]+,iv:[^,]+,tag:[^,]+,type:(str|int|float|bool|time|comment)\]$`)

// cautious decrypts only what upstream's cipher can have encrypted.
type cautious struct{ aes.Cipher }

func (c cautious) Decrypt(ciphertext string, key []byte, additional string) (any, error) {
	if ciphertext != "" && !knownValue.MatchString(ciphertext) {
		return nil, errors.New("not an encrypted value")
	}
	return c.Cipher.Decrypt(ciphertext, key, additional)
}

// toTree converts a mapping to upstream's tree, leaving out the sops block.
func toTree(mapping *yaml.Node) (sops.TreeBranch, error) {
	branch := make(sops.TreeBranch, 0, len(mapping.Content)/2)
	for key, value := range pairs(mapping) {
		v, err := toTreeValue(value)
		if err != nil {
			return nil, err
		}
		branch = append(branch, sops.TreeItem{Key: key.Value, Value: v})
	}
	return branch, nil
}

func toTreeValue(node *yaml.Node) (any, error) {
	switch node.Kind {
	case yaml.MappingNode:
		return toTree(node)
	case yaml.SequenceNode:
		items := make([]any, 0, len(node.Content))
		for _, item := range node.Content {
			v, err := toTreeValue(item)
			if err != nil {
				return nil, err
			}
			items = append(items, v)
		}
		return items, nil
	}
	var v any
	if err := node.Decode(&v); err != nil {
		return nil, foreign(fmt.Sprintf("line %d: a value that YAML cannot read", node.Line))
	}
	return v, nil
}

// fromTree converts upstream's tree to a mapping.
func fromTree(branch sops.TreeBranch) (*yaml.Node, error) {
	mapping := &yaml.Node{Kind: yaml.MappingNode}
	for _, item := range branch {
		key, err := scalarNode(item.Key)
		if err != nil {
			return nil, err
		}
		value, err := fromTreeValue(item.Value)
		if err != nil {
			return nil, err
		}
		mapping.Content = append(mapping.Content, key, value)
	}
	return mapping, nil
}

func fromTreeValue(v any) (*yaml.Node, error) {
	switch v := v.(type) {
	case sops.TreeBranch:
		return fromTree(v)
	case []any:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range v {
			if _, comment := item.(sops.Comment); comment {
				continue // upstream encrypts a comment in a list as an item
			}
			node, err := fromTreeValue(item)
			if err != nil {
				return nil, err
			}
			list.Content = append(list.Content, node)
		}
		return list, nil
	case sops.Comment:
		return nil, &TamperedError{Kind: Changed, Detail: "a value is marked as a comment"}
	}
	return scalarNode(v)
}

// scalarNode returns v as upstream writes it, but for the text "<<", which the
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
