package gitrepo

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
)

// Secret is a password, token or passphrase. It prints as [redacted] in every
// way Go can print it; only this package reads it.
type Secret struct{ text string }

// NewSecret wraps s, exactly as given.
func NewSecret(s string) Secret { return Secret{text: s} }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == "" }

const redacted = "[redacted]"

// String returns a placeholder, never the secret.
func (s Secret) String() string { return redacted }

// GoString returns a placeholder, never the secret.
func (s Secret) GoString() string { return redacted }

// Format writes a placeholder for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText returns a placeholder, so that JSON and YAML get one too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Authorize sets the Authorization header to the scheme ("Bearer") and the
// secret. It is how other packages send a secret without reading it.
func (s Secret) Authorize(h http.Header, scheme string) {
	h.Set("Authorization", scheme+" "+s.text)
}

// Redact returns text with every occurrence of the secret replaced, for words
// that came from a server and may repeat what it was sent.
func (s Secret) Redact(text string) string {
	if s.text == "" {
		return text
	}
	return strings.ReplaceAll(text, s.text, redacted)
}
