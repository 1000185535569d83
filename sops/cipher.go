package sops

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

const (
	dataKeySize = 32 // AES-256
	nonceSize   = 32 // what SOPS uses; GCM itself would want 12
	tagSize     = 16
)

// An encrypted is one value as SOPS stores it:
//
//	ENC[AES256_GCM,data:<base64>,iv:<base64>,tag:<base64>,type:<word>]
//
// The type is not authenticated; see https://getsops.io/docs/#encryption-protocol.
type encrypted struct {
	data, nonce, tag []byte
	typ              string
}

// parseEncrypted reads a value in the one spelling that SOPS writes.
func parseEncrypted(text string) (encrypted, bool) {
	const head, tail = "ENC[AES256_GCM,data:", "]"
	rest, ok := strings.CutPrefix(text, head)
	rest, ok2 := strings.CutSuffix(rest, tail)
	data, rest, ok3 := strings.Cut(rest, ",iv:")
	nonce, rest, ok4 := strings.Cut(rest, ",tag:")
	tag, typ, ok5 := strings.Cut(rest, ",type:")
	if !ok || !ok2 || !ok3 || !ok4 || !ok5 {
		return encrypted{}, false
	}
	var v encrypted
	v.typ = typ
	for _, part := range []struct {
		to   *[]byte
		text string
	}{{&v.data, data}, {&v.nonce, nonce}, {&v.tag, tag}} {
		var err error
		if *part.to, err = base64.StdEncoding.DecodeString(part.text); err != nil {
			return encrypted{}, false
		}
	}
	right := len(v.data) > 0 && len(v.nonce) == nonceSize && len(v.tag) == tagSize && v.String() == text
	return v, right
}

func (v encrypted) String() string {
	b64 := base64.StdEncoding.EncodeToString
	return "ENC[AES256_GCM,data:" + b64(v.data) + ",iv:" + b64(v.nonce) + ",tag:" + b64(v.tag) + ",type:" + v.typ + "]"
}

// encryptedString reports whether text is an encrypted value of type str. Other
// types are refused where they can be: a decrypter that fails to convert the
// plaintext to one may quote it.
func encryptedString(text string) bool {
	v, ok := parseEncrypted(text)
	return ok && v.typ == "str"
}

// encryptValue encrypts a text that is not empty, bound to additional data.
func encryptValue(plain string, dataKey []byte, additional string) (string, error) {
	gcm, err := newGCM(dataKey)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, nonceSize)
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("encrypt: %w", err)
	}
	sealed := gcm.Seal(nil, nonce, []byte(plain), []byte(additional))
	split := len(sealed) - tagSize
	return encrypted{sealed[:split], nonce, sealed[split:], "str"}.String(), nil
}

// decryptValue returns the plaintext of a value and its type.
func decryptValue(text string, dataKey []byte, additional string) (plain, typ string, err error) {
	v, ok := parseEncrypted(text)
	if !ok {
		return "", "", errors.New("not an encrypted value")
	}
	gcm, err := newGCM(dataKey)
	if err != nil {
		return "", "", err
	}
	out, err := gcm.Open(nil, v.nonce, append(v.data, v.tag...), []byte(additional))
	if err != nil {
		return "", "", errors.New("a value does not decrypt under its key")
	}
	return string(out), v.typ, nil
}

func newGCM(dataKey []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(dataKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithNonceSize(block, nonceSize)
}
