package sops

import (
	"errors"
	"strings"
	"testing"

	"filippo.io/age"
)

const someRecipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"

func TestValidRecipient(t *testing.T) {
	_, hybrid, err := NewIdentity(true)
	check(t, err)
	for name, tc := range map[string]struct{ recipient, want string }{
		"X25519":             {someRecipient, ""},
		"hybrid":             {hybrid, ""},
		"empty":              {"", "does not begin"},
		"ssh":                {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA x@y", "SSH"},
		"plugin":             {"age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "plugin"},
		"tag":                {"age1tag1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "plugin"},
		"identity":           {"AGE-SECRET-KEY-1QQPQYQ", "private key"},
		"identity lower":     {"age-secret-key-1qqpqyq", "private key"},
		"plugin identity":    {"AGE-PLUGIN-X-1QQ", "private key"},
		"PGP":                {"85D77543B3D624B63CEA9E6DBC17301B491B3F21", "does not begin"},
		"KMS":                {"arn:aws:kms:us-east-1:1:key/2", "does not begin"},
		"mistyped":           {strings.Replace(someRecipient, "7", "8", 1), "mistyped"},
		"cut short":          {someRecipient[:40], "mistyped"},
		"upper case":         {strings.ToUpper(someRecipient), "does not begin"},
		"trailing space":     {someRecipient + " ", "mistyped"},
		"two":                {someRecipient + "," + someRecipient, "plugin"},
		"mistyped hybrid":    {hybrid[:900] + "q" + hybrid[901:len(hybrid)-1], "mistyped"},
		"X25519 as a hybrid": {"age1pq1" + someRecipient[5:], "mistyped"},
	} {
		t.Run(name, func(t *testing.T) {
			err := ValidRecipient(tc.recipient)
			wantError(t, err, tc.want)
			if err != nil && (len(err.Error()) > 300 || strings.Contains(err.Error(), "QQPQYQ")) {
				t.Errorf("the error says too much: %v", err)
			}
		})
	}
}

func TestNewIdentity(t *testing.T) {
	for _, hybrid := range []bool{false, true} {
		file, recipient, err := newIdentity(hybrid, clock)
		check(t, err)
		lines := strings.Split(string(file), "\n")
		if len(lines) != 4 || lines[0] != "# created: 2026-01-02T03:04:05+01:00" || lines[1] != "# public key: "+recipient || lines[3] != "" {
			t.Errorf("not what age-keygen writes:\n%s\n%s", lines[0], lines[1])
		}
		ids, err := age.ParseIdentities(strings.NewReader(string(file)))
		if err != nil || len(ids) != 1 {
			t.Errorf("age reads %d identities: %v", len(ids), err)
		}
		if got, err := RecipientsOf(string(file)); err != nil || len(got) != 1 || got[0] != recipient || isHybrid(recipient) != hybrid {
			t.Errorf("recipients %v, %v", got, err)
		}
		check(t, ValidRecipient(recipient))
	}
}

func TestRecipientsOfErrors(t *testing.T) {
	file, _, err := NewIdentity(false)
	check(t, err)
	secret := strings.Split(string(file), "\n")[2]
	for name, text := range map[string]string{
		"empty": "", "comments": "# x\n", "a recipient": someRecipient, "cut short": "# x\n" + secret[:50], "ssh": "-----BEGIN OPENSSH PRIVATE KEY-----",
		"plugin": "AGE-PLUGIN-X-1QQPQYQ", "two on a line": secret + " " + secret, "lower case": strings.ToLower(secret) + "x",
	} {
		_, err := RecipientsOf(text)
		if err == nil {
			t.Errorf("%s: accepted", name)
		} else if showsSecret(err.Error(), secret[len("AGE-SECRET-KEY-1"):]) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
	if got, err := RecipientsOf("\r\n  " + secret + "\r\n"); err != nil || len(got) != 1 {
		t.Errorf("with white space: %v, %v", got, err)
	}
}

func TestRecipientWarnings(t *testing.T) {
	_, hybrid, err := NewIdentity(true)
	check(t, err)
	for name, tc := range map[string]struct {
		recipients []string
		want       int
	}{
		"none": {nil, 0}, "X25519": {[]string{someRecipient}, 0}, "hybrid": {[]string{hybrid, hybrid}, 0}, "mixed": {[]string{hybrid, someRecipient}, 1},
	} {
		if got := RecipientWarnings(tc.recipients); len(got) != tc.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestHybridFollows: a project key is as strong as the platform's recipients,
// and everything opens in every mixture.
func TestHybridFollows(t *testing.T) {
	weak, weakName, err := NewIdentity(false)
	check(t, err)
	strong, strongName, err := NewIdentity(true)
	check(t, err)
	for name, tc := range map[string]struct {
		recipients []string
		open       []byte
		hybrid     bool
	}{
		"X25519":              {[]string{weakName}, weak, false},
		"hybrid":              {[]string{strongName}, strong, true},
		"mixed, by X25519":    {[]string{strongName, weakName}, weak, false},
		"mixed, by hybrid":    {[]string{weakName, strongName}, strong, false},
		"named twice":         {[]string{weakName, weakName}, weak, false},
		"opened by both keys": {[]string{strongName, weakName}, append(strong, weak...), false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			check(t, p.key.Pin(weakName, strongName))
			s := sealerAt(p.key, clock)
			req := p.keyRequest("shop", "alice")
			req.Recipients = tc.recipients
			seal, err := s.ProjectKey(nil, req)
			check(t, err)
			if isHybrid(seal.Recipient) != tc.hybrid {
				t.Errorf("project key %s", short(seal.Recipient))
			}
			identity, err := ProjectIdentity(seal.Data, string(tc.open))
			check(t, err)
			token := NewToken(marked)
			secret, err := s.PullSecret(nil, secretRequest("shop", "dev", "alice", seal.Recipient), &token)
			check(t, err)
			plain, err := Open(secret.Data, identity)
			check(t, err)
			if !leaks(plain, marked) {
				t.Error("the token is not in what was opened")
			}
			again, err := s.ProjectKey(seal.Data, req)
			if err != nil || !again.Kept {
				t.Errorf("not kept: %v %s", err, again.Reason)
			}
			_, err = Open(secret.Data, p.identity)
			if !errors.Is(err, ErrNoIdentity) {
				t.Errorf("the platform's key opens the pull secret itself: %v", err)
			}
		})
	}
}
