package sops

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// fixedKey has the bytes 0 to 31 as its secret.
const fixedKey = secretPrefix + "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-zn8E7"

// TestKeyDerivation pins the derivation: another one would make every seal in
// every repository foreign.
func TestKeyDerivation(t *testing.T) {
	var raw [32]byte
	for i := range raw {
		raw[i] = byte(i)
	}
	if got := secretPrefix + encodeChecked(secretPrefix, raw); got != fixedKey {
		t.Fatalf("the secret is written as %s", got)
	}
	k, err := ParseKey([]byte(fixedKey))
	check(t, err)
	s := k.current()
	for what, got := range map[string]string{
		"public key":      k.PublicKeys()[0].String(),
		"id":              k.ID(),
		"fingerprint key": hex.EncodeToString(s.fingerprint),
		"signing seed":    hex.EncodeToString(s.signing.Seed()),
	} {
		if got != derived[what] {
			t.Errorf("%s is %s, want %s", what, got, derived[what])
		}
	}
}

// derived was computed by another implementation, Python's cryptography package.
var derived = map[string]string{
	"public key":      "berth-pub-1HDZrNXBasm1DlVhfL_MEMQ46LhEiQAADi_wMW0X2OQ3pKRi3",
	"id":              "b7d9dea1",
	"fingerprint key": "0543c534884e6998817f91cb2d40dc4b40c1aa0949c11dc0d61fb44ca08fa90c",
	"signing seed":    "20ea5e9b81dfec2acf0e42e4a88d9bc74c9ae909017e3693a9f267c7a2a8ad73",
}

func TestKeyFile(t *testing.T) {
	k, err := NewKey()
	check(t, err)
	check(t, k.Rotate())
	_, x25519, err := NewIdentity(false)
	check(t, err)
	_, hybrid, err := NewIdentity(true)
	check(t, err)
	check(t, k.Pin(x25519, hybrid, x25519))

	text := k.Marshal()
	back, err := ParseKey(text)
	check(t, err)
	if !bytes.Equal(back.Marshal(), text) || !slices.Equal(back.PublicKeys(), k.PublicKeys()) || back.ID() != k.ID() {
		t.Errorf("the file changed when read back:\n%s", back.Marshal())
	}
	if !back.Pinned(x25519) || !back.Pinned(hybrid) || back.Pinned("age1other") || len(back.pins) != 2 {
		t.Errorf("pins are %v", back.pins)
	}
	if len(back.PublicKeys()) != 2 || back.PublicKeys()[0].ID() != k.ID() {
		t.Error("the current key does not come first")
	}
	if !strings.Contains(string(text), "# public key: "+k.PublicKeys()[0].String()) {
		t.Error("the file does not show its public key")
	}
}

func TestKeyFileForms(t *testing.T) {
	want, err := ParseKey([]byte(fixedKey))
	check(t, err)
	for name, text := range map[string]string{
		"line end":           fixedKey + "\n",
		"Windows line ends":  "# x\r\n" + fixedKey + "\r\n\r\n",
		"spaces":             "\n\t  " + fixedKey + "  \n",
		"comment after":      fixedKey + "\n# age1 comment",
		"comment with a key": "# " + secretPrefix + "x\n" + fixedKey,
	} {
		got, err := ParseKey([]byte(text))
		if err != nil || got.ID() != want.ID() {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestKeyFileErrors(t *testing.T) {
	_, recipient, err := NewIdentity(false)
	check(t, err)
	secretText := fixedKey[len(secretPrefix):]
	for name, tc := range map[string]struct{ text, want string }{
		"empty":            {"", "no line"},
		"comments only":    {"# " + fixedKey, "no line"},
		"an age identity":  {"AGE-SECRET-KEY-1" + secretText, "line 1"},
		"no prefix":        {"\n" + secretText, "line 2"},
		"cut short":        {fixedKey[:len(fixedKey)-1], "mistyped"},
		"longer":           {fixedKey + "A", "mistyped"},
		"mistyped":         {strings.Replace(fixedKey, "ECAw", "ECBw", 1), "mistyped"},
		"line break in it": {fixedKey[:30] + "\r" + fixedKey[30:], "mistyped"},
		"two on a line":    {fixedKey + " " + fixedKey, "mistyped"},
		"twice":            {fixedKey + "\n" + fixedKey, "line 2: the secret stands here twice"},
		"bad recipient":    {fixedKey + "\nage1xyz", "line 2"},
		"pinned twice":     {fixedKey + "\n" + recipient + "\n" + recipient, "line 3: the recipient is pinned twice"},
		"ssh recipient":    {fixedKey + "\nssh-ed25519 AAAA", "line 2"},
		"huge":             {fixedKey + strings.Repeat("\n", maxKeyFile), "larger"},
	} {
		t.Run(name, func(t *testing.T) {
			k, err := ParseKey([]byte(tc.text))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			if k != nil {
				t.Error("an error, and a key")
			}
			if showsSecret(err.Error(), secretText) {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}

// showsSecret reports whether out has any eight characters of the secret.
func showsSecret(out, secretText string) bool {
	for i := 0; i+8 <= len(secretText); i++ {
		if strings.Contains(out, secretText[i:i+8]) {
			return true
		}
	}
	return false
}

func TestKeyNeverPrints(t *testing.T) {
	k, err := ParseKey([]byte(fixedKey))
	check(t, err)
	type holder struct {
		Key    *Key
		hidden *Key
		sealer *Sealer
	}
	s := k.current()
	secrets := []string{
		fixedKey[len(secretPrefix):], hex.EncodeToString(s.raw[:]), fmt.Sprint(s.raw), fmt.Sprintf("%d", s.signing), fmt.Sprintf("%d", s.fingerprint),
		hex.EncodeToString(s.fingerprint), hex.EncodeToString(s.signing.Seed()), fmt.Sprintf("%#v", s.fingerprint), string(s.raw[1:]),
	}
	for name, value := range map[string]any{
		"key": k, "value": *k, "holder": holder{k, k, NewSealer(k, nil)}, "pointer to holder": &holder{Key: k}, "sealer": NewSealer(k, nil),
	} {
		for what, out := range prints(value) {
			for _, secret := range secrets {
				if strings.Contains(out, secret) {
					t.Errorf("%s of %s shows a secret: %s", what, name, clip(out))
				}
			}
		}
	}
	if got := fmt.Sprintf("%v %s %+v %#v %d", k, k, k, k, k); got != strings.TrimSpace(strings.Repeat("berth key "+k.ID()+" ", 5)) {
		t.Errorf("a key prints as %q", got)
	}
}

// TestZeroKey: a Key that nobody made does nothing, and does not panic.
func TestZeroKey(t *testing.T) {
	for _, k := range []*Key{nil, {}} {
		if k.ID() != "" || k.Marshal() != nil || k.String() != "berth key (none)" {
			t.Errorf("a zero key is %q with %q", k, k.ID())
		}
	}
	if len((&Key{}).PublicKeys()) != 0 {
		t.Error("a zero key has public keys")
	}
}

func TestRotate(t *testing.T) {
	k, err := ParseKey([]byte(fixedKey))
	check(t, err)
	old := k.ID()
	check(t, k.Rotate())
	if k.ID() == old || k.secret(old) == nil || len(k.PublicKeys()) != 2 || k.PublicKeys()[1].ID() != old {
		t.Errorf("after rotation: %v", k.PublicKeys())
	}
}

func TestPublicKey(t *testing.T) {
	k, err := NewKey()
	check(t, err)
	p := k.PublicKeys()[0]
	back, err := ParsePublicKey(p.String())
	check(t, err)
	if back != p || back.ID() != k.ID() || len(p.ID()) != 8 {
		t.Errorf("%s came back as %s", p, back)
	}
	text := p.String()
	for name, bad := range map[string]string{
		"empty": "", "other prefix": "berth-key-1" + text[len(publicKeyPrefix):], "short": text[:len(text)-1], "long": text + "A",
		"line end": text + "\n", "line end inside": text[:20] + "\n" + text[20:], "padding": text + "=", "upper case": strings.ToUpper(text),
	} {
		if _, err := ParsePublicKey(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for i := len(publicKeyPrefix); i < len(text); i++ {
		b := []byte(text)
		if b[i]++; b[i] == text[i] {
			continue
		}
		if q, err := ParsePublicKey(string(b)); err == nil {
			t.Errorf("a typing error at %d gives %s", i, q)
		}
	}
}

// TestZeroPublicKeyTrustsNothing: a zero PublicKey is a point of small order,
// for which anyone can write signatures that crypto/ed25519 accepts.
func TestZeroPublicKeyTrustsNothing(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	_, body, _, _ := splitSigned(s.seal.Data)
	forged := 0
	for i := range 64 {
		forgery := append(slices.Clone(body), strings.Repeat("\n", i)...)
		if !ed25519.Verify(make([]byte, 32), signedMessage(s.req.Path, forgery), make([]byte, 64)) {
			continue
		}
		forged++
		line := fmt.Sprintf("%s%s %s %s\n", signaturePrefix, s.req.Path, PublicKey{}.ID(), strings.Repeat("A", 86))
		if _, err := Verify(s.req.Path, append([]byte(line), forgery...), []PublicKey{{}}, nil); err == nil {
			t.Error("the zero key verified a forged file")
		}
	}
	if forged == 0 {
		t.Error("no forgery was made, so nothing was tried")
	}
}

func FuzzParseKey(f *testing.F) {
	_, recipient, err := NewIdentity(false)
	check(f, err)
	f.Add([]byte(fixedKey))
	f.Add([]byte("# c\n" + fixedKey + "\n" + recipient + "\n"))
	f.Add([]byte("BERTH-SECRET-KEY-1x"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := ParseKey(text)
		if err != nil {
			for line := range strings.SplitSeq(string(text), "\n") {
				line = strings.TrimSpace(line)
				if len(line) > 24 && !strings.HasPrefix(line, "age1") && strings.Contains(err.Error(), line) {
					t.Errorf("the error quotes the file: %v", err)
				}
			}
			return
		}
		out := k.Marshal()
		back, err := ParseKey(out)
		check(t, err)
		if !bytes.Equal(back.Marshal(), out) || !slices.Equal(back.PublicKeys(), k.PublicKeys()) || !slices.Equal(back.pins, k.pins) {
			t.Errorf("not the same key:\n%s\n%s", out, back.Marshal())
		}
	})
}
