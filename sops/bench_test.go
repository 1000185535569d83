package sops

import (
	"testing"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	upstreamage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	upstreamyaml "github.com/getsops/sops/v3/stores/yaml"
)

// BenchmarkSeal is one new pull secret: fingerprint, age, AES, MAC, YAML,
// signature.
func BenchmarkSeal(b *testing.B) {
	p := newPlatform(b)
	_, hybrid, err := NewIdentity(true)
	check(b, err)
	for name, recipient := range map[string]string{"X25519": p.recipient, "hybrid": hybrid} {
		b.Run(name, func(b *testing.B) {
			req, token := secretRequest("shop", "production", "alice", recipient), NewToken(marked)
			b.ReportAllocs()
			for b.Loop() {
				_, err := p.sealer.PullSecret(nil, req, &token)
				check(b, err)
			}
		})
	}
}

// BenchmarkKeep is the same with the seal already there.
func BenchmarkKeep(b *testing.B) {
	p := newPlatform(b)
	s := p.project(b, "shop", "alice", marked)
	b.ReportAllocs()
	for b.Loop() {
		_, err := p.sealer.PullSecret(s.seal.Data, s.req, &s.token)
		check(b, err)
	}
}

// BenchmarkProject is what one creation with three environments seals.
func BenchmarkProject(b *testing.B) {
	p := newPlatform(b)
	token := NewToken(marked)
	b.ReportAllocs()
	for b.Loop() {
		key, err := p.sealer.ProjectKey(nil, p.keyRequest("shop", "alice"))
		check(b, err)
		for _, environment := range []string{"development", "staging", "production"} {
			_, err := p.sealer.PullSecret(nil, secretRequest("shop", environment, "alice", key.Recipient), &token)
			check(b, err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	p := newPlatform(b)
	s := p.project(b, "shop", "alice", marked)
	trusted := p.key.PublicKeys()
	b.ReportAllocs()
	for b.Loop() {
		_, err := Verify(s.req.Path, s.seal.Data, trusted, nil)
		check(b, err)
	}
}

func BenchmarkOpen(b *testing.B) {
	p := newPlatform(b)
	s := p.project(b, "shop", "alice", marked)
	b.ReportAllocs()
	for b.Loop() {
		_, err := Open(s.seal.Data, s.identity)
		check(b, err)
	}
}

// BenchmarkUpstream makes the same SOPS document with upstream's tree, key
// source and store, from plain YAML, without fingerprint and signature.
func BenchmarkUpstream(b *testing.B) {
	p := newPlatform(b)
	s := p.project(b, "shop", "alice", marked)
	plain, err := Open(s.seal.Data, s.identity)
	check(b, err)
	store := upstreamyaml.NewStore(&config.YAMLStoreConfig{})
	b.ReportAllocs()
	for b.Loop() {
		branches, err := store.LoadPlainFile(plain)
		check(b, err)
		recipient, err := upstreamage.MasterKeyFromRecipient(s.key.Recipient)
		check(b, err)
		tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{
			EncryptedRegex: encryptedRegex, Version: upstreamVersion, LastModified: time.Now().UTC(), KeyGroups: []sops.KeyGroup{{recipient}},
		}}
		key := make([]byte, dataKeySize)
		check(b, recipient.Encrypt(key))
		mac, err := tree.Encrypt(key, aes.NewCipher())
		check(b, err)
		tree.Metadata.MessageAuthenticationCode, err = aes.NewCipher().Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339))
		check(b, err)
		_, err = store.EmitEncryptedFile(tree)
		check(b, err)
	}
}
