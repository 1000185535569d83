package sops

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
)

const hybridPrefix = "age1pq1"

// NewIdentity makes an age identity and returns the text of its identity file,
// as age-keygen writes it, and its recipient. Keep the text secret.
//
// A post-quantum identity (age1pq1…, ML-KEM-768 with X25519) needs
// kustomize-controller 1.9 or later, and its recipient is 1,959 characters long.
func NewIdentity(postQuantum bool) (file []byte, recipient string, err error) {
	return newIdentity(postQuantum, time.Now())
}

func newIdentity(postQuantum bool, now time.Time) (file []byte, recipient string, err error) {
	var identity fmt.Stringer
	if postQuantum {
		id, e := age.GenerateHybridIdentity()
		if e != nil {
			return nil, "", fmt.Errorf("make an age identity: %w", e)
		}
		identity, recipient = id, id.Recipient().String()
	} else {
		id, e := age.GenerateX25519Identity()
		if e != nil {
			return nil, "", fmt.Errorf("make an age identity: %w", e)
		}
		identity, recipient = id, id.Recipient().String()
	}
	file = fmt.Appendf(nil, "# created: %s\n# public key: %s\n%s\n", now.Format(time.RFC3339), recipient, identity)
	return file, recipient, nil
}

// RecipientsOf returns the recipients of the identities in an age identity
// file, in their order. The error shows nothing of the file.
func RecipientsOf(identities string) ([]string, error) {
	ids, err := parseIdentities(identities)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, id := range ids {
		switch id := id.(type) {
		case *age.X25519Identity:
			out = append(out, id.Recipient().String())
		case *age.HybridIdentity:
			out = append(out, id.Recipient().String())
		}
	}
	return out, nil
}

// ValidRecipient accepts the age recipients that Flux can open files for:
// X25519 (age1…) and hybrid post-quantum (age1pq1…), in age's own spelling.
func ValidRecipient(s string) error {
	_, err := parseRecipient(s)
	return err
}

// RecipientWarnings says what is unwise about sealing to recipients together:
// SOPS wraps the data key once for each, so one X25519 recipient beside hybrid
// ones takes the protection against quantum computers away from all.
func RecipientWarnings(recipients []string) []string {
	hybrid := 0
	for _, r := range recipients {
		if isHybrid(r) {
			hybrid++
		}
	}
	if hybrid == 0 || hybrid == len(recipients) {
		return nil
	}
	return []string{"post-quantum and X25519 recipients are mixed: whoever breaks the X25519 one opens everything; use one kind"}
}

func isHybrid(recipient string) bool { return strings.HasPrefix(recipient, hybridPrefix) }

// allHybrid reports whether sealing to recipients resists quantum computers.
func allHybrid(recipients []string) bool {
	return !slices.ContainsFunc(recipients, func(r string) bool { return !isHybrid(r) })
}

// parseRecipient turns a recipient into age's form. It never asks a plugin.
func parseRecipient(s string) (age.Recipient, error) {
	var r interface {
		age.Recipient
		fmt.Stringer
	}
	var err error
	switch {
	case strings.HasPrefix(strings.ToUpper(s), "AGE-SECRET-KEY-"), strings.HasPrefix(strings.ToUpper(s), "AGE-PLUGIN-"):
		return nil, errors.New("this is a private key, not a recipient; a recipient begins with age1")
	case strings.HasPrefix(s, "ssh-"), strings.HasPrefix(s, "ecdsa-"):
		return nil, fmt.Errorf("recipient %q: Flux does not take SSH keys for decryption; use an age key (age-keygen)", short(s))
	case strings.HasPrefix(s, hybridPrefix):
		r, err = age.ParseHybridRecipient(s)
	case strings.HasPrefix(s, "age1") && strings.Count(s, "1") > 1:
		return nil, fmt.Errorf("recipient %q belongs to an age plugin, which Flux does not have; use age1… or age1pq1…", short(s))
	case strings.HasPrefix(s, "age1"):
		r, err = age.ParseX25519Recipient(s)
	default:
		return nil, fmt.Errorf("recipient %q does not begin with age1", short(s))
	}
	if err != nil || r.String() != s {
		return nil, fmt.Errorf("recipient %q is mistyped or cut short", short(s))
	}
	return r, nil
}

// short shows enough of a recipient to know it by: hybrid ones fill pages.
func short(recipient string) string {
	const head, tail = 16, 8
	if len(recipient) <= 80 {
		return recipient
	}
	return recipient[:head] + "…" + recipient[len(recipient)-tail:]
}

// wrap encrypts a data key to one recipient, in the armour that SOPS stores.
func wrap(dataKey []byte, to age.Recipient) (string, error) {
	var out bytes.Buffer
	a := armor.NewWriter(&out)
	w, err := age.Encrypt(a, to)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(dataKey); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	if err := a.Close(); err != nil {
		return "", err
	}
	return out.String(), nil
}

// unwrap finds the data key with the first identity that fits a stanza.
func unwrap(stanzas []stanza, identities []age.Identity) ([]byte, error) {
	var names []string
	for _, s := range stanzas {
		names = append(names, short(s.recipient))
		r, err := age.Decrypt(armor.NewReader(strings.NewReader(s.enc)), identities...)
		if err != nil {
			continue
		}
		key, err := io.ReadAll(io.LimitReader(r, dataKeySize+1))
		if err == nil && len(key) == dataKeySize {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%w: it is sealed to %s", ErrNoIdentity, strings.Join(names, ", "))
}

// parseIdentities reads an age identity file; no plugins, no SSH keys.
func parseIdentities(text string) ([]age.Identity, error) {
	var ids []age.Identity
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		parsed, err := age.ParseIdentities(strings.NewReader(line))
		if err != nil {
			return nil, fmt.Errorf("age identities: line %d is not a whole AGE-SECRET-KEY-1… or AGE-SECRET-KEY-PQ-1… line", n)
		}
		ids = append(ids, parsed...)
	}
	if len(ids) == 0 {
		return nil, errors.New("age identities: none in the text given")
	}
	return ids, nil
}
