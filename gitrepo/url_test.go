package gitrepo

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	here, err := filepath.Abs("x")
	if err != nil {
		t.Fatal(err)
	}
	for raw, want := range map[string]endpoint{
		"x":                                   {scheme: "file", path: here},
		"./x":                                 {scheme: "file", path: here},
		"/srv/fleet.git":                      {scheme: "file", path: "/srv/fleet.git"},
		"/srv/a:b.git":                        {scheme: "file", path: "/srv/a:b.git"},
		"file:///srv/fleet.git":               {scheme: "file", path: "/srv/fleet.git"},
		"https://git.example.com/o/f.git":     {scheme: "https", host: "git.example.com", path: "/o/f.git"},
		"https://bob@git.example.com:8443/f/": {scheme: "https", user: "bob", host: "git.example.com:8443", path: "/f"},
		"http://127.0.0.1:80/a%20b":           {scheme: "http", host: "127.0.0.1:80", path: "/a%20b"},
		"ssh://git@example.com:2222/o/f":      {scheme: "ssh", user: "git", host: "example.com:2222", path: "/o/f"},
		"ssh://example.com/~bob/f":            {scheme: "ssh", host: "example.com", path: "~bob/f"},
		"git@example.com:o/f.git":             {scheme: "ssh", user: "git", host: "example.com", path: "o/f.git"},
		"example.com:/abs/f.git":              {scheme: "ssh", host: "example.com", path: "/abs/f.git"},
	} {
		got, err := parseURL(raw)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		"", "ftp://x/y", "https://", "https:///x", "ssh://host", "ssh://host/", "host:", "host:-x", "file://server/share",
		"https://x/y?token=abc", "https://x/y#z", "a\nb", "ext::sh -c id", "https://x y/", "ssh://",
	} {
		if got, err := parseURL(raw); err == nil {
			t.Errorf("%q became %+v", raw, got)
		}
	}
}

const marked = "s3cr3t-Marked_Value"

func TestSecretsInAddressesAreRefusedAndNotRepeated(t *testing.T) {
	for _, raw := range []string{
		"https://bob:" + marked + "@git.example.com/f", "http://:" + marked + "@x/f", "ssh://git:" + marked + "@host/f",
		"git:" + marked + "@host:f", "https://ghp_" + marked + "@github.com/o/f", "https://glpat-" + marked + "@x/f",
		"https:/bob:" + marked + "@git.example.com/f", "http:bob:" + marked + "@x/f", "bob:" + marked + "@git.example.com/o/f",
		"https:///bob:" + marked + "@x/f", "bob:" + marked + "@git.example.com", "HTTPS:/bob:" + marked + "@x/f",
		"https://x/y?private_token=" + marked, "https://bob:" + marked + "@x y/%zz", "https://" + marked + marked + marked + "@x/f",
	} {
		_, err := Open(context.Background(), raw, Options{})
		if err == nil {
			t.Errorf("accepted %s", raw)
			continue
		}
		if strings.Contains(err.Error(), marked) {
			t.Errorf("repeated: %v", err)
		}
	}
}

func TestSecretNeverPrints(t *testing.T) {
	s := NewSecret(marked)
	o := Options{Password: s, BearerToken: s}
	j, err := json.Marshal(o.Password)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "options", fmt.Sprint(o))
	all := fmt.Sprintf("%v %+v %#v %s %q %x %d %v %+v %#v %s", s, s, s, s, s, s, s, o, &s, o, j) + s.String() + s.GoString() + log.String()
	if strings.Contains(all, marked) || strings.Contains(all, fmt.Sprintf("%x", marked)) {
		t.Error(all)
	}
	if !NewSecret("").IsZero() || s.IsZero() {
		t.Error("IsZero")
	}
}
