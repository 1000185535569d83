package sops

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

const (
	secretPrefix = "BERTH-SECRET-KEY-1"
	maxKeyFile   = 256 << 10
)

// A Key is the berth key: the one secret of berth's own, kept outside Git. It
// signs what berth seals, keys the fingerprints by which a seal is recognised,
// and pins the platform recipients that berth may seal to. It opens nothing.
//
// Its file is text: a word per line, empty lines and lines that begin with "#"
// ignored.
//
//	# berth key 3f29c0aa. Keep it secret, backed up, and outside Git.
//	# public key: berth-pub-1…
//	BERTH-SECRET-KEY-1…       the current secret
//	BERTH-SECRET-KEY-1…       older ones: they recognise seals, they make none
//	age1…                     a pinned recipient
//
// From each secret, 32 random bytes, HKDF-SHA256 derives the Ed25519 seed
// (info "berth v1 signing") and the HMAC key of the fingerprints (info
// "berth v1 fingerprint"). A Key prints as its id alone. It may be read, but
// not changed, by several goroutines at a time.
type Key struct {
	secrets []func() *secret // the current one first; closures, as in Token
	pins    []string         // in the order they were pinned
}

// secret is one secret and what is derived from it.
type secret struct {
	raw         [32]byte
	signing     ed25519.PrivateKey
	fingerprint []byte
	public      PublicKey
}

func newSecret(raw [32]byte) (*secret, error) {
	seed, err := hkdf.Key(sha256.New, raw[:], nil, "berth v1 signing", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	mac, err := hkdf.Key(sha256.New, raw[:], nil, "berth v1 fingerprint", sha256.Size)
	if err != nil {
		return nil, err
	}
	s := &secret{raw: raw, signing: ed25519.NewKeyFromSeed(seed), fingerprint: mac}
	s.public.key = [ed25519.PublicKeySize]byte(s.signing.Public().(ed25519.PublicKey))
	return s, nil
}

func randomSecret() (*secret, error) {
	var raw [32]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return nil, err
	}
	return newSecret(raw)
}

// hide keeps s out of what printers and dumps make of a Key.
func (s *secret) hide() func() *secret { return func() *secret { return s } }

// NewKey makes a Key with a fresh secret and no pins.
func NewKey() (*Key, error) {
	s, err := randomSecret()
	if err != nil {
		return nil, fmt.Errorf("make a berth key: %w", err)
	}
	return &Key{secrets: []func() *secret{s.hide()}}, nil
}

// ParseKey reads a key file as Marshal writes it. An error names the line and
// never shows a secret.
func ParseKey(text []byte) (*Key, error) {
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("berth key: the file is larger than %d bytes", maxKeyFile)
	}
	k := &Key{}
	n := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := k.parseLine(line); err != nil {
			return nil, fmt.Errorf("berth key: line %d: %w", n, err)
		}
	}
	if len(k.secrets) == 0 {
		return nil, fmt.Errorf("berth key: no line that begins with %q: is this another kind of file?", secretPrefix)
	}
	return k, nil
}

func (k *Key) parseLine(line string) error {
	text, isSecret := strings.CutPrefix(line, secretPrefix)
	switch {
	case isSecret:
		raw, ok := decodeChecked(secretPrefix, text)
		if !ok {
			return errors.New("the secret is mistyped or cut short")
		}
		s, err := newSecret(raw)
		if err != nil {
			return err
		}
		if k.secret(s.public.ID()) != nil {
			return errors.New("the secret stands here twice")
		}
		k.secrets = append(k.secrets, s.hide())
		return nil
	case strings.HasPrefix(line, "age1"):
		if k.Pinned(line) {
			return errors.New("the recipient is pinned twice")
		}
		return k.Pin(line)
	}
	return fmt.Errorf("want a line that begins with %q or with age1", secretPrefix)
}

// Marshal returns the key file. It holds the secrets: write it with mode 0600,
// outside the repository.
func (k *Key) Marshal() []byte {
	if k.current() == nil {
		return nil
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# berth key %s. Keep it secret, backed up, and outside Git.\n", k.ID())
	fmt.Fprintf(&b, "# public key: %s\n", k.current().public)
	for i, secret := range k.secrets {
		if i == 1 {
			b.WriteString("# older secrets: they recognise what they sealed\n")
		}
		b.WriteString(secretPrefix + encodeChecked(secretPrefix, secret().raw) + "\n")
	}
	if len(k.pins) > 0 {
		b.WriteString("# pinned: the platform recipients that berth may seal project keys to\n")
	}
	for _, r := range k.pins {
		b.WriteString(r + "\n")
	}
	return b.Bytes()
}

// Rotate makes a fresh secret the current one and keeps the others for
// comparison. Files signed before stay right as long as the old public key is
// trusted; take an old secret's line out of the file to forget it.
func (k *Key) Rotate() error {
	s, err := randomSecret()
	if err != nil {
		return fmt.Errorf("rotate the berth key: %w", err)
	}
	k.secrets = slices.Insert(k.secrets, 0, s.hide())
	return nil
}

// Pin adds platform recipients that berth may seal to; one that is pinned
// already stays where it is. A recipient that is not a ValidRecipient is an
// error, and then none is added.
func (k *Key) Pin(recipients ...string) error {
	pins := slices.Clone(k.pins)
	for _, r := range recipients {
		if err := ValidRecipient(r); err != nil {
			return err
		}
		if !slices.Contains(pins, r) {
			pins = append(pins, r)
		}
	}
	k.pins = pins
	return nil
}

// Pinned reports whether recipient is pinned.
func (k *Key) Pinned(recipient string) bool { return slices.Contains(k.pins, recipient) }

// PublicKeys returns the public halves, the current one first.
func (k *Key) PublicKeys() []PublicKey {
	keys := make([]PublicKey, len(k.secrets))
	for i, secret := range k.secrets {
		keys[i] = secret().public
	}
	return keys
}

// ID returns the key id of the current secret, as PublicKey.ID does.
func (k *Key) ID() string {
	if s := k.current(); s != nil {
		return s.public.ID()
	}
	return ""
}

// current returns the secret that signs, nil for a zero Key.
func (k *Key) current() *secret {
	if k == nil || len(k.secrets) == 0 {
		return nil
	}
	return k.secrets[0]()
}

// secret returns the secret with a key id, nil when there is none.
func (k *Key) secret(id string) *secret {
	for _, secret := range k.secrets {
		if s := secret(); s.public.ID() == id {
			return s
		}
	}
	return nil
}

// String returns the id and nothing secret.
func (k *Key) String() string {
	if k.current() == nil {
		return "berth key (none)"
	}
	return "berth key " + k.ID()
}

// GoString returns what String returns.
func (k *Key) GoString() string { return k.String() }

// Format writes what String returns, for every verb and flag.
func (k *Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// LogValue returns what String returns.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText returns what String returns: a Key is stored with Marshal only.
func (k *Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// MarshalYAML returns what String returns.
func (k *Key) MarshalYAML() (any, error) { return k.String(), nil }
