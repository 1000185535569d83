package forge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berth-gitops/berth/gitrepo"
)

const testToken = "glpat-0123456789abcdef"

// step is one answer of a script.
type step struct {
	status int
	body   string
	header []string            // name, value, name, value
	err    error               // instead of an answer
	hang   bool                // until the request is given up
	check  func(*http.Request) // looks at the request first; may be nil
}

// script answers requests one after the other, without a network, and keeps
// when each came.
type script struct {
	t     *testing.T
	steps []step
	came  []time.Time
}

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.came = append(s.came, time.Now())
	if len(s.came) > len(s.steps) {
		s.t.Errorf("request %d, %s %s, is one too many", len(s.came), r.Method, r.URL)
		return nil, errors.New("no more answers")
	}
	st := s.steps[len(s.came)-1]
	if st.check != nil {
		st.check(r)
	}
	if st.hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if st.err != nil {
		return nil, st.err
	}
	h := http.Header{}
	for i := 0; i < len(st.header); i += 2 {
		h.Set(st.header[i], st.header[i+1])
	}
	return &http.Response{StatusCode: st.status, Header: h, Request: r, Body: io.NopCloser(strings.NewReader(st.body))}, nil
}

func reply(status int, body string, header ...string) step {
	return step{status: status, body: body, header: header}
}

func answerWith(r *http.Request, body string) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(body))}
}

func testClient(t *testing.T, kind Kind, rt http.RoundTripper) *client {
	t.Helper()
	c, err := newClient(Options{
		Repository: Repository{Kind: kind, API: "https://git.example.com/api/v4", Path: "acme/gitops"},
		Token:      gitrepo.NewSecret(testToken), Client: &http.Client{Transport: rt},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRetries(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	broken := &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}
	type answers = []step
	for _, c := range []struct {
		name     string
		method   string
		answers  answers
		want     error
		min, max time.Duration // of the last request after the first
	}{
		{"Retry-After", "POST", answers{reply(429, "", "Retry-After", "30"), reply(200, "{}")}, nil, 30 * time.Second, 32 * time.Second},
		{"GitHub's secondary limit", "POST", answers{reply(403, `{"message":"You have exceeded a secondary rate limit"}`), reply(200, "{}")}, nil, time.Minute, 62 * time.Second},
		{"a minute, as GitHub's secondary limit asks for", "POST", answers{reply(403, `{"message":"You have exceeded a secondary rate limit"}`, "Retry-After", "60"), reply(200, "{}")}, nil, time.Minute, 62 * time.Second},
		{"too long to wait", "GET", answers{reply(429, "", "Retry-After", "3600")}, ErrRateLimited, 0, 0},
		{"again and again", "GET", answers{reply(429, "", "Retry-After", "1"), reply(429, "", "Retry-After", "1"), reply(429, "", "Retry-After", "1")}, ErrRateLimited, 2 * time.Second, 5 * time.Second},
		{"server fails", "GET", answers{reply(502, "<html>"), reply(503, "", "Retry-After", "7"), reply(200, "{}")}, nil, 7 * time.Second, 10 * time.Second},
		{"server fails for good", "PATCH", answers{reply(500, ""), reply(500, ""), reply(500, "")}, ErrServer, 0, 5 * time.Second},
		{"server fails a POST", "POST", answers{reply(502, "")}, ErrServer, 0, 0},
		{"cut", "GET", answers{step{err: broken}, reply(200, "{}")}, nil, 0, 5 * time.Second},
		{"cut a POST", "POST", answers{step{err: broken}}, ErrNetwork, 0, 0},
		{"POST that was never sent", "POST", answers{step{err: refused}, reply(200, "{}")}, nil, 0, 5 * time.Second},
		{"refused for good", "POST", answers{reply(422, "{}")}, ErrInvalid, 0, 0},
		{"denied", "GET", answers{reply(403, `{"message":"no"}`, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "9999999999")}, ErrAuthorization, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{t: t, steps: c.answers}
				err := testClient(t, GitHub, s).send(t.Context(), c.method, "/x", nil, nil)
				if !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				if len(s.came) != len(c.answers) {
					t.Fatalf("%d requests, want %d", len(s.came), len(c.answers))
				}
				if took := s.came[len(s.came)-1].Sub(s.came[0]); took < c.min || took > c.max {
					t.Errorf("the last request came after %v, want %v to %v", took, c.min, c.max)
				}
			})
		})
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begin := time.Now()
		s := &script{t: t, steps: []step{reply(429, "", "Retry-After", "30")}}
		err := testClient(t, GitHub, s).get(ctx, "/x", nil, nil)
		if !errors.Is(err, ErrRateLimited) || time.Since(begin) != 5*time.Second {
			t.Fatalf("%v after %v", err, time.Since(begin))
		}
	})
}

// TestLimited: who goes on asking during a rate limit is locked out by GitHub.
func TestLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, steps: []step{reply(403, `{"message":"API rate limit exceeded"}`, "Retry-After", "1800"), reply(200, "{}")}}
		c := testClient(t, GitHub, s)
		for range 3 {
			err := c.get(t.Context(), "/x", nil, nil)
			if e, ok := errors.AsType[*Error](err); !ok || !errors.Is(err, ErrRateLimited) || time.Until(e.Reset) != 30*time.Minute {
				t.Fatalf("%v, want it limited for half an hour", err)
			}
		}
		if len(s.came) != 1 {
			t.Fatalf("%d requests were sent, want one", len(s.came))
		}
		time.Sleep(30 * time.Minute)
		if err := c.get(t.Context(), "/x", nil, nil); err != nil {
			t.Fatalf("after the limit: %v", err)
		}
	})
}

func TestSilentForge(t *testing.T) {
	for _, limit := range []time.Duration{0, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := &script{t: t, steps: []step{{hang: true}}}
			f, err := New(Options{
				Repository: Repository{Kind: GitHub, API: "https://api.github.com", Path: "acme/gitops"},
				Token:      gitrepo.NewSecret(testToken), Client: &http.Client{Transport: s, Timeout: limit},
			})
			if err != nil {
				t.Fatal(err)
			}
			want := cmp.Or(limit, requestTimeout)
			begin := time.Now()
			_, err = f.Get(t.Context(), 1)
			if !errors.Is(err, ErrNetwork) || !errors.Is(err, errTooLate) || time.Since(begin) != want {
				t.Fatalf("%v after %v, want it after %v", err, time.Since(begin), want)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	reset := time.Now().Add(time.Hour).Truncate(time.Second)
	for _, c := range []struct {
		name   string
		answer step
		cause  error
		words  string
	}{
		{"github 401", reply(401, `{"message":"Bad credentials","documentation_url":"https://docs.github.com"}`), ErrAuthentication, "Bad credentials"},
		{"github 422", reply(422, `{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom","message":"No commits between main and x"}]}`),
			ErrInvalid, "Validation Failed; No commits between main and x"},
		{"github field", reply(422, `{"message":"Validation Failed","errors":[{"resource":"PullRequest","field":"head","code":"invalid"}]}`), ErrInvalid, "Validation Failed; head: invalid"},
		{"github texts", reply(422, `{"message":"Validation Failed","errors":["one","two"]}`), ErrInvalid, "Validation Failed; one; two"},
		{"gitlab list", reply(409, `{"message":["Another open merge request already exists for this source branch: !5"]}`), ErrConflict,
			"Another open merge request already exists for this source branch: !5"},
		{"gitlab map", reply(400, `{"message":{"title":["can't be blank"],"base":["is not right"]}}`), ErrInvalid, "is not right; title: can't be blank"},
		{"gitlab scope", reply(403, `{"error":"insufficient_scope","error_description":"needs api"}`), ErrAuthorization, "insufficient_scope; needs api"},
		{"gitlab limit", reply(429, "Retry later\n", "Retry-After", "9999"), ErrRateLimited, ""},
		{"gitea", reply(404, `{"message":"not found","url":"http://x/api/swagger","errors":[]}`), ErrNotFound, "not found"},
		{"gone", reply(410, `{}`), ErrNotFound, ""},
		{"archived", reply(423, `{"message":"repository is archived"}`), ErrInvalid, "repository is archived"},
		{"proxy", reply(403, "<html>blocked by the company</html>"), ErrAuthorization, ""},
		{"token in the words", reply(401, `{"message":"invalid token `+testToken+`"}`), ErrAuthentication, "invalid token [redacted]"},
		{"terminal tricks", reply(401, `{"message":"a\u001b[31m\nb\u202e\u200b\u0085c"}`), ErrAuthentication, "a [31m b c"},
		{"long", reply(400, `{"message":"`+strings.Repeat("ä", 4000)+`"}`), ErrInvalid, strings.Repeat("ä", 500)},
		{"not JSON", reply(200, "<html>log in</html>"), ErrServer, "this is not an answer of github's API; is the base URL right?"},
		{"too long", reply(200, `"`+strings.Repeat("x", maxAnswer)+`"`), ErrServer, "the answer is longer than 8 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &script{t: t, steps: []step{c.answer}}
			var out any
			err := testClient(t, GitHub, s).send(t.Context(), "POST", "/projects/1?x", map[string]string{"a": "b"}, &out)
			e, ok := errors.AsType[*Error](err)
			if !ok || !errors.Is(e.Cause, c.cause) || e.Message != c.words {
				t.Fatalf("%+v, want cause %q and words %q", e, c.cause, c.words)
			}
			if strings.Contains(err.Error(), testToken) || strings.Contains(fmt.Sprintf("%+v", *e), testToken) {
				t.Fatalf("the error holds the token: %v", err)
			}
		})
	}

	s := &script{t: t, steps: []step{
		reply(403, `{"message":"API rate limit exceeded for user ID 1."}`, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", fmt.Sprint(reset.Unix()),
			"X-GitHub-Request-Id", "AB:CD"),
	}}
	err := testClient(t, GitHub, s).get(t.Context(), "/repos/acme/gitops/pulls", map[string][]string{"head": {"secret-query"}}, nil)
	want := "github: GET https://git.example.com/api/v4/repos/acme/gitops/pulls: rate limit reached (403): API rate limit exceeded for user ID 1.; try again after " +
		reset.UTC().Format(time.RFC3339) + " (request AB:CD)"
	if err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
}

// TestClocks: the end of a rate limit is told by the forge's clock.
func TestClocks(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	theirs := now.Add(-time.Hour)
	h := http.Header{}
	h.Set("Date", theirs.Format(http.TimeFormat))
	h.Set("RateLimit-Reset", fmt.Sprint(theirs.Add(time.Minute).Unix()))
	h.Set("RateLimit-Remaining", "0")
	if got := reset(h, now); !got.Equal(now.Add(time.Minute)) {
		t.Errorf("ends at %v, want %v", got, now.Add(time.Minute))
	}
	h.Set("RateLimit-Remaining", "10")
	if got := reset(h, now); !got.IsZero() {
		t.Errorf("something remains, and yet %v", got)
	}
	h.Set("Retry-After", theirs.Add(time.Hour).Format(http.TimeFormat))
	if got := reset(h, now); !got.Equal(now.Add(time.Hour)) {
		t.Errorf("ends at %v, want %v", got, now.Add(time.Hour))
	}
}

func TestErrorBodyIsBounded(t *testing.T) {
	var read int
	rt := transport(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 400, Header: http.Header{}, Request: r, Body: io.NopCloser(reader(func(p []byte) (int, error) {
			read += len(p)
			return len(p), nil
		}))}, nil
	})
	if err := testClient(t, GitHub, rt).get(t.Context(), "/x", nil, nil); !errors.Is(err, ErrInvalid) || read > 2*maxErrorAnswer {
		t.Fatalf("%v after %d bytes", err, read)
	}
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

func TestPages(t *testing.T) {
	type answers = []step
	for _, c := range []struct {
		name    string
		answers answers
	}{
		{"links", answers{
			reply(200, `[1,2]`, "Link", `<https://inside.example/api/v4/x?page=2>; rel="next", <https://inside.example/x?page=9>; rel="last"`),
			reply(200, `[3]`, "Link", `<https://inside.example/api/v4/x?page=1>; rel="prev"`),
		}},
		{"only a count", answers{reply(200, `[1,2]`, "X-Total-Count", "3"), reply(200, `[3]`, "X-Total-Count", "3")}},
		{"a wrong count", answers{reply(200, `[1,2,3]`, "X-Total-Count", "9"), reply(200, `[]`, "X-Total-Count", "9")}},
		{"neither", answers{reply(200, `[1,2,3]`)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := 1; i < len(c.answers); i++ {
				c.answers[i].check = func(r *http.Request) {
					if r.URL.Host != "git.example.com" || r.URL.Query().Get("page") != "2" || r.URL.Query().Get("keep") != "me" {
						t.Errorf("the second page is asked for at %s", r.URL)
					}
				}
			}
			s := &script{t: t, steps: c.answers}
			var all []int
			err := list(t.Context(), testClient(t, Gitea, s), "/x", map[string][]string{"keep": {"me"}}, func(page []int) bool {
				all = append(all, page...)
				return false
			})
			if err != nil || fmt.Sprint(all) != "[1 2 3]" {
				t.Fatalf("%v, %v", all, err)
			}
		})
	}
}

func TestEndlessList(t *testing.T) {
	s := &script{t: t, steps: slices.Repeat([]step{reply(200, `[1]`, "Link", `<https://x.example/?page=2>; rel="next"`)}, maxPages)}
	err := list(t.Context(), testClient(t, GitLab, s), "/x", map[string][]string{}, func([]int) bool { return false })
	if !errors.Is(err, ErrTooMany) || len(s.came) != maxPages {
		t.Fatalf("%v after %d pages", err, len(s.came))
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestRedirects(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the token went to another server: %v", r.Header)
	}))
	defer elsewhere.Close()
	var got string
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v4/renamed", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/api/v4/new", http.StatusMovedPermanently)
	})
	mux.HandleFunc("/api/v4/new", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = r.Method + " " + string(body) + " " + r.Header.Get("Authorization")
		_, _ = w.Write([]byte("{}"))
	})
	mux.HandleFunc("/api/v4/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+"/x", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/api/v4/loop", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/api/v4/loop", http.StatusFound)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	c, err := newClient(Options{Repository: Repository{Kind: GitLab, API: server.URL + "/api/v4"}, Token: gitrepo.NewSecret(testToken)})
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := c.send(t.Context(), "POST", "/renamed", map[string]int{"a": 1}, &out); err != nil || got != `POST {"a":1} Bearer `+testToken {
		t.Fatalf("%v, the server got %q", err, got)
	}
	if err := c.send(t.Context(), "POST", "/away", map[string]int{"a": 1}, &out); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), elsewhere.URL) {
		t.Fatalf("%v, want it to name the other address", err)
	}
	if err := c.get(t.Context(), "/loop", nil, &out); !errors.Is(err, ErrServer) {
		t.Fatal(err)
	}
}

// TestRedirectsOfTheSameHost: neither unencrypted nor as somebody else.
func TestRedirectsOfTheSameHost(t *testing.T) {
	for _, to := range []string{"http://git.example.com/x", "https://mallory:x@git.example.com/x", "https://git.example.com:8443/x", "//elsewhere.example/x", ""} {
		s := &script{t: t, steps: []step{reply(http.StatusTemporaryRedirect, "", "Location", to)}}
		if err := testClient(t, GitLab, s).get(t.Context(), "/x", nil, nil); !errors.Is(err, ErrNotFound) {
			t.Errorf("a redirect to %s: %v", to, err)
		}
	}
}

func TestCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() != "berth/1" {
			t.Errorf("the user agent is %q", r.UserAgent())
		}
		_, _ = w.Write([]byte(`{"iid":7,"state":"opened"}`))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of the refused handshake
	server.StartTLS()
	defer server.Close()
	o := Options{Repository: Repository{Kind: GitLab, API: server.URL + "/api/v4", Path: "a/b"}, Token: gitrepo.NewSecret(testToken), UserAgent: "berth/1"}
	for _, c := range []struct {
		client *http.Client
		want   error
	}{{server.Client(), nil}, {&http.Client{Transport: &http.Transport{}}, ErrNetwork}} {
		o.Client = c.client
		f, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if pr, err := f.Get(t.Context(), 7); !errors.Is(err, c.want) || err == nil && pr.Number != 7 {
			t.Errorf("%+v, %v, want %v", pr, err, c.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := Options{Repository: Repository{Kind: GitHub, API: "https://api.github.com", Path: "a/b"}, Token: gitrepo.NewSecret("x")}
	for name, change := range map[string]func(*Options){
		"no token": func(o *Options) { o.Token = gitrepo.Secret{} },
		"no API":   func(o *Options) { o.Repository.API = "" },
		"no kind":  func(o *Options) { o.Repository.Kind = "" },
		"no path":  func(o *Options) { o.Repository.Path = "" },
		"no owner": func(o *Options) { o.Repository = Repository{Kind: Gitea, API: "https://x.example", Path: "b"} },
		"no group": func(o *Options) { o.Repository = Repository{Kind: GitLab, API: "https://x.example", Path: "b"} },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

func FuzzWords(f *testing.F) {
	f.Add([]byte(`{"message":{"base":["x"],"title":[{"field":"a","code":"b"}]},"errors":[1,null,"y"]}`))
	f.Add([]byte(`{"message":"` + strings.Repeat("ä", 2000) + `"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := words(data)
		if len(got) > maxWords || got != printable(got) || strings.ContainsAny(got, "\n\r\x1b") {
			t.Errorf("%q", got)
		}
	})
}
