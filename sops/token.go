package sops

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"
)

// redacted is what a secret prints as.
const redacted = "[redacted]"

// maxToken bounds a token; the longest real ones are some kilobytes.
const maxToken = 64 << 10

// A Token is a registry password or access token. It prints as "[redacted]"
// with every verb of package fmt, in JSON, YAML, text and log/slog, and its
// bytes cannot be reached by reflection; only this package reads them. Nothing
// keeps a Token: drop the last reference and it is gone.
//
// The zero Token is empty and does not Validate.
type Token struct {
	// reveal is a closure because printers that ignore methods (for %p, for a
	// Token in an unexported field, debug dumps) follow pointers, not closures.
	reveal func() []byte
}

// NewToken keeps a copy of secret exactly as given: the caller takes off the
// line end that a file or standard input adds.
func NewToken[T ~string | ~[]byte](secret T) Token {
	value := bytes.Clone([]byte(secret))
	return Token{reveal: func() []byte { return value }}
}

// bytes returns the secret itself, nil for the zero Token.
func (t Token) bytes() []byte {
	if t.reveal == nil {
		return nil
	}
	return t.reveal()
}

// Validate refuses a token that no registry can have issued: an empty one, one
// with a line end, NUL or other control character, one that is not UTF-8, and
// one over 64 KiB. The error does not show the token.
func (t Token) Validate() error {
	b := t.bytes()
	switch {
	case len(b) == 0:
		return errors.New("the token is empty")
	case len(b) > maxToken:
		return fmt.Errorf("the token is longer than %d bytes", maxToken)
	case !utf8.Valid(b):
		return errors.New("the token is not UTF-8 text")
	case bytes.ContainsAny(b, "\r\n"):
		return errors.New("the token contains a line end: give one line (a JSON key must be written on one line)")
	case bytes.ContainsFunc(b, unicode.IsControl):
		return errors.New("the token contains a control character")
	}
	return nil
}

// hasPrefix reports whether the token begins with prefix.
func (t Token) hasPrefix(prefix string) bool {
	return bytes.HasPrefix(t.bytes(), []byte(prefix))
}

// minIn is the shortest token that In looks for.
const minIn = 8

// In says that text contains the token: as it is, in hexadecimal, or in base64, alone or
// behind a user's name. A token of fewer than 8 bytes is never found: it may be a word
// that stands there by chance.
func (t Token) In(text []byte) bool {
	secret := t.bytes()
	if len(secret) < minIn {
		return false
	}
	if bytes.Contains(text, secret) || bytes.Contains(bytes.ToLower(text), []byte(hex.EncodeToString(secret))) {
		return true
	}
	for skip := range 3 { // where base64's groups of three bytes begin depends on what stands in front
		groups := secret[skip:]
		groups = groups[:len(groups)/3*3]
		if bytes.Contains(text, []byte(base64.StdEncoding.EncodeToString(groups))) ||
			bytes.Contains(text, []byte(base64.URLEncoding.EncodeToString(groups))) {
			return true
		}
	}
	return false
}

// String returns "[redacted]".
func (t Token) String() string { return redacted }

// GoString returns "[redacted]".
func (t Token) GoString() string { return redacted }

// Format writes "[redacted]" for every verb and flag.
func (t Token) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue returns "[redacted]".
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns "[redacted]".
func (t Token) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "[redacted]".
func (t Token) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML returns "[redacted]".
func (t Token) MarshalYAML() (any, error) { return redacted, nil }

// UnmarshalText keeps a copy of text, so that a decoder can put a token where
// a request has one. It refuses what MarshalText writes: a token that was
// printed and read back is lost.
func (t *Token) UnmarshalText(text []byte) error {
	if strings.EqualFold(string(text), redacted) {
		return errors.New("the token was redacted before it came here")
	}
	*t = NewToken(text)
	return nil
}
