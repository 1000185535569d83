package sops

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	upstreamage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	upstreamyaml "github.com/getsops/sops/v3/stores/yaml"
	"github.com/getsops/sops/v3/version"
)

// upstreamCommand builds the sops command of the module in go.mod, once.
var upstreamCommand = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "tool", "-n", "sops").Output() // builds it, then prints where
	return strings.TrimSpace(string(out)), err
})

// runSops runs it with one identity, an empty home and nothing else.
func runSops(t *testing.T, identity string, args ...string) (string, error) {
	t.Helper()
	command, err := upstreamCommand()
	if err != nil {
		t.Fatalf("build the sops command: %v", err)
	}
	dir := t.TempDir()
	cmd := exec.Command(command, args...)
	cmd.Dir = dir
	cmd.Env = []string{"HOME=" + dir, "SOPS_AGE_KEY_FILE=" + writeFile(t, filepath.Join(dir, "key.txt"), []byte(identity))}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Logf("sops %v: %s", args, stderr.String())
	}
	return string(out), err
}

func TestUpstreamVersion(t *testing.T) {
	if version.Version != upstreamVersion {
		t.Errorf("sops.version says %s, the linked library is %s", upstreamVersion, version.Version)
	}
}

// TestUpstreamOpens: the sops command opens what we seal, MAC and all, and
// says the same as Open.
func TestUpstreamOpens(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	hybridFile, hybrid, err := NewIdentity(true)
	check(t, err)
	check(t, p.key.Pin(hybrid))
	hybridReq := p.keyRequest("shop", `"al: ice" <é@☃> #1`)
	hybridReq.Recipients = []string{hybrid, p.recipient}
	hybridKey, err := sealerAt(p.key, clock).ProjectKey(nil, hybridReq)
	check(t, err)

	for name, tc := range map[string]struct {
		data     []byte
		identity string
	}{
		"pull secret":           {s.seal.Data, s.identity},
		"project key":           {s.key.Data, p.identity},
		"two recipients":        {hybridKey.Data, p.identity},
		"two recipients, other": {hybridKey.Data, string(hybridFile)},
	} {
		t.Run(name, func(t *testing.T) {
			file := writeFile(t, filepath.Join(t.TempDir(), "x.sops.yaml"), tc.data)
			got, err := runSops(t, tc.identity, "decrypt", file)
			check(t, err)
			line, plain, _ := strings.Cut(got, "\n")
			if !strings.HasPrefix(line, signaturePrefix) {
				t.Errorf("sops lost the signature line: %s", line)
			}
			want, err := Open(tc.data, tc.identity)
			check(t, err)
			if plain != string(want) {
				t.Errorf("sops says\n%s\nOpen says\n%s", plain, want)
			}
			value, err := runSops(t, tc.identity, "decrypt", "--extract", `["metadata"]["name"]`, file)
			if err != nil || value == "" {
				t.Errorf("--extract: %q, %v", value, err)
			}
		})
	}
	if _, err := runSops(t, p.identity, "decrypt", writeFile(t, filepath.Join(t.TempDir(), "x.yaml"), s.seal.Data)); err == nil {
		t.Error("sops opens a pull secret with the platform key")
	}
	damaged := replace(t, s.seal.Data, "berth/owner: alice", "berth/owner: alicf")
	if _, err := runSops(t, s.identity, "decrypt", writeFile(t, filepath.Join(t.TempDir(), "x.yaml"), damaged)); err == nil {
		t.Error("sops does not check the MAC, so its agreement above means nothing")
	}
}

// TestOpensUpstream: we open and inspect what the sops command seals.
func TestOpensUpstream(t *testing.T) {
	identity, recipient, err := NewIdentity(false)
	check(t, err)
	hybridFile, hybrid, err := NewIdentity(true)
	check(t, err)
	secret := "apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\n  namespace: y\n  annotations: {berth/owner: alice}\n" +
		"type: Opaque\nstringData:\n  a: one\n  b: |\n    two\n    lines\n"
	mixture := "# head\nstr: a b # tail\nint: 5\nneg: -7\nfloat: 1.5\nbig: 1e30\nyes: true\nno: false\nnil: ~\nempty: ''\nlist:\n- 1\n- two\n# inside\n- [3, four]\n" +
		"deep: {a: {b: {c: d}}}\ntime: 2001-02-03T04:05:06Z\nquoted: \"5\"\nmulti: |-\n  x\n   y\nplain_unencrypted: see\nuni: \"\\u263a\\t\"\nbinary: aGk=\n"
	for name, tc := range map[string]struct {
		plain string
		args  []string
	}{
		"secret":            {secret, []string{"--encrypted-regex", encryptedRegex}},
		"everything":        {mixture, nil},
		"encrypted suffix":  {mixture, []string{"--encrypted-suffix", "t"}},
		"unencrypted regex": {mixture, []string{"--unencrypted-regex", "^(list|deep)$"}},
		"other suffix":      {mixture, []string{"--unencrypted-suffix", "t"}},
		"partial MAC":       {secret, []string{"--config", "RULE"}},
		"two recipients":    {secret, []string{"--age", recipient + "," + hybrid}},
		"hybrid only":       {secret, []string{"--age", hybrid}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			in := writeFile(t, filepath.Join(dir, "in.yaml"), []byte(tc.plain))
			args := append([]string{"encrypt"}, tc.args...)
			if i := slices.Index(args, "RULE"); i > 0 {
				rule := "creation_rules: [{mac_only_encrypted: true, encrypted_regex: ^(data|stringData)$, age: " + recipient + "}]\n"
				args[i] = writeFile(t, filepath.Join(dir, "rule.yaml"), []byte(rule))
				args = append([]string{"--config", args[i]}, args[0])
			} else if !slices.Contains(args, "--age") {
				args = append(args, "--age", recipient)
			}
			text, err := runSops(t, string(identity), append(args, in)...)
			check(t, err)
			got, err := Open([]byte(text), string(identity)+string(hybridFile))
			check(t, err)
			want, err := runSops(t, string(identity)+string(hybridFile), "decrypt", writeFile(t, filepath.Join(dir, "x.sops.yaml"), []byte(text)))
			check(t, err)
			if string(got) != withoutComments(want) {
				t.Errorf("Open says\n%s\nsops says\n%s", got, want)
			}
			info, err := Inspect([]byte(text))
			check(t, err)
			if info.SopsVersion != upstreamVersion || len(info.Recipients) == 0 || time.Since(info.LastModified) > time.Hour || info.SignedPath != "" {
				t.Errorf("inspected %+v", info)
			}
			if strings.Contains(tc.plain, "kind: Secret") && strings.Contains(text, "kind: Secret") && (info.Name != "x" || info.Namespace != "y" || info.Kind != "Secret" || info.Owner != "alice") {
				t.Errorf("inspected %+v", info)
			}
			if _, err := Open([]byte(text), p2(t)); err == nil {
				t.Error("a stranger's key opens it")
			}
		})
	}
}

// p2 returns an identity of somebody else.
func p2(t *testing.T) string {
	t.Helper()
	file, _, err := NewIdentity(false)
	check(t, err)
	return string(file)
}

// withoutComments takes away the comment lines and tails of mixture.
func withoutComments(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		out.WriteString(strings.Replace(line, " # tail", "", 1))
	}
	return out.String()
}

// TestEmitsAsUpstream compares every byte of a sealed body with what
// upstream's own tree, cipher and store make of the same parts.
func TestEmitsAsUpstream(t *testing.T) {
	p := newPlatform(t)
	_, hybrid, err := NewIdentity(true)
	check(t, err)
	for _, owner := range scalars {
		secret := plainSecret{
			name: "ghcr-secret", namespace: "project-shop-production", typ: typePullSecret,
			annotations: []annotation{{annGeneration, "1"}, {annOwner, owner}},
			dataKey:     dataPullSecret, value: strings.Repeat("aGVsbG8gd29ybGQh", 20),
		}
		recipients := []string{p.recipient, hybrid}
		ours, err := secret.seal(recipients, clock)
		check(t, err)
		if theirs := upstreamEmit(t, &secret, ours); string(ours) != theirs {
			t.Fatalf("owner %q: ours\n%s\nupstream's\n%s", owner, ours, theirs)
		}
	}
}

// scalars are texts that YAML could take for something else.
var scalars = []string{
	"alice", "Alice.B-c_d/e", "0", "1", "01", "08", "09", "00", "123456789012345678901234567890", "0x1f", "1e3", "1_000", "1.5", ".5", "-", "--", "-1", "+1", "true", "True", "yes", "NO", "on", "Off", "y", "N", "null", "Null", "~",
	"nan", ".nan", ".inf", "-.Inf", "=", "2001-01-01", "12:30:45", "a:b", "a: b", "a:", ":a", "a #b", "a#b", "#a", "&a", "*a", "!a", "|", ">", "@a", "`a", "%a", "'", "''",
	`"`, `"a"`, "a'b", `a\b`, "{a}", "[a]", "a,b", ", a", "? a", "?a", "- a", "-a", "a ", " a", "a  b", "é", "☃", "\U0001F600", "日本", "---", "...", "--- a", "a---", "$x", "tcr$robot+x",
	"a|b", "a>b", "a%b", "null.", "true/", "x509", "e5", "Infinity", "0b1", "0o7", "1,2", "v1.3f29c0aa.abc-_", "alice@example.com", strings.Repeat("long text ", 60) + "end",
}

// upstreamEmit builds the same Secret with upstream's types. It takes the
// random parts, which are all ciphertext, from ours.
func upstreamEmit(t testing.TB, s *plainSecret, ours []byte) string {
	t.Helper()
	d, err := readDocument(ours)
	check(t, err)
	var annotations sops.TreeBranch
	for _, a := range s.annotations {
		annotations = append(annotations, sops.TreeItem{Key: a.key, Value: a.value})
	}
	tree := sops.Tree{
		Branches: sops.TreeBranches{{
			{Key: "apiVersion", Value: "v1"},
			{Key: "kind", Value: "Secret"},
			{Key: "metadata", Value: sops.TreeBranch{
				{Key: "name", Value: s.name}, {Key: "namespace", Value: s.namespace}, {Key: "annotations", Value: annotations},
			}},
			{Key: "type", Value: s.typ},
			{Key: "data", Value: sops.TreeBranch{{Key: s.dataKey, Value: text(child(child(d.root, "data"), s.dataKey))}}},
		}},
		Metadata: sops.Metadata{
			LastModified: d.sops.lastModified, EncryptedRegex: encryptedRegex, MessageAuthenticationCode: d.sops.mac, Version: version.Version,
		},
	}
	var group sops.KeyGroup
	for _, stanza := range d.sops.stanzas {
		group = append(group, &upstreamage.MasterKey{Recipient: stanza.recipient, EncryptedKey: stanza.enc})
	}
	tree.Metadata.KeyGroups = []sops.KeyGroup{group}
	out, err := upstreamyaml.NewStore(&config.YAMLStoreConfig{}).EmitEncryptedFile(tree)
	check(t, err)
	return string(out)
}

// TestMACAsUpstream: upstream's own Encrypt computes the MAC that we stored.
func TestMACAsUpstream(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	plain, err := Open(s.seal.Data, s.identity)
	check(t, err)
	branches, err := upstreamyaml.NewStore(&config.YAMLStoreConfig{}).LoadPlainFile(plain)
	check(t, err)
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{EncryptedRegex: encryptedRegex}}
	want, err := tree.Encrypt(make([]byte, dataKeySize), aes.NewCipher())
	check(t, err)

	d, err := readDocument(s.seal.Data)
	check(t, err)
	ids, err := parseIdentities(s.identity)
	check(t, err)
	key, err := unwrap(d.sops.stanzas, ids)
	check(t, err)
	got, err := aes.NewCipher().Decrypt(d.sops.mac, key, "2026-01-02T02:04:05Z")
	if err != nil || got != want {
		t.Errorf("stored MAC %v (%v), upstream's %s", got, err, want)
	}
}

// FuzzScalar: any text we accept is written as upstream would write it.
func FuzzScalar(f *testing.F) {
	for _, s := range append(scalars, "<<") {
		f.Add(s)
	}
	store := upstreamyaml.NewStore(&config.YAMLStoreConfig{})
	f.Fuzz(func(t *testing.T, s string) {
		if plainText("text", s) != nil {
			return
		}
		ours, err := yamlScalar(s)
		check(t, err)
		theirs, err := store.EmitPlainFile(sops.TreeBranches{{{Key: "k", Value: s}}})
		check(t, err)
		if "k: "+ours+"\n" != string(theirs) && s != "<<" { // which upstream writes as a merge key
			t.Errorf("%q: ours %q, upstream's %q", s, ours, theirs)
		}
		root, err := readYAML([]byte("k: " + ours + "\n"))
		if err != nil || text(child(root, "k")) != s {
			t.Errorf("%q is read back from %q as %q, %v", s, ours, text(child(root, "k")), err)
		}
	})
}

// TestNothingAmbient: with every place set up from which upstream would take
// an identity or a rule, berth neither opens with them nor runs them.
func TestNothingAmbient(t *testing.T) {
	p := newPlatform(t)
	home := t.TempDir()
	ran := filepath.Join(home, "ran")
	script := writeFile(t, filepath.Join(home, "keys.sh"), []byte("#!/bin/sh\ntouch "+ran+"\ncat "+filepath.Join(home, "key.txt")+"\n"))
	check(t, os.Chmod(script, 0o700))
	s := p.project(t, "shop", "alice", marked)
	key := writeFile(t, filepath.Join(home, "key.txt"), []byte(s.identity))
	for _, dir := range []string{"sops/age", ".config/sops/age", ".ssh"} {
		check(t, os.MkdirAll(filepath.Join(home, dir), 0o700))
	}
	writeFile(t, filepath.Join(home, ".config/sops/age/keys.txt"), []byte(s.identity))
	writeFile(t, filepath.Join(home, "sops/age/keys.txt"), []byte(s.identity))
	writeFile(t, filepath.Join(home, ".sops.yaml"), []byte("creation_rules:\n- age: "+someRecipient+"\n  encrypted_regex: ^nothing$\n"))
	t.Chdir(home)

	for name, env := range map[string]map[string]string{
		"SOPS_AGE_KEY":      {"SOPS_AGE_KEY": s.identity},
		"SOPS_AGE_KEY_FILE": {"SOPS_AGE_KEY_FILE": key},
		"SOPS_AGE_KEY_CMD":  {"SOPS_AGE_KEY_CMD": script},
		"HOME":              {"HOME": home, "XDG_CONFIG_HOME": ""},
		"XDG_CONFIG_HOME":   {"XDG_CONFIG_HOME": home},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HOME", t.TempDir())
			for k, v := range env {
				t.Setenv(k, v)
			}
			d, err := readDocument(s.seal.Data)
			check(t, err)
			trap := upstreamage.MasterKey{Recipient: d.sops.stanzas[0].recipient, EncryptedKey: d.sops.stanzas[0].enc}
			if _, err := trap.Decrypt(); err != nil {
				t.Fatalf("the trap does not even catch upstream: %v", err)
			}
			_ = os.Remove(ran)

			if _, err := Open(s.seal.Data, p.identity); err == nil {
				t.Error("Open used an identity that it was not given")
			}
			if _, err := Open(s.seal.Data, ""); err == nil {
				t.Error("Open without identities found one")
			}
			again, err := p.sealer.PullSecret(s.seal.Data, s.req, &s.token)
			if err != nil || !again.Kept {
				t.Errorf("not kept: %v", err)
			}
			fresh := p.project(t, "shop", "alice", marked)
			info, err := Verify(fresh.req.Path, fresh.seal.Data, p.key.PublicKeys(), nil)
			check(t, err)
			if info.EncryptedRegex != encryptedRegex || info.Recipients[0] != fresh.key.Recipient {
				t.Errorf("a rule from outside was followed: %+v", info)
			}
			if _, err := os.Stat(ran); err == nil {
				t.Error("the key command was run")
			}
		})
	}
}

// TestNotLinked: upstream's library, which brings the clients of six clouds and
// reads /etc/sops when a program starts, is what we compare with in tests, and
// in no program that imports this package.
func TestNotLinked(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	check(t, err)
	linked := strings.Fields(string(out))
	if !slices.Contains(linked, "filippo.io/age") {
		t.Fatal("the list of packages is not that of this package")
	}
	for _, path := range linked {
		if strings.HasPrefix(path, "github.com/getsops/") || strings.HasPrefix(path, "net/http") {
			t.Errorf("%s is linked", path)
		}
	}
}

// FuzzDecryptAsUpstream: what upstream's library seals, under any rule, we open
// exactly when it does itself, to the same text.
func FuzzDecryptAsUpstream(f *testing.F) {
	for _, plain := range []string{"a: b", "a: [1, two, 3.5, true, ~, '', 2001-02-03T04:05:06Z, {b: c}]\nd_unencrypted: {e: f}\n", "data: {x: ' '}\n\"<<\": 1\n"} {
		for kind := range byte(10) {
			f.Add(plain, kind, "d")
		}
	}
	store := upstreamyaml.NewStore(&config.YAMLStoreConfig{})
	key := bytes.Repeat([]byte{7}, dataKeySize)
	f.Fuzz(func(t *testing.T, plain string, kind byte, pattern string) {
		if strings.Contains(plain, "#") || pattern == "" || len(pattern) > maxSelector {
			return // we leave comments out
		}
		meta := sops.Metadata{LastModified: clock.UTC(), Version: upstreamVersion, MACOnlyEncrypted: kind >= 5,
			KeyGroups: []sops.KeyGroup{{&upstreamage.MasterKey{Recipient: someRecipient, EncryptedKey: "x"}}}}
		*[]*string{&meta.EncryptedRegex, &meta.UnencryptedRegex, &meta.EncryptedSuffix, &meta.UnencryptedSuffix, new(string)}[kind%5] = pattern
		if kind%5 == 4 {
			meta.UnencryptedSuffix = sops.DefaultUnencryptedSuffix
		}
		branches, err := store.LoadPlainFile([]byte(plain))
		if err != nil || len(branches) != 1 {
			return
		}
		tree := sops.Tree{Branches: branches, Metadata: meta}
		mac, err := tree.Encrypt(key, aes.NewCipher())
		if err != nil {
			return
		}
		tree.Metadata.MessageAuthenticationCode, err = aes.NewCipher().Encrypt(mac, key, meta.LastModified.Format(time.RFC3339))
		check(t, err)
		sealed, err := store.EmitEncryptedFile(tree)
		if err != nil {
			return
		}
		d, err := readDocument(sealed)
		if err != nil {
			return // it has what we never open: anchors, tags, odd keys
		}
		ours, err := d.decrypt(key)
		theirs, theirErr := upstreamDecrypt(store, sealed, key)
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("ours: %v, upstream's: %v\n%s", err, theirErr, sealed)
		}
		if err == nil {
			got, err := writeYAML(ours)
			check(t, err)
			if string(got) != theirs {
				t.Errorf("ours\n%s\nupstream's\n%s", got, theirs)
			}
		}
	})
}

// upstreamDecrypt is what the sops command does with a file and its data key.
func upstreamDecrypt(store *upstreamyaml.Store, sealed, key []byte) (string, error) {
	tree, err := store.LoadEncryptedFile(sealed)
	if err != nil {
		return "", err
	}
	computed, err := tree.Decrypt(key, aes.NewCipher())
	if err != nil {
		return "", err
	}
	stored, err := aes.NewCipher().Decrypt(tree.Metadata.MessageAuthenticationCode, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil || stored != computed {
		return "", sops.MacMismatch
	}
	plain, err := store.EmitPlainFile(tree.Branches)
	return string(plain), err
}
