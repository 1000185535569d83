package sops

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

const (
	publicKeyPrefix = "berth-pub-1"
	signaturePrefix = "# berth: signed "
	signatureDomain = "berth sealed file v1"
)

// A PublicKey checks what one berth key has signed. It is no secret: it stands
// in the platform settings. Values compare with ==.
type PublicKey struct {
	key [ed25519.PublicKeySize]byte
}

// ParsePublicKey reads what String writes. A typing error is found by the
// checksum at the end.
func ParsePublicKey(s string) (PublicKey, error) {
	text, ok := strings.CutPrefix(s, publicKeyPrefix)
	if !ok {
		return PublicKey{}, fmt.Errorf("a berth public key begins with %q", publicKeyPrefix)
	}
	raw, ok := decodeChecked(publicKeyPrefix, text)
	if !ok {
		return PublicKey{}, fmt.Errorf("the berth public key %q is mistyped or cut short", s)
	}
	return PublicKey{key: raw}, nil
}

// String returns "berth-pub-1" and 48 characters of base64url.
func (p PublicKey) String() string { return publicKeyPrefix + encodeChecked(publicKeyPrefix, p.key) }

// ID returns the key id: the first eight hexadecimal digits of the SHA-256 of
// the Ed25519 public key. It stands in signatures and fingerprints.
func (p PublicKey) ID() string {
	sum := sha256.Sum256(p.key[:])
	return hex.EncodeToString(sum[:4])
}

// encodeChecked writes 32 bytes and a four-byte checksum in base64url.
func encodeChecked(prefix string, raw [32]byte) string {
	sum := sha256.Sum256(append([]byte(prefix), raw[:]...))
	return base64.RawURLEncoding.EncodeToString(append(raw[:], sum[:4]...))
}

// decodeChecked reads what encodeChecked writes, and nothing else.
func decodeChecked(prefix, text string) (raw [32]byte, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != 36 {
		return raw, false
	}
	raw = [32]byte(b)
	return raw, encodeChecked(prefix, raw) == text
}

// lengthPrefixed joins parts so that no two lists of parts give the same bytes.
func lengthPrefixed(parts ...[]byte) []byte {
	var out []byte
	for _, part := range parts {
		out = binary.BigEndian.AppendUint64(out, uint64(len(part)))
		out = append(out, part...)
	}
	return out
}

// signedMessage is what a signature covers: the path and every byte after the
// first line.
func signedMessage(path string, body []byte) []byte {
	return lengthPrefixed([]byte(signatureDomain), []byte(path), body)
}

// sign puts the signature line in front of body.
func (s *secret) sign(path string, body []byte) []byte {
	sig := ed25519.Sign(s.signing, signedMessage(path, body))
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s%s %s %s\n", signaturePrefix, path, s.public.ID(), base64.RawURLEncoding.EncodeToString(sig))
	out.Write(body)
	return out.Bytes()
}

// A signature is the first line of a sealed file, as it claims to be.
type signature struct {
	path, keyID string
	sig         []byte
}

// splitSigned takes the signature line off data. found says that the first
// line is meant to be one; err, that it is not in the one form berth writes.
func splitSigned(data []byte) (sig signature, body []byte, found bool, err error) {
	line, body, _ := bytes.Cut(data, []byte("\n"))
	text, found := strings.CutPrefix(string(line), signaturePrefix)
	if !found {
		return signature{}, data, false, nil
	}
	fields := strings.Split(text, " ")
	if len(fields) != 3 {
		return signature{}, body, true, errors.New("its signature line is damaged")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(fields[2])
	if err != nil || len(raw) != ed25519.SignatureSize || base64.RawURLEncoding.EncodeToString(raw) != fields[2] {
		return signature{}, body, true, errors.New("its signature line is damaged")
	}
	return signature{path: fields[0], keyID: fields[1], sig: raw}, body, true, nil
}

// Signed says that the first line of data is meant to be a signature of berth's, true
// or not: berth made the file, or somebody made it look so.
func Signed(data []byte) bool { return bytes.HasPrefix(data, []byte(signaturePrefix)) }

// validPath refuses a path that could not be read back from a signature line.
func validPath(path string) error {
	if !fs.ValidPath(path) || path == "." || strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("%q is not a plain path from the repository's root", path)
	}
	return nil
}
