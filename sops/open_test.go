package sops

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestTwoUsers: what is bob's opens nothing of alice's, and alice's token is
// in nothing of bob's, nor in anything else that is stored or said.
func TestTwoUsers(t *testing.T) {
	p := newPlatform(t)
	const bobs = "bobs-own-token-0123456789"
	alice := p.project(t, "shop", "alice", marked)
	bob := p.project(t, "blog", "bob", bobs)
	second := secretRequest("shop", "staging", "alice", alice.key.Recipient)
	staging, err := p.sealer.PullSecret(nil, second, &alice.token)
	check(t, err)

	for name, data := range map[string][]byte{"production": alice.seal.Data, "staging": staging.Data} {
		if _, err := Open(data, bob.identity); !errors.Is(err, ErrNoIdentity) {
			t.Errorf("%s: bob's key: %v", name, err)
		}
		if _, err := Open(data, bob.identity+p.identity); !errors.Is(err, ErrNoIdentity) {
			t.Errorf("%s: bob's and the platform's keys: %v", name, err)
		}
		plain, err := Open(data, p.identity+bob.identity+alice.identity)
		check(t, err)
		if !leaks(plain, marked) {
			t.Errorf("%s: alice's token is not in her own secret", name)
		}
	}
	if _, err := ProjectIdentity(alice.key.Data, bob.identity); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("bob's key opens alice's project key: %v", err)
	}

	stored := map[string][]byte{
		"alice's pull secret": alice.seal.Data, "alice's staging": staging.Data, "alice's project key": alice.key.Data,
		"bob's pull secret": bob.seal.Data, "bob's project key": bob.key.Data, "bob's identity": []byte(bob.identity),
		"platform identity": []byte(p.identity), "berth key": p.key.Marshal(), "sealer": fmt.Appendf(nil, "%+v %#v %+v", p.sealer, p.sealer, *p.sealer),
	}
	bobPlain, err := Open(bob.seal.Data, bob.identity)
	check(t, err)
	stored["bob's content"] = bobPlain
	for name, data := range stored {
		if leaks(data, marked) {
			t.Errorf("alice's token is in %s", name)
		}
		if name != "bob's content" && leaks(data, bobs) {
			t.Errorf("bob's token is in %s", name)
		}
		info, err := Inspect(data)
		if err != nil {
			continue
		}
		b, err := json.Marshal(info)
		check(t, err)
		if leaks(b, marked) || leaks(b, bobs) {
			t.Errorf("a token is in what Inspect says of %s", name)
		}
	}
}

// TestLeaksFinds proves the search by planted leaks.
func TestLeaksFinds(t *testing.T) {
	twice := base64.StdEncoding.EncodeToString([]byte("alice:" + base64.RawURLEncoding.EncodeToString([]byte("x"+marked+"?>~"))))
	for name, text := range map[string]string{
		"plain":         "a " + marked + " b",
		"base64":        "auth: " + base64.StdEncoding.EncodeToString([]byte("alice:"+marked)),
		"without pad":   base64.RawStdEncoding.EncodeToString([]byte("al:" + marked)),
		"URL alphabet":  "v=" + base64.URLEncoding.EncodeToString([]byte("\xff\xfe"+marked)),
		"twice":         twice,
		"in JSON twice": fmt.Sprintf(`{"data":%q}`, base64.StdEncoding.EncodeToString([]byte(`{"auth":"`+twice+`"}`))),
		"shifted":       "x" + base64.StdEncoding.EncodeToString([]byte(marked+"yy")),
		"hexadecimal":   fmt.Sprintf("%x", marked),
		"folded":        fold(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("pad", 30) + marked))),
		"reversed":      reverse(marked),
	} {
		if !leaks([]byte(text), marked) {
			t.Errorf("%s: not found in %s", name, text)
		}
	}
	if leaks([]byte("nothing here, but aGVsbG8gd29ybGQgaGVsbG8= and 3f29c0aa"), marked) {
		t.Error("found where there is nothing")
	}
}

func fold(s string) string {
	var b strings.Builder
	for len(s) > 40 {
		b.WriteString("    " + s[:40] + "\n")
		s = s[40:]
	}
	return b.String() + "    " + s
}

// TestTokenIsForgotten: after a request nothing holds on to the token.
func TestTokenIsForgotten(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	freed := make(chan struct{})
	func() {
		secret := []byte(marked + "x")
		token := NewToken(secret)
		held := &token.bytes()[0]
		runtime.AddCleanup(held, func(int) { close(freed) }, 0)
		for _, prior := range [][]byte{nil, s.seal.Data} {
			_, err := p.sealer.PullSecret(prior, s.req, &token)
			check(t, err)
		}
		bad := s.req
		bad.Username = ":"
		if _, err := p.sealer.PullSecret(nil, bad, &token); err == nil {
			t.Error("a bad request went through")
		}
	}()
	deadline := time.After(10 * time.Second)
	for {
		runtime.GC()
		select {
		case <-freed:
			runtime.KeepAlive(p)
			return
		case <-deadline:
			t.Fatal("the token is still held")
		case <-time.After(time.Millisecond):
		}
	}
}

func TestOpenErrors(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	sealed := string(s.seal.Data)
	_, body, _ := strings.Cut(sealed, "\n")
	put := func(in, find, with string) string { return string(replace(t, []byte(in), find, with)) }
	for name, tc := range map[string]struct {
		data, identities string
		kind             TamperKind
		detail           string
	}{
		"metadata changed":         {put(sealed, "owner: alice", "owner: bobby"), s.identity, Changed, "MAC"},
		"MAC cleared":              {regexp.MustCompile(`mac: ENC.*`).ReplaceAllString(body, `mac: ""`), s.identity, Foreign, "no MAC"},
		"value changed":            {flip(sealed, strings.Index(sealed, "ENC[")+40), s.identity, Changed, "decrypt"},
		"signed, field renamed":    {put(sealed, "namespace:", "namespacf:"), s.identity, Foreign, "namespacf"},
		"unsigned, type is int":    {put(body, "type:str]\nsops", "type:int]\nsops"), s.identity, Changed, "decrypt"},
		"unsigned, type is float":  {put(body, "type:str]\nsops", "type:float]\nsops"), s.identity, Changed, "decrypt"},
		"unsigned, type is bool":   {put(body, "type:str]\nsops", "type:bool]\nsops"), s.identity, Changed, "decrypt"},
		"unsigned, type is time":   {put(body, "type:str]\nsops", "type:time]\nsops"), s.identity, Changed, "decrypt"},
		"unsigned, type is bytes":  {put(body, "type:str]\nsops", "type:bytes]\nsops"), s.identity, Changed, "decrypt"},
		"unsigned, MAC as bytes":   {put(body, "type:str]\n    version", "type:bytes]\n    version"), s.identity, Changed, "MAC"},
		"unsigned, MAC as int":     {put(body, "type:str]\n    version", "type:int]\n    version"), s.identity, Changed, "MAC"},
		"unsigned, type a comment": {put(body, "type:str]\nsops", "type:comment]\nsops"), s.identity, Changed, ""},
		"unsigned, plain value":    {put(body, ".dockerconfigjson: ENC[", ".dockerconfigjson: "+marked+"["), s.identity, Changed, "decrypt"},
		"unsigned, other rule":     {put(body, encryptedRegex, "^nothing$"), s.identity, Changed, "MAC"},
		"unsigned, broken rule":    {put(body, encryptedRegex, "(("), s.identity, Foreign, "regular expression"},
		"KMS":                      {put(body, "\nsops:\n", "\nsops:\n    kms: [{arn: x, enc: y}]\n"), s.identity, Foreign, "kms"},
		"two documents":            {body + "---\na: b\n", s.identity, Foreign, "more than one"},
	} {
		t.Run(name, func(t *testing.T) {
			plain, err := Open([]byte(tc.data), tc.identities)
			wantTampered(t, err, tc.kind, tc.detail)
			if plain != nil || leaks([]byte(err.Error()), marked) || leaks(fmt.Appendf(nil, "%+v %#v", err, err), marked) {
				t.Errorf("too much is said: %v", err)
			}
		})
	}
	for name, identities := range map[string]string{"none": "", "another": p2(t), "a recipient": p.recipient} {
		if _, err := Open(s.seal.Data, identities); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestProjectIdentityErrors(t *testing.T) {
	p := newPlatform(t)
	s := p.project(t, "shop", "alice", marked)
	_, err := ProjectIdentity(s.seal.Data, s.identity)
	wantTampered(t, err, Foreign, "project.agekey")
	if leaks([]byte(err.Error()), marked) {
		t.Errorf("the error shows the token: %v", err)
	}

	// A key that is not the one its annotation names, sealed and signed all the same.
	other, name, err := NewIdentity(false)
	check(t, err)
	secret := plainSecret{
		name: "sops-shop", namespace: "flux-projects", typ: typeProjectKey, dataKey: dataProjectKey,
		annotations: []annotation{{annGeneration, "1"}, {annOwner, "alice"}, {annProject, "shop"}, {annRecipient, someRecipient}},
		value:       base64.StdEncoding.EncodeToString(other),
	}
	data, err := secret.seal([]string{p.recipient}, clock)
	check(t, err)
	_, err = ProjectIdentity(data, p.identity)
	wantTampered(t, err, Changed, "not that of")

	secret.annotations[3].value = name
	for what, value := range map[string]string{"not base64": "%%%", "empty": "", "no identity": base64.StdEncoding.EncodeToString([]byte("hello"))} {
		secret.value = value
		data, err := secret.seal([]string{p.recipient}, clock)
		check(t, err)
		if got, err := ProjectIdentity(data, p.identity); err == nil || got != "" {
			t.Errorf("%s: accepted", what)
		}
	}
}

// TestBombs: what is meant to exhaust memory or time is refused early.
func TestBombs(t *testing.T) {
	laughs := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'j'; c++ {
		laughs += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for name, data := range map[string]string{
		"laughs":          laughs + "sops: {}\n",
		"itself":          "a: &a [*a]\n",
		"brackets":        strings.Repeat("[", maxFile),
		"braces":          strings.Repeat("{", maxFile),
		"brackets closed": "a: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"dashes":          strings.Repeat("- ", maxFile/2),
		"question marks":  strings.Repeat("? ", maxFile/2),
		"commas":          "a: [" + strings.Repeat(",", maxFile-10) + "]",
		"items":           "a: [" + strings.Repeat("x,", maxItems-10) + "x]",
		"lines":           strings.Repeat("\n", maxFile),
		"comments":        strings.Repeat("#\n", maxItems/2) + "a: b",
		"deep comments":   "a:\n" + strings.Repeat(" - #\n", maxItems/2),
		"keys":            strings.Repeat("a: b\n", maxItems-1),
		"long key":        strings.Repeat("a", maxFile-10) + ": b",
		"long value":      "a: " + strings.Repeat("b", maxFile-10),
		"quotes":          "a: \"" + strings.Repeat("\\u263a", maxFile/6-10) + "\"",
		"colons":          strings.Repeat(":", maxFile),
		"spaces":          strings.Repeat(" ", maxFile-4) + "a: b",
		"tags":            strings.Repeat("!", maxFile),
		"too large":       strings.Repeat("a", maxFile+1),
		"documents":       strings.Repeat("---\n", maxItems-1),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := Inspect([]byte(data))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			wantTampered(t, err, Foreign, "")
			if len(err.Error()) > 300 {
				t.Errorf("the error is %d bytes long", len(err.Error()))
			}
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 32 || took > 10*time.Second {
				t.Errorf("%d MiB and %s to refuse it", used, took)
			}
		})
	}
}
