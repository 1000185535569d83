package gitrepo

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// requireAuth lets in whoever sends exactly this header.
func requireAuth(header string) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch got := r.Header.Get("Authorization"); {
			case got == header:
				h.ServeHTTP(w, r)
			case strings.HasSuffix(got, "cmVhZGVyOng="): // reader:x
				if r.URL.Query().Get("service") == receivePack || strings.HasSuffix(r.URL.Path, receivePack) {
					http.Error(w, "You may only read.\x1b[31m", http.StatusForbidden)
					return
				}
				h.ServeHTTP(w, r)
			default:
				w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
				http.Error(w, "who are you?", http.StatusUnauthorized)
			}
		})
	}
}

func TestHTTPCredentials(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	basic := serveHTTP(t, dir, requireAuth("Basic Ym9iOnMzY3IzdC1NYXJrZWRfVmFsdWU=")).url(dir) // bob:marked
	bearer := serveHTTP(t, dir, requireAuth("Bearer "+marked)).url(dir)
	for name, tt := range map[string]struct {
		url         string
		o           Options
		read, write error
	}{
		"basic":              {basic, Options{Username: "bob", Password: NewSecret(marked)}, nil, nil},
		"user in the URL":    {strings.Replace(basic, "://", "://bob@", 1), Options{Username: "git", Password: NewSecret(marked)}, nil, nil},
		"wrong password":     {basic, Options{Username: "bob", Password: NewSecret("x" + marked)}, ErrAuthentication, ErrAuthentication},
		"wrong user":         {basic, Options{Password: NewSecret(marked)}, ErrAuthentication, ErrAuthentication},
		"nothing":            {basic, Options{Username: "bob"}, ErrAuthentication, ErrAuthentication},
		"read only":          {basic, Options{Username: "reader", Password: NewSecret("x")}, nil, ErrAuthorization},
		"bearer":             {bearer, Options{BearerToken: NewSecret(marked)}, nil, nil},
		"wrong bearer":       {bearer, Options{BearerToken: NewSecret(marked + "x")}, ErrAuthentication, ErrAuthentication},
		"no such repository": {strings.Replace(basic, ".git", "-none.git", 1), Options{Username: "bob", Password: NewSecret(marked)}, ErrNotFound, ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, tt.url, tt.o)
			_, err := r.Tip(context.Background(), "main")
			check(t, "read", err, tt.read)
			_, err = r.Update(context.Background(), "main", write("x", map[string]string{"f": name}))
			check(t, "write", err, tt.write)
		})
	}
	if _, err := Open(context.Background(), basic, Options{Password: NewSecret("a"), BearerToken: NewSecret("b")}); err == nil {
		t.Error("two credentials were accepted")
	}
}

func check(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
	if got != nil && (strings.Contains(got.Error(), marked) || strings.ContainsAny(got.Error(), "\x1b")) {
		t.Errorf("%s: unfit for people: %q", what, got)
	}
}

func TestOwnCA(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	s := httptest.NewUnstartedServer(backend(filepath.Dir(dir)))
	s.Config.ErrorLog = quietLog()
	s.StartTLS()
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	url := s.URL + "/" + filepath.Base(dir)
	if _, err := open(t, url, Options{}).Tip(context.Background(), "main"); !errors.Is(err, ErrNetwork) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown CA: %v", err)
	}
	r := open(t, url, Options{CAFile: ca})
	if _, err := r.Update(context.Background(), "main", write("x", map[string]string{"g": "y"})); err != nil {
		t.Error(err)
	}
	fsck(t, dir)
	for _, file := range []string{"none.pem", os.DevNull} {
		if _, err := Open(context.Background(), url, Options{CAFile: file}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("CA file %s: %v", file, err)
		}
	}
}

func TestOtherThingsThanGitServers(t *testing.T) {
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"a web page":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, ErrNotFound},
		"gone":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }, ErrNotFound},
		"always failing": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "boom", http.StatusBadGateway) }, ErrNetwork},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example.com"+r.URL.String(), http.StatusFound)
		}, ErrNetwork},
		"in circles": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.String(), http.StatusFound) }, ErrNetwork},
		"right type, wrong content": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			_, _ = io.WriteString(w, "not a pkt-line at all")
		}, ErrNetwork},
		"empty": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		}, ErrNetwork},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(tt.answer)
			t.Cleanup(s.Close)
			_, err := open(t, s.URL+"/f.git", Options{Password: NewSecret(marked)}).Tip(context.Background(), "main")
			check(t, "read", err, tt.want)
		})
	}
	_, err := open(t, "http://127.0.0.1:1/f.git", Options{}).Tip(context.Background(), "main")
	check(t, "nobody there", err, ErrNetwork)
}

func TestRedirectOnTheSameHostIsFollowed(t *testing.T) {
	dir := newBare(t)
	s := serveHTTP(t, dir, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if rest, ok := strings.CutPrefix(r.URL.Path, "/old"); ok {
				r.URL.Path = rest
				http.Redirect(w, r, r.URL.String(), http.StatusMovedPermanently)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	r := open(t, s.URL+"/old/"+filepath.Base(dir), Options{})
	if _, err := r.Update(context.Background(), "main", write("x", map[string]string{"f": "x"})); err != nil {
		t.Fatal(err)
	}
}

// TestRedirectsThatMayBeFollowed: the credential goes where they lead.
func TestRedirectsThatMayBeFollowed(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		want     bool
	}{
		{"https://git.example.com/a.git", "https://git.example.com/b.git", true},
		{"https://git.example.com/a.git", "https://GIT.example.com:443/b.git", true},
		{"http://git.example.com:3000/a.git", "http://git.example.com:3000/b.git", true},
		{"http://git.example.com:3000/a.git", "https://git.example.com:3000/a.git", true},
		{"http://git.example.com/a.git", "https://git.example.com/a.git", true},
		{"http://git.example.com:80/a.git", "https://git.example.com:443/a.git", true},
		{"http://git.example.com/a.git", "https://git.example.com:8443/a.git", false},
		{"http://git.example.com:3000/a.git", "https://git.example.com/a.git", false},
		{"http://git.example.com/a.git", "http://git.example.com:443/a.git", false},
		{"https://git.example.com:80/a.git", "https://git.example.com/a.git", false},
		{"https://git.example.com/a.git", "https://git.example.com:8443/a.git", false},
		{"https://git.example.com/a.git", "http://git.example.com/a.git", false},
		{"https://git.example.com/a.git", "http://git.example.com:443/a.git", false},
		{"https://git.example.com/a.git", "https://elsewhere.example.com/a.git", false},
	} {
		to, err := url.Parse(tt.to + "/info/refs")
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&httpTransport{base: tt.from}).follow(tt.from, to)
		if (err == nil) != tt.want || err == nil && got != tt.to {
			t.Errorf("from %s to %s: %q, %v", tt.from, tt.to, got, err)
		}
	}
}

func TestStalledServerTimesOut(t *testing.T) {
	for name, stallAt := range map[string]string{"refs": "/info/refs", "fetch": uploadPack, "push": receivePack} {
		t.Run(name, func(t *testing.T) {
			dir := newBare(t)
			seed(t, dir, "main", map[string]string{"f": "x"})
			release := make(chan struct{})
			s := serveHTTP(t, dir, func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, stallAt) {
						<-release
						return
					}
					h.ServeHTTP(w, r)
				})
			})
			defer close(release)
			r := open(t, s.url(dir), Options{IdleTimeout: 2 * time.Second}) // a busy machine needs some for what is to succeed
			begin := time.Now()
			_, err := r.Update(context.Background(), "main", write("x", map[string]string{"f": "y"}))
			check(t, name, err, ErrTimeout)
			check(t, name, err, ErrNetwork)
			if (name == "push") != errors.Is(err, ErrUncertain) {
				t.Errorf("certain? %v", err)
			}
			if d := time.Since(begin); d > time.Minute {
				t.Errorf("took %v", d)
			}
		})
	}
}

// TestStalledRefusalTimesOut: a server that says no and then nothing more.
func TestStalledRefusalTimesOut(t *testing.T) {
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusForbidden)
		_ = http.NewResponseController(w).Flush()
		<-release
	}))
	defer s.Close()
	defer close(release)
	r := open(t, s.URL+"/f.git", Options{IdleTimeout: 50 * time.Millisecond})
	within(t, "refusal", func() {
		_, err := r.Tip(context.Background(), "main")
		check(t, "tip", err, ErrTimeout)
	})
}

func TestStalledDialTimesOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // nobody accepts
	key := filepath.Join(t.TempDir(), "id")
	newSSHKey(t, key, "")
	for _, url := range []string{"http://" + l.Addr().String() + "/x.git", "ssh://git@" + l.Addr().String() + "/x.git"} {
		r := open(t, url, Options{IdleTimeout: 50 * time.Millisecond, SSHKeyFile: key, KnownHostsFile: filepath.Join(t.TempDir(), "none")})
		_, err := r.Tip(context.Background(), "main")
		check(t, url, err, ErrTimeout)
	}
}

func TestCancelledContext(t *testing.T) {
	for _, road := range roads() {
		t.Run(road.name, func(t *testing.T) {
			dir := newBare(t)
			seed(t, dir, "main", map[string]string{"f": "x"})
			r := road.open(t, dir)
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_, err := r.Tip(ctx, "main")
			check(t, "read", err, context.Canceled)
			_, err = r.Update(ctx, "main", write("x", map[string]string{"f": "y"}))
			check(t, "write", err, context.Canceled)
			if _, err := r.Update(context.Background(), "main", write("x", map[string]string{"f": "y"})); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
