package gitrepo

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestBaseWithoutEnd: a server that answers every question for the base of a
// delta with a delta on something else gets no further question.
func TestBaseWithoutEnd(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	git(t, dir, "config", "uploadpack.allowFilter", "false")
	asked := 0
	s := serveHTTP(t, dir, func(git http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			if asked == 0 && !bytes.Contains(body, []byte("have ")) || !bytes.Contains(body, []byte("command=fetch")) {
				git.ServeHTTP(w, r)
				return
			}
			if asked++; asked > 50 {
				http.Error(w, "enough", http.StatusForbidden)
				return
			}
			base := sha1.Sum([]byte{byte(asked)})
			pack := packOf(rawEntry(kindRefDelta, base[:], []byte("\x01\x01\x01y")))
			w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
			out := appendPkt(nil, "packfile\n")
			out = appendPkt(out, "\x01"+string(pack))
			_, _ = w.Write(append(out, pktFlush...))
		})
	})
	r := open(t, s.url(dir), Options{})
	mustTip(t, r)
	seed(t, dir, "main", map[string]string{"f": "y"})
	if _, err := r.Tip(context.Background(), "main"); err == nil {
		t.Error("a delta without a base was taken")
	}
	if asked > readTries*(1+readTries)+readTries { // with what we have, then without
		t.Errorf("asked %d times", asked)
	}
}

// TestEndlessAnswers: what a server lists is bounded in bytes.
func TestEndlessAnswers(t *testing.T) {
	line := strings.Repeat("x", 60000)
	for name, next := range map[string]func(n int) string{
		"refs":         func(n int) string { return fmt.Sprintf("%040x refs/heads/%d%s\n", n+1, n, line) },
		"capabilities": func(int) string { return line },
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
				if name == "capabilities" {
					_, _ = w.Write(appendPkt(nil, "version 2\n"))
				}
				for n := 0; ; n++ {
					if _, err := w.Write(appendPkt(nil, next(n))); err != nil {
						return
					}
				}
			}))
			defer s.Close()
			_, err := open(t, s.URL+"/f.git", Options{}).Tip(context.Background(), "main")
			check(t, "read", err, ErrTooLarge)
		})
	}
}

// TestEchoedCredential: a server that repeats the credential in its complaint
// does not get it printed.
func TestEchoedCredential(t *testing.T) {
	for name, o := range map[string]Options{
		"password": {Username: "bob", Password: NewSecret(marked)},
		"bearer":   {BearerToken: NewSecret(marked)},
	} {
		for where, answer := range map[string]func(w http.ResponseWriter, said string){
			"status": func(w http.ResponseWriter, said string) { http.Error(w, said, http.StatusForbidden) },
			"line": func(w http.ResponseWriter, said string) {
				w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
				_, _ = w.Write(appendPkt(nil, "ERR "+said))
			},
			"redirect": func(w http.ResponseWriter, said string) {
				w.Header().Set("Location", "https://elsewhere.example.com/?was="+strings.ReplaceAll(said, " ", "+"))
				w.WriteHeader(http.StatusFound)
			},
		} {
			t.Run(name+" "+where, func(t *testing.T) {
				said := ""
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, pass, _ := r.BasicAuth()
					said = r.Header.Get("Authorization")
					answer(w, "no: "+said+" "+pass)
				}))
				defer s.Close()
				_, err := open(t, s.URL+"/f.git", o).Tip(context.Background(), "main")
				if err == nil {
					t.Fatal("no error")
				}
				_, encoded, _ := strings.Cut(said, " ")
				if strings.Contains(err.Error(), marked) || strings.Contains(err.Error(), encoded) {
					t.Errorf("repeated: %v", err)
				}
			})
		}
	}
}

// TestCredentialEchoedInAReport: the same in what receive-pack reports about a push.
func TestCredentialEchoedInAReport(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	s := serveHTTP(t, dir, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/"+receivePack) {
				h.ServeHTTP(w, r)
				return
			}
			_, pass, _ := r.BasicAuth()
			w.Header().Set("Content-Type", "application/x-git-receive-pack-result")
			report := appendPkt(nil, "ERR you sent "+pass)
			_, _ = w.Write(appendPkt(nil, "\x01"+string(report)))
		})
	})
	var log bytes.Buffer
	o := Options{Username: "bob", Password: NewSecret(marked), Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	_, err := open(t, s.url(dir), o).Update(context.Background(), "main", write("x", map[string]string{"f": "y"}))
	if err == nil || !strings.Contains(err.Error(), "you sent") || strings.Contains(err.Error()+log.String(), marked) {
		t.Errorf("%v\n%s", err, log.String())
	}
}

// TestWaitingForAnotherFetchEnds: who waits for another's fetch waits no longer
// than its own context.
func TestWaitingForAnotherFetchEnds(t *testing.T) {
	dir := newBare(t)
	commit := seed(t, dir, "main", map[string]string{"f": "x"})
	stalled, release := make(chan struct{}, 9), make(chan struct{})
	s := serveHTTP(t, dir, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				stalled <- struct{}{}
				<-release
			}
			h.ServeHTTP(w, r)
		})
	})
	r := open(t, s.url(dir), Options{})
	first := make(chan error, 1)
	go func() {
		_, err := r.At(context.Background(), commit)
		first <- err
	}()
	<-stalled
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	second := make(chan error, 1)
	go func() {
		_, err := r.At(ctx, commit)
		second <- err
	}()
	select {
	case err := <-second:
		check(t, "the one that waits", err, context.DeadlineExceeded)
	case <-time.After(time.Minute):
		t.Error("still waits for another's fetch")
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// TestLocalDiskFull: that a fetched pack cannot be kept here is not the
// network's fault, and is not tried again.
func TestLocalDiskFull(t *testing.T) {
	dir := newBare(t)
	files := map[string]string{}
	for i := range 3 {
		files[fmt.Sprint(i)] = string(noise(4<<20, fmt.Sprint(i)))
	}
	seed(t, dir, "main", files)
	git(t, dir, "config", "uploadpack.allowFilter", "false")
	var c counter
	r := open(t, serveHTTP(t, dir, c.wrap).url(dir), Options{})
	r.store.spool = t.TempDir() + "/none"
	_, err := r.Tip(context.Background(), "main")
	if err == nil || errors.Is(err, ErrNetwork) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if n := c.fetch.Load(); n != 2 { // the refs, the pack
		t.Errorf("%d requests", n)
	}
}

// TestConnectionsAreKept: one connection serves a whole run.
func TestConnectionsAreKept(t *testing.T) {
	dir := fleet(t, 5)
	conns := 0
	s := httptest.NewUnstartedServer(backend(strings.TrimSuffix(dir, "/fleet.git")))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns++
		}
	}
	s.Start()
	defer s.Close()
	r := open(t, s.URL+"/fleet.git", Options{})
	for i := range 3 {
		mustTip(t, r)
		if _, err := r.Update(context.Background(), "main", write("x", map[string]string{"f": fmt.Sprint(i)})); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	if conns != 1 {
		t.Errorf("%d connections", conns)
	}
}
