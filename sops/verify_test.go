package sops

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestVerify(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	info, err := Verify(s.req.Path, s.seal.Data, p.key.PublicKeys(), nil)
	check(t, err)
	want := Info{
		Kind: "Secret", Type: typePullSecret, Name: "ghcr-secret", Namespace: "project-shop-production",
		Owner: "alice", Registry: "ghcr.io", Username: "alice", Generation: 1, Fingerprint: info.Fingerprint,
		Recipients: []string{s.key.Recipient}, EncryptedRegex: encryptedRegex,
		LastModified: clock.UTC().Truncate(time.Second), SopsVersion: upstreamVersion,
		SignedPath: s.req.Path, KeyID: p.key.ID(),
	}
	if fmt.Sprintf("%+v", *info) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", *info, want)
	}
	keyInfo, err := Verify(s.keyReq.Path, s.key.Data, p.key.PublicKeys(), nil)
	check(t, err)
	if keyInfo.Recipient != s.key.Recipient || keyInfo.Project != "shop" || keyInfo.Recipients[0] != p.recipient || keyInfo.Fingerprint != "" {
		t.Errorf("project key %+v", *keyInfo)
	}
	inspected, err := Inspect(s.seal.Data)
	check(t, err)
	if fmt.Sprintf("%+v", *inspected) != fmt.Sprintf("%+v", want) {
		t.Errorf("Inspect says %+v", *inspected)
	}
}

// TestTampered names what was done to a file: once by Verify, once by the
// Sealer, which knows the request as well.
func TestTampered(t *testing.T) {
	p := newPlatform(t)
	alice := p.project(t, "shop", "alice", marked)
	bob := p.project(t, "blog", "bob", "bobs-token")
	sealed := string(alice.seal.Data)
	line, body, _ := strings.Cut(sealed, "\n")
	bobLine, bobBody, _ := strings.Cut(string(bob.seal.Data), "\n")
	values := func(s string) string { return s[strings.Index(s, "\ntype: "):] }
	put := func(find, with string) string { return string(replace(t, alice.seal.Data, find, with)) }
	block := func(field string) string { return put("\nsops:\n", "\nsops:\n    "+field+"\n") }

	for name, tc := range map[string]struct {
		data   string
		verify TamperKind // what public keys alone can tell
		seal   TamperKind // what the request tells as well; "" means the same
		detail string     // in the more telling one of the two
	}{
		"signature line gone":       {body, Unsigned, "", "first line"},
		"signature line moved":      {"\n" + sealed, Unsigned, "", ""},
		"plain comment first":       {"# x\n" + sealed, Unsigned, "", ""},
		"signature cut":             {line[:len(line)-4] + "\n" + body, Changed, "", "damaged"},
		"signature line longer":     {line + " x\n" + body, Changed, "", "damaged"},
		"Windows line ends":         {strings.ReplaceAll(sealed, "\n", "\r\n"), Changed, "", "damaged"},
		"line end added":            {sealed + "\n", Changed, "", "not those that were signed"},
		"comment added":             {put("\ntype:", "\n# hello\ntype:"), Changed, "", ""},
		"owner changed":             {put("owner: alice", "owner: bobby"), Changed, "", ""},
		"namespace changed":         {put("project-shop-production", "project-blog-production"), Changed, Spliced, ""},
		"name changed":              {put("name: ghcr-secret", "name: other"), Changed, Spliced, ""},
		"ciphertext changed":        {flip(sealed, strings.Index(sealed, "ENC[")+30), Changed, "", ""},
		"copied":                    {string(bob.seal.Data), Copied, "", bob.req.Path},
		"copied, other kind":        {string(alice.key.Data), Copied, "", alice.keyReq.Path},
		"bob's text, alice's line":  {line + "\n" + bobBody, Changed, Spliced, ""},
		"alice's text, bob's line":  {bobLine + "\n" + body, Spliced, "", bob.req.Path},
		"alice's head, bob's value": {line + "\n" + body[:strings.Index(body, "\ntype: ")] + values(bobBody), Changed, Spliced, "recipient"},
		"bob's head, alice's value": {bobLine + "\n" + bobBody[:strings.Index(bobBody, "\ntype: ")] + values(body), Spliced, "", ""},
		"unsigned splice":           {body[:strings.Index(body, "\ntype: ")] + values(bobBody), Unsigned, Spliced, ""},
		"recipient added":           {put("    encrypted_regex", "        - enc: x\n          recipient: "+someRecipient+"\n    encrypted_regex"), Changed, Spliced, "recipient"},
		"recipient swapped":         {put(alice.key.Recipient, someRecipient), Changed, Spliced, "recipient"},

		"empty":                  {"", Foreign, "", "empty"},
		"blank":                  {"\n\n", Foreign, "", "document"},
		"comment only":           {line + "\n", Foreign, "", ""},
		"cut in the values":      {sealed[:strings.Index(sealed, "data:")+20], Foreign, "", ""},
		"cut before sops":        {sealed[:strings.Index(sealed, "\nsops:")+1], Foreign, "", "no sops block"},
		"cut in the age block":   {sealed[:strings.Index(sealed, "-----BEGIN AGE")+140], Foreign, "", "cut short"},
		"cut after the regex":    {sealed[:strings.Index(sealed, "    lastmodified")], Foreign, "", "no MAC"},
		"cut before the version": {sealed[:strings.Index(sealed, "    version")], Changed, "", ""},
		"not YAML":               {line + "\n\x01{{{", Foreign, "", "not YAML"},
		"binary":                 {"\xff\xfe\x00\x00", Foreign, "", "UTF-8"},
		"byte order mark":        {"\ufeff" + sealed, Foreign, "", "UTF-8"},
		"a list":                 {"- a\n- b\n", Foreign, "", "not a mapping"},
		"plain Secret":           {"apiVersion: v1\nkind: Secret\nstringData: {a: b}\n", Foreign, "", "plain text"},
		"sops is a text":         {"kind: Secret\nsops: x\n", Foreign, "", "not a mapping"},
		"KMS":                    {block("kms: [{arn: a, enc: b}]"), Foreign, "", "sops.kms"},
		"KMS as a mapping":       {block("kms: {arn: a}"), Foreign, "", "sops.kms"},
		"GCP KMS":                {block("gcp_kms: [{resource_id: a}]"), Foreign, "", "sops.gcp_kms"},
		"Azure":                  {block("azure_kv: [{name: a}]"), Foreign, "", "sops.azure_kv"},
		"Vault":                  {block("hc_vault: [{key_name: a}]"), Foreign, "", "sops.hc_vault"},
		"Huawei KMS":             {block("hckms: [{key_id: a}]"), Foreign, "", "sops.hckms"},
		"PGP":                    {block("pgp: [{fp: a}]"), Foreign, "", "PGP"},
		"key groups":             {block("key_groups: [{age: []}]"), Foreign, "", "sops.key_groups"},
		"Shamir":                 {block("shamir_threshold: 2"), Foreign, "", "sops.shamir_threshold"},
		"unknown field":          {block("new_kms: []"), Foreign, "", "sops.new_kms"},
		"several rules":          {block("unencrypted_suffix: x"), Foreign, "", "several rules"},
		"rule by comments":       {block("encrypted_comment_regex: x"), Foreign, "", "comment"},
		"partial MAC":            {block("mac_only_encrypted: true"), Foreign, "", "MAC"},
		"other regex":            {put(encryptedRegex, "^(data)$"), Foreign, "", "encrypted_regex"},
		"endless regex":          {put(encryptedRegex, strings.Repeat("a", 300)), Foreign, "", "rule"},
		"no age":                 {put("    age:\n", "    age: []\n    age2:\n"), Foreign, "", ""},
		"age entry without enc":  {put("- enc: |", "- encc: |"), Foreign, "", "sops.age"},
		"age entry with more":    {put("        - enc: |", "        - x: y\n          enc: |"), Foreign, "", "sops.age"},
		"bad time":               {put(`"2026-01-02T02:04:05Z"`, "yesterday"), Foreign, "", "lastmodified"},
		"two documents":          {sealed + "---\nkind: ConfigMap\n", Foreign, "", "more than one"},
		"document first":         {line + "\nkind: ConfigMap\n---\n" + body, Foreign, "", ""},
		"anchor":                 {put("owner: alice", "owner: &a alice"), Foreign, "", "anchor"},
		"alias":                  {put("owner: alice", "owner: &a alice\n        x: *a"), Foreign, "", "anchor"},
		"merge key":              {put("berth/owner: alice", "<<: {a: b}"), Foreign, "", "key that is not text"},
		"tag":                    {put("owner: alice", "owner: !!str alice"), Foreign, "", "tag"},
		"duplicate key":          {put("kind: Secret", "kind: Secret\nkind: Secret"), Foreign, "", `duplicate key "kind"`},
		"duplicate in sops":      {block("mac: x"), Foreign, "", `duplicate key "mac"`},
		"number as key":          {put("kind: Secret", "kind: Secret\n1: x"), Foreign, "", "key that is not text"},
		"deep":                   {put("owner: alice", "owner: "+strings.Repeat("[", 40)+strings.Repeat("]", 40)), Foreign, "", "deeply"},
		"other kind":             {put("kind: Secret", "kind: ConfigMap"), Foreign, "", "not a Secret"},
		"other type":             {put("type: kubernetes.io/dockerconfigjson", "type: x"), Foreign, "", "type"},
		"stringData":             {put("\ndata:", "\nstringData: {a: b}\ndata:"), Foreign, "", "stringData"},
		"more data":              {put("    .dockerconfigjson:", "    x: plain\n    .dockerconfigjson:"), Foreign, "", `"x"`},
		"label":                  {put("    annotations:", "    labels: {a: b}\n    annotations:"), Foreign, "", `"labels"`},
		"annotation":             {put("        berth/owner", "        kustomize.toolkit.fluxcd.io/decrypt: disabled\n        berth/owner"), Foreign, "", "decrypt"},
		"annotation gone":        {put("        berth/owner: alice\n", ""), Foreign, "", "berth/owner"},
		"annotation a number":    {put(`generation: "1"`, `generation: 1`), Foreign, "", "generation"},
		"generation zero":        {put(`generation: "1"`, `generation: "0"`), Foreign, "", "generation"},
		"generation padded":      {put(`generation: "1"`, `generation: "01"`), Foreign, "", "generation"},
		"fingerprint form":       {put("fingerprint: v1.", "fingerprint: v2."), Foreign, "", "newer berth"},
		"type int":               {put("type:str]\nsops", "type:int]\nsops"), Foreign, "", "not an encrypted string"},
		"type comment":           {put("type:str]\nsops", "type:comment]\nsops"), Foreign, "", "not an encrypted string"},
		"plain value":            {put(".dockerconfigjson: ENC[", ".dockerconfigjson: PLAIN["), Foreign, "", "not an encrypted string"},
		"value and tail":         {put("type:str]\nsops", "type:str] plain\nsops"), Foreign, "", "not an encrypted string"},
		"MAC of another type":    {put("type:str]\n    version", "type:int]\n    version"), Foreign, "", "sops.mac"},
		"oversize":               {sealed + strings.Repeat("#", maxFile), Foreign, "", "larger"},
		"many lines":             {body + strings.Repeat("#\n", maxItems), Foreign, "", "lines"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Verify(alice.req.Path, []byte(tc.data), p.key.PublicKeys(), nil)
			kind, detail := tc.seal, tc.detail
			if kind == "" {
				kind = tc.verify
			} else {
				tc.detail = "" // the request tells it
			}
			wantTampered(t, err, tc.verify, tc.detail)
			wantPath(t, err, alice.req.Path)
			for _, token := range []*Token{nil, &alice.token} {
				seal, err := p.sealer.PullSecret([]byte(tc.data), alice.req, token)
				wantTampered(t, err, kind, detail)
				wantPath(t, err, alice.req.Path)
				if seal.Data != nil {
					t.Error("an error, and a seal")
				}
			}
			if _, err := p.sealer.ProjectKey([]byte(tc.data), p.keyRequest("other", "eve")); err == nil {
				t.Error("taken for a project key")
			}
		})
	}
}

func wantPath(t *testing.T, err error, path string) {
	t.Helper()
	var tampered *TamperedError
	if errors.As(err, &tampered) && (tampered.Path != path || !strings.HasPrefix(err.Error(), path+": "+string(tampered.Kind))) {
		t.Errorf("the error does not name the path: %v", err)
	}
	if err != nil && (leaks([]byte(err.Error()), marked) || len(err.Error()) > 600) {
		t.Errorf("the error says too much: %v", err)
	}
}

// flip changes one character of base64 into another.
func flip(s string, at int) string {
	with := "A"
	if s[at] == 'A' {
		with = "B"
	}
	return s[:at] + with + s[at+1:]
}

// TestSignedForeign: a signature does not make up for a wrong shape: another
// version of berth, or somebody with the berth key, may have made it.
func TestSignedForeign(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	for find, with := range map[string]string{
		"kind: Secret":  "kind: ConfigMap",
		"\nsops:\n":     "\nsops:\n    kms: [{arn: a}]\n",
		"owner: alice":  "owner: &a alice",
		encryptedRegex:  "^data$",
		".dockerconfig": "x.dockerconfig",
	} {
		signed := p.resign(s.req.Path, replace(t, s.seal.Data, find, with))
		_, err := Verify(s.req.Path, signed, p.key.PublicKeys(), nil)
		wantTampered(t, err, Foreign, "")
		_, err = p.sealer.PullSecret(signed, s.req, &s.token)
		wantTampered(t, err, Foreign, "")
	}
}

// TestInspectOldVersions: sops up to 3.7 wrote empty lists for the kinds of
// key that a file does not have.
func TestInspectOldVersions(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	_, body, _ := bytes.Cut(s.seal.Data, []byte("\n"))
	old := replace(t, body, "\nsops:\n", "\nsops:\n    kms: []\n    gcp_kms: []\n    azure_kv: []\n    hc_vault: []\n    pgp: []\n    shamir_threshold: 0\n")
	info, err := Inspect(old)
	check(t, err)
	if info.Owner != "alice" || info.Generation != 1 {
		t.Errorf("inspected %+v", info)
	}
	want, err := Open(s.seal.Data, s.identity)
	check(t, err)
	if got, err := Open(old, s.identity); err != nil || !bytes.Equal(got, want) {
		t.Errorf("opened %s, %v", got, err)
	}
}

func TestVerifyUnknownKey(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	stranger, err := NewKey()
	check(t, err)
	for name, trusted := range map[string][]PublicKey{"nobody": nil, "a stranger": stranger.PublicKeys(), "zero": {{}}} {
		_, err := Verify(s.req.Path, s.seal.Data, trusted, nil)
		if !errors.Is(err, ErrUnknownKey) || !strings.Contains(err.Error(), p.key.ID()) || !strings.Contains(err.Error(), s.req.Path) {
			t.Errorf("%s trusted: %v", name, err)
		}
	}
	_, err = Verify(s.req.Path, s.seal.Data, append(stranger.PublicKeys(), p.key.PublicKeys()...), nil)
	check(t, err)
}

// TestVerifyBase: against what the path held before.
func TestVerifyBase(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	first := s.seal.Data
	req := s.req
	req.Renew = true
	next := func(prior []byte) []byte {
		seal, err := p.sealer.PullSecret(prior, req, &s.token)
		check(t, err)
		return seal.Data
	}
	second := next(first)
	third := next(second)
	otherSecond := next(first)
	p.sealer = sealerAt(p.key, clock.Add(time.Hour))
	anew := next(nil) // after the environment was deleted
	broken := replace(t, third, "owner: alice", "owner: bobby")
	copied := p.project(t, "blog", "bob", marked).seal.Data

	for name, tc := range map[string]struct {
		data, base []byte
		want       TamperKind
		detail     string
	}{
		"new":                       {first, nil, "", ""},
		"same":                      {second, second, "", ""},
		"next":                      {second, first, "", ""},
		"skips one":                 {third, first, "", ""},
		"restored":                  {first, third, Older, "generation 1, and the base is at 3"},
		"one back":                  {second, third, Older, "generation 2, and the base is at 3"},
		"twin":                      {otherSecond, second, Older, "another seal of generation 2"},
		"made anew":                 {anew, nil, "", ""},
		"restored below one anew":   {third, anew, Older, "sealed at 2026-01-02T02:04:05Z, and the base at 2026-01-02T03:04:05Z"},
		"anew above an old one":     {anew, third, Older, "generation 1, and the base is at 3"},
		"next of one anew":          {next(anew), anew, "", ""},
		"base broken":               {first, broken, "", ""},
		"base is another path's":    {first, copied, "", ""},
		"base is rubbish":           {first, []byte("x"), "", ""},
		"base is empty":             {first, []byte{}, "", ""},
		"both broken alike":         {broken, broken, Changed, ""},
		"broken":                    {broken, third, Changed, ""},
		"spliced against the base":  {replace(t, third, s.key.Recipient, someRecipient), second, Spliced, "recipient"},
		"renamed against the base":  {replace(t, third, "name: ghcr-secret", "name: x"), second, Spliced, "/x instead of"},
		"copied stays copied":       {copied, second, Copied, "blog"},
		"unsigned against the base": {third[bytes.IndexByte(third, '\n')+1:], second, Unsigned, ""},
	} {
		t.Run(name, func(t *testing.T) {
			info, err := Verify(s.req.Path, tc.data, p.key.PublicKeys(), tc.base)
			if tc.want != "" {
				wantTampered(t, err, tc.want, tc.detail)
				if info != nil {
					t.Error("an error, and an Info")
				}
				return
			}
			check(t, err)
		})
	}
}

// TestEveryByte flips each byte of two sealed files in several ways: Verify
// never passes, Open fails or gives the identical plaintext.
func TestEveryByte(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	for name, tc := range map[string]struct {
		path, identity string
		data           []byte
	}{
		"pull secret": {s.req.Path, s.identity, s.seal.Data},
		"project key": {s.keyReq.Path, p.identity, s.key.Data},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := Open(tc.data, tc.identity)
			check(t, err)
			opened := 0
			for i := 0; i < len(tc.data); i += sampled {
				for _, b := range []byte{tc.data[i] ^ 1, tc.data[i] ^ 0x20, '\n', '#'} {
					if b == tc.data[i] {
						continue
					}
					changed := slices.Clone(tc.data)
					changed[i] = b
					if bytesHold(t, tc.path, changed, tc.identity, want, p.key.PublicKeys()) {
						opened++
					}
				}
			}
			if opened == 0 || opened > len(tc.data)/sampled {
				t.Errorf("%d changes opened: the test does not try both cases", opened)
			}
		})
	}
}

// bytesHold checks the invariant for one changed file.
func bytesHold(t *testing.T, path string, changed []byte, identity string, want []byte, trusted []PublicKey) (opened bool) {
	t.Helper()
	if _, err := Verify(path, changed, trusted, nil); err == nil {
		t.Errorf("a changed file verifies:\n%s", changed)
	}
	got, err := Open(changed, identity)
	if err != nil {
		if leaks([]byte(err.Error()), marked) {
			t.Errorf("the error shows the token: %v", err)
		}
		return false
	}
	if !bytes.Equal(got, want) {
		t.Errorf("a changed file opens as something else:\n%s\n%s", changed, got)
	}
	return true
}

// FuzzFlip changes one byte of a fixed sealed file and checks the same.
func FuzzFlip(f *testing.F) {
	key, err := ParseKey([]byte(fixedKey))
	check(f, err)
	data, err := os.ReadFile(filepath.Join("testdata", "sealed.yaml"))
	check(f, err)
	identity, err := os.ReadFile(filepath.Join("testdata", "identity.txt"))
	check(f, err)
	path := secretRequest("shop", "production", "alice", "").Path
	_, err = Verify(path, data, key.PublicKeys(), nil)
	check(f, err)
	want, err := Open(data, string(identity))
	check(f, err)
	f.Add(uint16(0), byte('!'))
	f.Add(uint16(200), byte('\n'))
	f.Add(uint16(len(data)-1), byte(0x85))
	f.Fuzz(func(t *testing.T, at uint16, b byte) {
		if int(at) >= len(data) || data[at] == b {
			return
		}
		changed := slices.Clone(data)
		changed[at] = b
		bytesHold(t, path, changed, string(identity), want, key.PublicKeys())
	})
}

// TestSealedSample: a file that an earlier version sealed is still right. With
// -update it is sealed again.
func TestSealedSample(t *testing.T) {
	key, err := ParseKey([]byte(fixedKey))
	check(t, err)
	if *update {
		file, recipient, err := NewIdentity(false)
		check(t, err)
		token := NewToken(marked)
		seal, err := sealerAt(key, clock).PullSecret(nil, secretRequest("shop", "production", "alice", recipient), &token)
		check(t, err)
		writeFile(t, filepath.Join("testdata", "identity.txt"), file)
		writeFile(t, filepath.Join("testdata", "sealed.yaml"), seal.Data)
	}
	data, err := os.ReadFile(filepath.Join("testdata", "sealed.yaml"))
	check(t, err)
	identity, err := os.ReadFile(filepath.Join("testdata", "identity.txt"))
	check(t, err)
	req := secretRequest("shop", "production", "alice", "")
	info, err := Verify(req.Path, data, key.PublicKeys(), nil)
	check(t, err)
	req.Recipient = info.Recipients[0]
	token := NewToken(marked)
	seal, err := NewSealer(key, nil).PullSecret(data, req, &token)
	if err != nil || !seal.Kept {
		t.Errorf("a file sealed by an earlier version is not kept: %v %s", err, seal.Reason)
	}
	plain, err := Open(data, string(identity))
	if err != nil || !leaks(plain, marked) {
		t.Errorf("a file sealed by an earlier version does not open: %v", err)
	}
}

// FuzzInspect: whatever is read, nothing panics, what is accepted is sealed to
// somebody, and nobody believes it.
func FuzzInspect(f *testing.F) {
	data, err := os.ReadFile(filepath.Join("testdata", "sealed.yaml"))
	check(f, err)
	identity, err := os.ReadFile(filepath.Join("testdata", "identity.txt"))
	check(f, err)
	stranger, err := NewKey()
	check(f, err)
	f.Add(data)
	f.Add(bytes.ToUpper(data))
	f.Add([]byte("sops: {age: [{recipient: a, enc: b}], mac: x, lastmodified: '2026-01-02T02:04:05Z'}\ndata: {a: b}\n"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Add([]byte("a: &b [*b]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		info, err := Inspect(data)
		if err != nil {
			wantTampered(t, err, Foreign, "")
		} else if len(info.Recipients) == 0 || info.LastModified.IsZero() || info.Generation < 0 {
			t.Errorf("accepted %+v", info)
		}
		if _, err := Verify("projects/x", data, stranger.PublicKeys(), data); err == nil {
			t.Error("verified with a key that signed nothing")
		}
		_, _ = Open(data, string(identity))
	})
}
