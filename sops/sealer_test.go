package sops

import (
	"bytes"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files again")

// TestGolden compares the two sealed files, with what is random blanked out.
func TestGolden(t *testing.T) {
	key, err := ParseKey([]byte(fixedKey + "\n" + someRecipient))
	check(t, err)
	s := sealerAt(key, clock)
	req := (&platform{recipient: someRecipient}).keyRequest("shop", "alice")
	projectKey, err := s.ProjectKey(nil, req)
	check(t, err)
	token := NewToken("a token")
	secretReq := secretRequest("shop", "production", "alice", someRecipient)
	secretReq.Username = "0o17"
	pullSecret, err := s.PullSecret(nil, secretReq, &token)
	check(t, err)
	for file, data := range map[string][]byte{"project-key.golden": projectKey.Data, "ghcr-secret.golden": pullSecret.Data} {
		got := blank(string(data))
		path := filepath.Join("testdata", file)
		if *update {
			writeFile(t, path, []byte(got))
		}
		want, err := os.ReadFile(path)
		check(t, err)
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
		}
	}
}

// blank replaces signatures, ciphertext and fresh recipients by their lengths
// (of ciphertext) or by their kind.
func blank(text string) string {
	for _, r := range []struct{ find, put string }{
		{`(?m)^(# berth: signed \S+ \S+) \S{86}$`, "$1 <signature>"},
		{`(?s)-----BEGIN.*?-----END AGE ENCRYPTED FILE-----`, "<age>"},
		{`berth/recipient: age1\w{58}`, "berth/recipient: <fresh>"},
	} {
		text = regexp.MustCompile(r.find).ReplaceAllString(text, r.put)
	}
	return regexp.MustCompile(`ENC\[AES256_GCM,data:([^,]+),iv:([^,]+),tag:([^,]+),`).ReplaceAllStringFunc(text, func(s string) string {
		return fmt.Sprintf("ENC[AES256_GCM,<%d bytes>,", len(s))
	})
}

// TestSealedContent: what opens is the canonical dockerconfigjson.
func TestSealedContent(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", "tok")
	plain, err := Open(s.seal.Data, s.identity)
	check(t, err)
	root, err := readYAML(plain)
	check(t, err)
	config, err := base64.StdEncoding.DecodeString(text(child(child(root, "data"), dataPullSecret)))
	check(t, err)
	if want := `{"auths":{"ghcr.io":{"username":"alice","password":"tok","auth":"YWxpY2U6dG9r"}}}`; string(config) != want {
		t.Errorf("content %s", config)
	}
}

// TestPullSecretKeeps is the whole decision: what is kept, what is sealed
// again, what is refused.
func TestPullSecretKeeps(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	other := NewToken(marked + "x")
	_, newKey, err := NewIdentity(false)
	check(t, err)
	rotated, err := ParseKey(p.key.Marshal())
	check(t, err)
	check(t, rotated.Rotate())
	stranger, err := NewKey()
	check(t, err)
	both := append(stranger.PublicKeys(), p.key.PublicKeys()...)

	type want struct {
		reason string // of a new seal; "" is kept
		err    error
	}
	for name, tc := range map[string]struct {
		sealer *Sealer
		token  *Token
		change func(*SecretRequest)
		want   want
	}{
		"same token":                           {p.sealer, &s.token, nil, want{}},
		"no token":                             {p.sealer, nil, nil, want{}},
		"no token, no key":                     {NewSealer(nil, p.key.PublicKeys()), nil, nil, want{}},
		"no token, nothing trusted":            {NewSealer(nil, nil), nil, nil, want{err: ErrUnknownKey}},
		"token, no key":                        {NewSealer(nil, p.key.PublicKeys()), &s.token, nil, want{err: ErrNoKey}},
		"same token, later":                    {sealerAt(p.key, clock.Add(time.Hour)), &s.token, nil, want{}},
		"other token":                          {p.sealer, &other, nil, want{reason: "other token"}},
		"rotated key, same token":              {sealerAt(rotated, clock), &s.token, nil, want{}},
		"rotated key, other token":             {sealerAt(rotated, clock), &other, nil, want{reason: "other token"}},
		"rotated key, renewed":                 {sealerAt(rotated, clock), &s.token, func(r *SecretRequest) { r.Renew = true }, want{reason: "renewal"}},
		"other key, signature trusted":         {sealerAt(stranger, clock, both...), &s.token, nil, want{err: ErrUnknownKey}},
		"other key, no token":                  {sealerAt(stranger, clock, both...), nil, nil, want{}},
		"other key, signature trusted, forced": {sealerAt(stranger, clock, both...), &s.token, func(r *SecretRequest) { r.Overwrite = true }, want{reason: "overwriting"}},
		"other key":                            {sealerAt(stranger, clock), &s.token, nil, want{err: ErrUnknownKey}},
		"other key, forced":                    {sealerAt(stranger, clock), &s.token, func(r *SecretRequest) { r.Overwrite = true }, want{reason: "overwriting"}},
		"key that the platform does not trust": {sealerAt(stranger, clock, p.key.PublicKeys()...), &other, func(r *SecretRequest) { r.Overwrite = true }, want{err: ErrUnknownKey}},
		"renewed":                              {p.sealer, &s.token, func(r *SecretRequest) { r.Renew = true }, want{reason: "renewal"}},
		"renewed, no token":                    {p.sealer, nil, func(r *SecretRequest) { r.Renew = true }, want{err: ErrNoToken}},
		"other username":                       {p.sealer, &s.token, func(r *SecretRequest) { r.Username = "al" }, want{reason: "other username"}},
		"other username, no token":             {p.sealer, nil, func(r *SecretRequest) { r.Username = "al" }, want{err: ErrNoToken}},
		"other registry":                       {p.sealer, &s.token, func(r *SecretRequest) { r.Registry = "quay.io" }, want{reason: "other registry"}},
		"other registry, no token":             {p.sealer, nil, func(r *SecretRequest) { r.Registry = "quay.io" }, want{err: ErrNoToken}},
		"other owner":                          {p.sealer, &s.token, func(r *SecretRequest) { r.Owner = "bob" }, want{reason: "other owner"}},
		"other owner, no token":                {p.sealer, nil, func(r *SecretRequest) { r.Owner = "bob" }, want{err: ErrNoToken}},
		"other name":                           {p.sealer, &s.token, func(r *SecretRequest) { r.Name = "x" }, want{reason: "other name"}},
		"other namespace":                      {p.sealer, &s.token, func(r *SecretRequest) { r.Namespace = "x" }, want{reason: "other namespace"}},
		"new project key":                      {p.sealer, &s.token, func(r *SecretRequest) { r.Recipient = newKey }, want{reason: "other project key"}},
		"new project key, no token":            {p.sealer, nil, func(r *SecretRequest) { r.Recipient = newKey }, want{err: ErrNoToken}},
		"overwrite, but it is right":           {p.sealer, &s.token, func(r *SecretRequest) { r.Overwrite = true }, want{}},
	} {
		t.Run(name, func(t *testing.T) {
			req := s.req
			if tc.change != nil {
				tc.change(&req)
			}
			got, err := tc.sealer.PullSecret(s.seal.Data, req, tc.token)
			switch {
			case tc.want.err != nil:
				if !errors.Is(err, tc.want.err) || got.Data != nil {
					t.Fatalf("got %v, %v; want %v", got.Reason, err, tc.want.err)
				}
				wantError(t, err, req.Path)
				return
			case err != nil:
				t.Fatal(err)
			case tc.want.reason == "":
				if !got.Kept || !bytes.Equal(got.Data, s.seal.Data) || got.Generation != 1 || got.Reason != "" {
					t.Errorf("not kept: %s", got.Reason)
				}
				return
			case got.Kept || got.Generation != 2 || !strings.Contains(got.Reason, tc.want.reason):
				t.Errorf("kept %v, generation %d, reason %q; want %q", got.Kept, got.Generation, got.Reason, tc.want.reason)
			}
			info, err := Verify(req.Path, got.Data, tc.sealer.trusted, nil)
			check(t, err)
			if info.Generation != 2 || info.Owner != req.Owner || info.Registry != req.Registry || info.Username != req.Username || info.Recipients[0] != req.Recipient {
				t.Errorf("sealed %+v", info)
			}
		})
	}
}

func TestPullSecretFirst(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	if s.seal.Kept || s.seal.Generation != 1 || s.seal.Reason == "" {
		t.Errorf("the first seal is %+v", s.seal)
	}
	if _, err := p.sealer.PullSecret(nil, s.req, nil); !errors.Is(err, ErrNoToken) {
		t.Errorf("without a token: %v", err)
	}
	if _, err := NewSealer(nil, nil).PullSecret(nil, s.req, &s.token); !errors.Is(err, ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
}

func TestProjectKeyKeeps(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	_, second, err := NewIdentity(false)
	check(t, err)
	check(t, p.key.Pin(second))
	sealer := sealerAt(p.key, clock)
	both := s.keyReq
	both.Recipients = []string{p.recipient, second}
	wide, err := sealer.ProjectKey(nil, both)
	check(t, err)

	for name, tc := range map[string]struct {
		sealer *Sealer
		prior  ProjectKeySeal
		req    KeyRequest
		change func(*KeyRequest)
		reason string
		err    error
	}{
		"same":                     {sealer, s.key, s.keyReq, nil, "", nil},
		"same, no key":             {NewSealer(nil, p.key.PublicKeys()), s.key, s.keyReq, nil, "", nil},
		"order does not matter":    {sealer, wide, both, func(r *KeyRequest) { r.Recipients = []string{second, p.recipient, second} }, "", nil},
		"recipient added":          {sealer, s.key, both, nil, "platform recipients", nil},
		"recipient removed":        {sealer, wide, s.keyReq, nil, "platform recipients", nil},
		"recipient added, no key":  {NewSealer(nil, p.key.PublicKeys()), s.key, both, nil, "", ErrNoKey},
		"unpinned, though kept":    {sealerAt(keyWithoutPins(t, p.key), clock), s.key, s.keyReq, nil, "", ErrUnpinned},
		"unpinned and new":         {sealer, s.key, s.keyReq, func(r *KeyRequest) { r.Recipients = []string{someRecipient} }, "", ErrUnpinned},
		"owner":                    {sealer, s.key, s.keyReq, func(r *KeyRequest) { r.Owner = "bob" }, "other owner", nil},
		"project":                  {sealer, s.key, s.keyReq, func(r *KeyRequest) { r.Project = "x" }, "other project", nil},
		"name":                     {sealer, s.key, s.keyReq, func(r *KeyRequest) { r.Name = "x" }, "other name", nil},
		"namespace":                {sealer, s.key, s.keyReq, func(r *KeyRequest) { r.Namespace = "x" }, "other namespace", nil},
		"renewed":                  {sealer, s.key, s.keyReq, func(r *KeyRequest) { r.Renew = true }, "renewal", nil},
		"pinned after the Sealer":  {p.sealer, s.key, both, nil, "", ErrUnpinned},
		"pull secret in its place": {sealer, ProjectKeySeal{Data: p.resign(s.keyReq.Path, s.seal.Data)}, s.keyReq, nil, "other type", nil},
	} {
		t.Run(name, func(t *testing.T) {
			req := tc.req
			if tc.change != nil {
				tc.change(&req)
			}
			got, err := tc.sealer.ProjectKey(tc.prior.Data, req)
			if tc.err != nil {
				if !errors.Is(err, tc.err) || !strings.Contains(err.Error(), req.Path) {
					t.Fatalf("error %v, want %v", err, tc.err)
				}
				return
			}
			check(t, err)
			if got.Kept != (tc.reason == "") || !strings.Contains(got.Reason, tc.reason) {
				t.Fatalf("kept %v, reason %q; want %q", got.Kept, got.Reason, tc.reason)
			}
			if got.Kept {
				if got.Recipient != tc.prior.Recipient || !bytes.Equal(got.Data, tc.prior.Data) || got.Generation != 1 {
					t.Error("kept something else")
				}
				return
			}
			identity, err := ProjectIdentity(got.Data, p.identity)
			check(t, err)
			if names, err := RecipientsOf(identity); err != nil || names[0] != got.Recipient || got.Recipient == tc.prior.Recipient || got.Generation != 2 {
				t.Errorf("sealed %v for %s, generation %d: %v", names, got.Recipient, got.Generation, err)
			}
		})
	}
}

func keyWithoutPins(t testing.TB, k *Key) *Key {
	t.Helper()
	text, _, _ := strings.Cut(string(k.Marshal()), "# pinned")
	out, err := ParseKey([]byte(text))
	check(t, err)
	return out
}

// TestRequestsRefused: nothing that could not be found again is sealed.
func TestRequestsRefused(t *testing.T) {
	p := newPlatform(t)
	token := NewToken(marked)
	for name, tc := range map[string]struct {
		change func(*SecretRequest)
		want   string
	}{
		"absolute path":     {func(r *SecretRequest) { r.Path = "/etc/x" }, "plain path"},
		"path outside":      {func(r *SecretRequest) { r.Path = "projects/../x" }, "plain path"},
		"path with a space": {func(r *SecretRequest) { r.Path = "projects/a b" }, "plain path"},
		"path with a line":  {func(r *SecretRequest) { r.Path = "projects/a\nkind: x" }, "plain path"},
		"no path":           {func(r *SecretRequest) { r.Path = "" }, "plain path"},
		"no name":           {func(r *SecretRequest) { r.Name = "" }, "name is empty"},
		"namespace line":    {func(r *SecretRequest) { r.Namespace = "x\ny: z" }, "namespace contains"},
		"no owner":          {func(r *SecretRequest) { r.Owner = "" }, "owner is empty"},
		"long owner":        {func(r *SecretRequest) { r.Owner = strings.Repeat("a", 1025) }, "longer"},
		"owner control":     {func(r *SecretRequest) { r.Owner = "a\x1b[31m" }, "invisible"},
		"owner bidi":        {func(r *SecretRequest) { r.Owner = "a\u202eb" }, "invisible"},
		"registry pattern":  {func(r *SecretRequest) { r.Registry = "*" }, "pattern"},
		"username colon":    {func(r *SecretRequest) { r.Username = "a:b" }, "colon"},
		"no recipient":      {func(r *SecretRequest) { r.Recipient = "" }, "age1"},
		"plugin recipient":  {func(r *SecretRequest) { r.Recipient = "age1x1yz" }, "plugin"},
	} {
		t.Run(name, func(t *testing.T) {
			req := secretRequest("shop", "production", "alice", someRecipient)
			tc.change(&req)
			_, err := p.sealer.PullSecret(nil, req, &token)
			wantError(t, err, tc.want)
		})
	}
	req := p.keyRequest("shop", "alice")
	req.Recipients = nil
	_, err := p.sealer.ProjectKey(nil, req)
	wantError(t, err, "no platform recipient")
	req.Recipients = []string{"ssh-rsa AAAA"}
	_, err = p.sealer.ProjectKey(nil, req)
	wantError(t, err, "SSH")
}

// TestSealedTextsComeBack: odd but allowed texts are sealed, verified, opened
// and kept like any other.
func TestSealedTextsComeBack(t *testing.T) {
	p := newPlatform(t)
	token := NewToken(marked)
	for _, odd := range append(scalars, "<<") {
		req := secretRequest("shop", "production", odd, p.recipient)
		req.Username = strings.ReplaceAll(odd, ":", ".")
		seal, err := p.sealer.PullSecret(nil, req, &token)
		check(t, err)
		info, err := Verify(req.Path, seal.Data, p.key.PublicKeys(), nil)
		check(t, err)
		if info.Owner != odd || info.Username != req.Username {
			t.Errorf("%q came back as %q and %q", odd, info.Owner, info.Username)
		}
		plain, err := Open(seal.Data, p.identity)
		check(t, err)
		root, err := readYAML(plain)
		check(t, err)
		if got := text(child(child(child(root, "metadata"), "annotations"), annOwner)); got != odd {
			t.Errorf("%q was opened as %q", odd, got)
		}
		again, err := p.sealer.PullSecret(seal.Data, req, &token)
		if err != nil || !again.Kept {
			t.Errorf("%q is not kept: %v", odd, err)
		}
	}
}

// TestFingerprintParts compares with a value computed in Python: each thing the fingerprint covers changes it, and
// parts cannot run into each other.
func TestFingerprintParts(t *testing.T) {
	k, err := ParseKey([]byte(fixedKey))
	check(t, err)
	s := k.current()
	base := s.fingerprintOf("ns", "name", 1, []string{"r1", "r2"}, []byte("config"))
	if want := "v1." + k.ID() + ".N-tDYoBVkKbVQZEvdYjwj-bAuGCFS1W_NV-dnq3xq-U"; base != want {
		t.Errorf("the fingerprint is computed in another way: %s, want %s", base, want)
	}
	if swapped := s.fingerprintOf("ns", "name", 1, []string{"r2", "r1"}, []byte("config")); swapped != base {
		t.Error("the order of recipients matters")
	}
	seen := map[string]int{base: -1}
	for i, other := range []string{
		s.fingerprintOf("n", "sname", 1, []string{"r1", "r2"}, []byte("config")),
		s.fingerprintOf("ns", "name1", 1, []string{"r1", "r2"}, []byte("config")),
		s.fingerprintOf("ns", "name", 2, []string{"r1", "r2"}, []byte("config")),
		s.fingerprintOf("ns", "name", 12, []string{"r1"}, []byte("config")),
		s.fingerprintOf("ns", "name", 1, []string{"r1"}, []byte("r2config")),
		s.fingerprintOf("ns", "name", 1, []string{"r1r2"}, []byte("config")),
		s.fingerprintOf("ns", "name", 1, []string{"r1", "r2", "config"}, nil),
		s.fingerprintOf("ns", "name", 1, []string{"r1", "r2"}, []byte("config ")),
	} {
		if before, ok := seen[other]; ok {
			t.Errorf("variants %d and %d have one fingerprint", i, before)
		}
		seen[other] = i
	}
	check(t, k.Rotate())
	if k.current().fingerprintOf("ns", "name", 1, nil, nil)[12:] == s.fingerprintOf("ns", "name", 1, nil, nil)[12:] {
		t.Error("the key does not matter")
	}
}

// TestEqualTokensAreUnlinkable: one token in two places has two fingerprints.
func TestEqualTokensAreUnlinkable(t *testing.T) {
	p := newPlatform(t)
	a := p.project(t, "shop", "alice", marked)
	b := p.project(t, "blog", "alice", marked)
	one, err := Inspect(a.seal.Data)
	check(t, err)
	two, err := Inspect(b.seal.Data)
	check(t, err)
	if one.Fingerprint == two.Fingerprint {
		t.Error("equal tokens can be told from outside")
	}
}

// TestOverwrite: the seal that replaces a file nobody believes continues its
// count, unless the count is absurd.
func TestOverwrite(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	req := s.req
	req.Overwrite = true
	keyReq := s.keyReq
	keyReq.Overwrite = true
	for name, tc := range map[string]struct {
		generation string
		want       int
	}{"claims 7": {"7", 8}, "absurd": {"2147483646", 1}, "nonsense": {"x", 1}} {
		damaged := replace(t, s.seal.Data, `berth/generation: "1"`, `berth/generation: "`+tc.generation+`"`)
		if _, err := p.sealer.PullSecret(damaged, s.req, &s.token); err == nil {
			t.Errorf("%s: replaced without being asked to", name)
		}
		got, err := p.sealer.PullSecret(damaged, req, &s.token)
		if err != nil || got.Kept || got.Generation != tc.want {
			t.Errorf("%s: %+v, %v", name, got.Generation, err)
		}
		if _, err := p.sealer.PullSecret(damaged, req, nil); !errors.Is(err, ErrNoToken) {
			t.Errorf("%s: without a token: %v", name, err)
		}
		if _, err := p.sealer.ProjectKey(damaged, s.keyReq); err == nil {
			t.Errorf("%s: key replaced without being asked to", name)
		}
		key, err := p.sealer.ProjectKey(damaged, keyReq)
		if err != nil || key.Kept || key.Generation != tc.want {
			t.Errorf("%s: key %+v, %v", name, key.Generation, err)
		}
	}
	got, err := p.sealer.PullSecret([]byte("rubbish"), req, &s.token)
	if err != nil || got.Generation != 1 {
		t.Errorf("rubbish: %v", err)
	}
}

func TestGenerationsEnd(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	last := p.resign(s.req.Path, replace(t, s.seal.Data, `berth/generation: "1"`, `berth/generation: "2147483647"`))
	req := s.req
	req.Renew = true
	if _, err := p.sealer.PullSecret(last, req, &s.token); err == nil || !strings.Contains(err.Error(), "generation") {
		t.Errorf("after the last generation: %v", err)
	}
}

// TestClockBehind: a machine whose clock is behind makes no seal that is older
// than the one it replaces.
func TestClockBehind(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	behind := sealerAt(p.key, clock.Add(-time.Hour))
	s.req.Renew = true
	seal, err := behind.PullSecret(s.seal.Data, s.req, &s.token)
	check(t, err)
	_, err = Verify(s.req.Path, seal.Data, p.key.PublicKeys(), s.seal.Data)
	check(t, err)
	s.keyReq.Owner = "bob"
	key, err := behind.ProjectKey(s.key.Data, s.keyReq)
	check(t, err)
	_, err = Verify(s.keyReq.Path, key.Data, p.key.PublicKeys(), s.key.Data)
	check(t, err)
}

// TestSealerConcurrently: one Sealer serves many goroutines and mixes nothing up.
func TestSealerConcurrently(t *testing.T) {
	p := newPlatform(t)
	var group sync.WaitGroup
	for i := range 16 {
		group.Go(func() {
			owner := fmt.Sprint("user", i)
			secret := marked + owner
			token := NewToken(secret)
			key, err := p.sealer.ProjectKey(nil, p.keyRequest("p"+owner, owner))
			if err != nil {
				t.Error(err)
				return
			}
			req := secretRequest("p"+owner, "dev", owner, key.Recipient)
			seal, err := p.sealer.PullSecret(nil, req, &token)
			if err != nil {
				t.Error(err)
				return
			}
			again, err := p.sealer.PullSecret(seal.Data, req, &token)
			if err != nil || !again.Kept {
				t.Errorf("not kept: %v", err)
			}
			identity, err := ProjectIdentity(key.Data, p.identity)
			if err != nil {
				t.Error(err)
				return
			}
			plain, err := Open(seal.Data, identity)
			if err != nil || !leaks(plain, secret) {
				t.Errorf("%s: another token came back: %v", owner, err)
			}
		})
	}
	group.Wait()
}

// TestSealsDiffer: nothing random is used twice.
func TestSealsDiffer(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	var lines []string
	for range 8 {
		seal, err := p.sealer.PullSecret(nil, s.req, &s.token)
		check(t, err)
		for line := range strings.Lines(string(seal.Data)) {
			if strings.Contains(line, "ENC[") || strings.HasPrefix(line, signaturePrefix) {
				lines = append(lines, line)
			}
		}
	}
	if slices.Sort(lines); len(slices.Compact(lines)) != 24 {
		t.Error("a ciphertext or signature came twice")
	}
}
