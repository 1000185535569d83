package sops

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A platform is what the tests share: a berth key, a platform key, and a
// Sealer that pins it. The clock stands still.
type platform struct {
	key       *Key
	sealer    *Sealer
	identity  string // platform identity file
	recipient string
}

func newPlatform(t testing.TB) *platform {
	t.Helper()
	key, err := NewKey()
	check(t, err)
	identity, recipient, err := NewIdentity(false)
	check(t, err)
	check(t, key.Pin(recipient))
	return &platform{key: key, sealer: sealerAt(key, clock), identity: string(identity), recipient: recipient}
}

var clock = time.Date(2026, 1, 2, 3, 4, 5, 678, time.FixedZone("CET", 3600))

func sealerAt(key *Key, now time.Time, trusted ...PublicKey) *Sealer {
	s := NewSealer(key, trusted)
	s.now = func() time.Time { return now }
	return s
}

func (p *platform) keyRequest(project, owner string) KeyRequest {
	return KeyRequest{
		Path: "tenants/home/" + project + "/project-key.sops.yaml",
		Name: "sops-" + project, Namespace: "flux-projects",
		Project: project, Owner: owner, Recipients: []string{p.recipient},
	}
}

func secretRequest(project, environment, owner, recipient string) SecretRequest {
	return SecretRequest{
		Path: "projects/" + project + "/overlays/" + environment + "/ghcr-secret.sops.yaml",
		Name: "ghcr-secret", Namespace: "project-" + project + "-" + environment,
		Project: project, Environment: environment, Owner: owner,
		Registry: "ghcr.io", Username: owner, Recipient: recipient,
	}
}

// A sealed is one project's two files with what made them.
type sealed struct {
	keyReq    KeyRequest
	key       ProjectKeySeal
	req       SecretRequest
	seal      Seal
	token     Token
	identity  string // the project's own
	plaintext string // of the token
}

func (p *platform) project(t testing.TB, project, owner, token string) *sealed {
	t.Helper()
	s := &sealed{keyReq: p.keyRequest(project, owner), token: NewToken(token), plaintext: token}
	var err error
	s.key, err = p.sealer.ProjectKey(nil, s.keyReq)
	check(t, err)
	s.req = secretRequest(project, "production", owner, s.key.Recipient)
	s.seal, err = p.sealer.PullSecret(nil, s.req, &s.token)
	check(t, err)
	s.identity, err = ProjectIdentity(s.key.Data, p.identity)
	check(t, err)
	return s
}

// resign gives body, the part after the first line, a true signature for path.
func (p *platform) resign(path string, file []byte) []byte {
	_, body, _, _ := splitSigned(file)
	return p.key.current().sign(path, body)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantTampered checks kind, path and a part of the detail.
func wantTampered(t testing.TB, err error, kind TamperKind, detail string) {
	t.Helper()
	var tampered *TamperedError
	if !errors.As(err, &tampered) {
		t.Fatalf("error %v, want a TamperedError of kind %s", err, kind)
	}
	if tampered.Kind != kind || !strings.Contains(tampered.Detail, detail) {
		t.Errorf("error %q, want %s with %q", err, kind, detail)
	}
}

// replace puts with where find stands first.
func replace(t testing.TB, data []byte, find, with string) []byte {
	t.Helper()
	if !bytes.Contains(data, []byte(find)) {
		t.Fatalf("no %q in\n%s", find, data)
	}
	return bytes.Replace(data, []byte(find), []byte(with), 1)
}

// encoded finds what may be base64 (either alphabet) or hexadecimal.
var encoded = regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`)

// leaks reports whether data holds secret, as it is or under any number of
// layers of base64 or hexadecimal, at any of the four alignments.
func leaks(data []byte, secret string) bool { return leaksWithin(data, secret, 6) }

func leaksWithin(data []byte, secret string, depth int) bool {
	if bytes.Contains(data, []byte(secret)) || bytes.Contains(data, []byte(reverse(secret))) {
		return true
	}
	if depth == 0 {
		return false
	}
	unfolded := bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\n"), nil), []byte(" "), nil)
	for _, text := range [][]byte{data, unfolded} {
		for _, run := range encoded.FindAll(text, -1) {
			for _, plain := range decodings(run) {
				if leaksWithin(plain, secret, depth-1) {
					return true
				}
			}
		}
	}
	return false
}

func decodings(run []byte) [][]byte {
	var out [][]byte
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(string(run))
	for skip := range min(4, len(standard)) {
		part := standard[skip:]
		part = part[:len(part)-len(part)%4]
		if b, err := base64.StdEncoding.DecodeString(part); err == nil && len(b) > 5 {
			out = append(out, b)
		}
		if rest := standard[skip+len(part):]; len(rest) > 1 {
			if b, err := base64.RawStdEncoding.DecodeString(standard[skip:]); err == nil && len(b) > 5 {
				out = append(out, b)
			}
		}
	}
	if b, err := hex.DecodeString(string(run[:len(run)/2*2])); err == nil {
		out = append(out, b)
	}
	return out
}

func reverse(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

func writeFile(t testing.TB, path string, data []byte) string {
	t.Helper()
	check(t, os.WriteFile(path, data, 0o600))
	return path
}
