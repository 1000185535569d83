package verify

import (
	"regexp"
	"strings"
	"testing"
)

// TestSecretForms gives each form an example, put together here so that nothing takes
// this file for a leak, and one that is a little too short.
func TestSecretForms(t *testing.T) {
	s := scanner{secretForms()}
	for _, example := range []struct {
		name, prefix string
		letters      string
		length       int
	}{
		{"an AWS key", "ASIA", "Z", 16},
		{"an Alibaba Cloud key", "LTAI5t", "xY", 18},
		{"a Tencent Cloud key", "AKID", "xY", 32},
		{"a Vault token", "hvs.", "aB", 24},
		{"a PyPI token", "pypi-AgE", "aB", 50},
		{"a DigitalOcean token", "dop_v1_", "0f", 64},
		{"a Stripe key", "sk_live_", "aB", 20},
	} {
		text := "x: " + example.prefix + strings.Repeat(example.letters, example.length/len(example.letters))
		if name, at, ok := s.find([]byte(text), false); !ok || name != example.name || at != 3 {
			t.Errorf("%s: %q at %d", text, name, at)
		}
		if name, _, ok := s.find([]byte(text[:len(text)-9]), false); ok {
			t.Errorf("%s is taken for %s", text[:len(text)-9], name)
		}
	}
}

// TestSealIsNoToken: what is random in a file that berth sealed is taken for no token,
// whatever it looks like; in any other file it is.
func TestSealIsNoToken(t *testing.T) {
	f := newFleet(t, newKeys(t))
	const name = "projects/shop/overlays/production/ghcr-secret.sops.yaml"
	for _, genuine := range []bool{true, false} {
		if !genuine {
			f.files[name] = append(f.files[name], "# x\n"...)
		}
		c := newChecker(Input{Head: f.tree(), Policy: f.keys.policy(t), Trusted: f.keys.berth.PublicKeys()})
		c.scan = scanner{[]secretForm{{"a token", regexp.MustCompile(`[A-Za-z0-9_-]{86}`), "", true}}}
		file, err := c.read(entry{name, 0})
		if err != nil {
			t.Fatal(err)
		}
		if c.checkTokens(file); genuine != (len(c.report.Findings) == 0) {
			t.Errorf("sealed by berth: %v, and %v", genuine, c.report.Findings)
		}
	}
}
