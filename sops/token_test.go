package sops

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	kyaml "sigs.k8s.io/yaml"
)

const marked = "ghp_MARKEDmarkedMARKEDmarked0123456789"

// TestTokenNeverPrints prints a token, and things that hold one, in every way
// Go has, and looks for it in what comes out.
func TestTokenNeverPrints(t *testing.T) {
	token := NewToken(marked)
	type exported struct{ Token Token }
	type hidden struct {
		token  Token
		again  *Token
		nested map[string]Token
	}
	values := map[string]any{
		"token":      token,
		"pointer":    &token,
		"credential": Credential{Registry: "ghcr.io", Username: "alice", Token: token},
		"exported":   exported{token},
		"hidden":     hidden{token, &token, map[string]Token{"a": token}},
		"slice":      []Token{token},
		"map":        map[string]*Token{"a": &token},
		"error":      fmt.Errorf("with %v", token),
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			for what, out := range prints(value) {
				if leaks([]byte(out), marked) || strings.Contains(out, fmt.Sprintf("%d", []byte(marked))) {
					t.Errorf("%s shows the token: %s", what, clip(out))
				}
			}
		})
	}
}

// prints renders value with every verb and encoder.
func prints(value any) map[string]string {
	out := map[string]string{}
	for verb := rune('A'); verb <= 'z'; verb++ {
		for _, flags := range []string{"", "+", "#", "-", " ", "0", "+#", "10.30", "[1]"} {
			format := "%" + flags + string(verb)
			out[format] = fmt.Sprintf(format, value)
		}
	}
	for _, format := range []string{"%!", "no verb", "%"} { // these print the value among complaints
		out[format] = fmt.Sprintf(format, value)
	}
	out["Sprintln"] = fmt.Sprintln(value)
	out["Errorf"] = fmt.Errorf("%w %v", errors.New("x"), value).Error()
	for name, marshal := range map[string]func(any) ([]byte, error){
		"json": json.Marshal, "yaml": yaml.Marshal, "k8s yaml": kyaml.Marshal, "xml": xml.Marshal,
	} {
		b, err := marshal(value)
		out[name] = fmt.Sprint(string(b), err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", value)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", value)
	out["slog"] = log.String()
	if s, ok := value.(fmt.GoStringer); ok {
		out["GoString"] = s.GoString()
	}
	return out
}

// TestPrintsFindsLeaks shows that the test above can fail.
func TestPrintsFindsLeaks(t *testing.T) {
	type open struct{ Value string }
	found := 0
	for _, out := range prints(open{marked}) {
		if leaks([]byte(out), marked) {
			found++
		}
	}
	if found < 10 {
		t.Errorf("an open token was found in %d prints only", found)
	}
}

// TestTokenOutOfReach: no chain of fields and pointers leads to the bytes.
func TestTokenOutOfReach(t *testing.T) {
	token := NewToken(marked)
	v := reflect.ValueOf(token)
	for i := range v.NumField() {
		if kind := v.Field(i).Kind(); kind != reflect.Func {
			t.Errorf("field %d is a %s, which dumps can follow", i, kind)
		}
	}
}

func TestTokenRedacts(t *testing.T) {
	token := NewToken([]byte(marked))
	for what, got := range map[string]string{
		"%v": fmt.Sprintf("%v", token), "%#v": fmt.Sprintf("%#v", &token), "%d": fmt.Sprintf("%d", token), "%s": token.String(),
	} {
		if got != "[redacted]" {
			t.Errorf("%s prints %q", what, got)
		}
	}
	b, err := json.Marshal(map[string]Token{"token": token})
	check(t, err)
	if string(b) != `{"token":"[redacted]"}` {
		t.Errorf("JSON is %s", b)
	}
}

func TestTokenUnmarshal(t *testing.T) {
	var request struct {
		Token Token `json:"token"`
	}
	check(t, json.Unmarshal([]byte(`{"token":"abc"}`), &request))
	if string(request.Token.bytes()) != "abc" {
		t.Error("the token did not arrive")
	}
	if err := json.Unmarshal([]byte(`{"token":"[redacted]"}`), &request); err == nil {
		t.Error("a redacted token was taken for a token")
	}
	if err := json.Unmarshal([]byte(`{"token":12345678901}`), &request); err == nil || strings.Contains(err.Error(), "12345678901") {
		t.Errorf("a number as token: %v", err)
	}
}

func TestNewTokenCopies(t *testing.T) {
	b := []byte("abc")
	token := NewToken(b)
	b[0] = 'x'
	if string(token.bytes()) != "abc" {
		t.Error("the token shares the caller's bytes")
	}
}

func TestTokenIn(t *testing.T) {
	url := base64.RawURLEncoding
	for name, test := range map[string]struct {
		token, text string
		want        bool
	}{
		"plain":                {marked, "username: " + marked + "\n", true},
		"hexadecimal":          {marked, "x: " + strings.ToUpper(hex.EncodeToString([]byte(marked))), true},
		"base64":               {marked, base64.StdEncoding.EncodeToString([]byte(marked)), true},
		"base64 behind a user": {marked, base64.StdEncoding.EncodeToString([]byte("al:" + marked)), true},
		"another user":         {marked, base64.StdEncoding.EncodeToString([]byte("ali:" + marked)), true},
		"a third user":         {marked, base64.StdEncoding.EncodeToString([]byte("alic:" + marked)), true},
		"base64, URL":          {"~~~???>>>ÿÿÿ", url.EncodeToString([]byte("~~~???>>>ÿÿÿ")), true},
		"8 bytes":              {"password", "a password b", true},
		"a short word":         {"staging", "environment: staging", false},
		"a part":               {marked, marked[:len(marked)-1], false},
		"another":              {marked, "nothing of it", false},
		"no token":             {"", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := NewToken(test.token).In([]byte(test.text)); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
	if (Token{}).In([]byte("x")) {
		t.Error("the zero Token is found")
	}
}

func TestTokenValidate(t *testing.T) {
	for name, tc := range map[string]struct{ token, want string }{
		"plain":        {marked, ""},
		"space inside": {marked + " x", ""},
		"unicode":      {marked + "é", ""},
		"empty":        {"", "empty"},
		"newline":      {marked + "\n", "line end"},
		"return":       {marked + "\r", "line end"},
		"NUL":          {marked + "\x00", "control"},
		"escape":       {"\x1b[0m" + marked, "control"},
		"delete":       {marked + "\x7f", "control"},
		"not UTF-8":    {marked + "\xff", "UTF-8"},
		"huge":         {strings.Repeat(marked, 2000), "longer"},
	} {
		t.Run(name, func(t *testing.T) {
			err := NewToken(tc.token).Validate()
			wantError(t, err, tc.want)
		})
	}
	wantError(t, Token{}.Validate(), "empty")
}

// wantError checks for a message, "" for none, and that it does not leak.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("unexpected error %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error %v, want %q", err, want)
	case err != nil && leaks([]byte(fmt.Sprintf("%v %+v %#v", err, err, err)), marked):
		t.Errorf("the error shows the token: %v", err)
	}
}
