package gitrepo

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

const userAgent = "git/2.0 (berth)" // GitHub and Gitea look for "git/"

// httpTransport speaks Git's smart HTTP (gitprotocol-http(5)).
type httpTransport struct {
	client *http.Client
	idle   time.Duration
	user   string
	pass   Secret
	bearer Secret

	mu   sync.Mutex
	base string // without a trailing slash
}

func newHTTPTransport(ep endpoint, o Options) (*httpTransport, error) {
	if !o.BearerToken.IsZero() && !o.Password.IsZero() {
		return nil, errors.New("both a password and a bearer token are given; the server takes one of them")
	}
	rt := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if d, ok := http.DefaultTransport.(*http.Transport); ok {
		rt = d.Clone()
	}
	if o.CAFile != "" {
		pool, err := certPool(o.CAFile)
		if err != nil {
			return nil, err
		}
		rt.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	t := &httpTransport{
		client: &http.Client{Transport: rt, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		idle:   o.IdleTimeout, user: ep.user, pass: o.Password, bearer: o.BearerToken,
		base: ep.scheme + "://" + ep.host + ep.path,
	}
	if t.user == "" {
		t.user = o.Username
	}
	if t.user == "" {
		t.user = "git" // forges look at the token alone, but some refuse an empty name
	}
	if ep.scheme == "http" && (!t.pass.IsZero() || !t.bearer.IsZero()) && !isLoopback(ep.host) {
		o.Log.Warn("the credential travels unencrypted: the address begins with http://", slog.String("repository", ep.String()))
	}
	return t, nil
}

func certPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no PEM certificate", file)
	}
	return pool, nil
}

func isLoopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (t *httpTransport) stateless() bool { return true }

func (t *httpTransport) close() error {
	t.client.CloseIdleConnections()
	return nil
}

func (t *httpTransport) open(ctx context.Context, service string) (conn, error) {
	return &httpConn{t: t, service: service, w: newWatchdog(ctx, t.idle)}, nil
}

func (t *httpTransport) url() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.base
}

type httpConn struct {
	t       *httpTransport
	service string
	w       *watchdog
	body    io.Closer
}

func (c *httpConn) explain(err error) error { return c.w.blame(err) }

func (c *httpConn) close() {
	c.w.stop()
	if c.body != nil {
		_ = c.body.Close()
	}
}

func (c *httpConn) advert() (*pktReader, error) {
	base := c.t.url()
	for range 5 {
		resp, err := c.do(http.MethodGet, base+"/info/refs?service="+c.service, nil)
		if err != nil {
			return nil, err
		}
		if to, moved := redirect(resp); moved {
			_ = resp.Body.Close()
			if base, err = c.t.follow(base, to); err != nil {
				return nil, err
			}
			continue
		}
		p, err := c.answer(resp, "application/x-"+c.service+"-advertisement")
		if err != nil {
			return nil, err
		}
		return c.skipServiceLine(p)
	}
	return nil, failf(ErrNetwork, "too many redirects")
}

// skipServiceLine drops the "# service=" line that only HTTP has.
func (c *httpConn) skipServiceLine(p *pktReader) (*pktReader, error) {
	head, err := p.r.Peek(5)
	if err != nil {
		return nil, networkError(c.w.blame(cutShort(err)))
	}
	if head[4] != '#' {
		return p, nil
	}
	for _, want := range []pktType{pktData, pktIsFlush} {
		if _, got, err := p.next(); err != nil || got != want {
			return nil, failf(ErrNetwork, "not a Git server's answer")
		}
	}
	return p, nil
}

func (c *httpConn) exchange(request ...[]byte) (*pktReader, error) {
	resp, err := c.do(http.MethodPost, c.t.url()+"/"+c.service, request)
	if err != nil {
		return nil, err
	}
	if to, moved := redirect(resp); moved {
		_ = resp.Body.Close()
		return nil, failf(ErrNetwork, "the server redirects to %s: use that address", c.t.hide(printable(to.Redacted())))
	}
	return c.answer(resp, "application/x-"+c.service+"-result")
}

func (c *httpConn) do(method, to string, request [][]byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(c.w.ctx, method, to, nil)
	if err != nil {
		return nil, errors.New("the repository's address is not a valid URL")
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Git-Protocol", "version=2")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-"+c.service+"-request")
		req.Header.Set("Accept", "application/x-"+c.service+"-result")
		c.setBody(req, request)
	}
	switch {
	case !c.t.bearer.IsZero():
		req.Header.Set("Authorization", "Bearer "+c.t.bearer.text)
	case !c.t.pass.IsZero():
		req.SetBasicAuth(c.t.user, c.t.pass.text)
	}
	c.w.begin()
	resp, err := c.t.client.Do(req)
	c.w.end()
	if err != nil {
		return nil, netFailure(c.w.blame(err))
	}
	if c.body != nil {
		_ = c.body.Close()
	}
	c.body = resp.Body
	return resp, nil
}

// setBody sends the parts with their length, so that no proxy has to buffer.
func (c *httpConn) setBody(req *http.Request, parts [][]byte) {
	for _, p := range parts {
		req.ContentLength += int64(len(p))
	}
	req.GetBody = func() (io.ReadCloser, error) {
		readers := make([]io.Reader, len(parts))
		for i, p := range parts {
			readers[i] = bytes.NewReader(p)
		}
		return io.NopCloser(progressReader{c.w, io.MultiReader(readers...)}), nil
	}
	req.Body, _ = req.GetBody()
}

// progressReader tells the watchdog that the upload moves.
type progressReader struct {
	w *watchdog
	r io.Reader
}

func (p progressReader) Read(b []byte) (int, error) {
	p.w.touch()
	return p.r.Read(b)
}

// netFailure gives an error of the network its kind, and drops the URL that
// net/http puts into its errors.
func netFailure(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrNetwork) {
		return err
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return &failure{kind: ErrTimeout, err: err}
	}
	return networkError(err)
}

func (c *httpConn) answer(resp *http.Response, contentType string) (*pktReader, error) {
	if resp.StatusCode != http.StatusOK {
		return nil, c.statusError(resp)
	}
	got, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if got != contentType {
		return nil, failf(ErrNotFound, "what answers there is not a Git server (it sent %q)", c.t.hide(printable(got)))
	}
	p := newPktReader(watchedReader{c.w, resp.Body})
	p.hide = c.t.hide
	return p, nil
}

// hide takes the credential out of a text: a server may repeat what it was sent.
func (t *httpTransport) hide(text string) string {
	if !t.pass.IsZero() {
		basic := NewSecret(base64.StdEncoding.EncodeToString([]byte(t.user + ":" + t.pass.text)))
		text = t.pass.Redact(basic.Redact(text))
	}
	return t.bearer.Redact(text)
}

// statusError reads the little that a server says about an HTTP failure.
func (c *httpConn) statusError(resp *http.Response) error {
	text := "HTTP " + printable(resp.Status)
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind == "text/plain" {
		body, _ := io.ReadAll(io.LimitReader(watchedReader{c.w, resp.Body}, 1<<10))
		if s := strings.TrimSpace(printable(string(body))); s != "" {
			text += ": " + s
		}
	}
	text = c.t.hide(text)
	switch resp.StatusCode {
	case http.StatusUnauthorized:
		return failf(ErrAuthentication, "%s", text)
	case http.StatusForbidden:
		return failf(ErrAuthorization, "%s", text)
	case http.StatusNotFound, http.StatusGone:
		return failf(ErrNotFound, "%s", text)
	case http.StatusRequestEntityTooLarge:
		return failf(ErrTooLarge, "%s", text)
	}
	return failf(ErrNetwork, "%s", text)
}

func redirect(resp *http.Response) (*url.URL, bool) {
	switch resp.StatusCode {
	case 301, 302, 303, 307, 308:
		to, err := resp.Location()
		return to, err == nil
	}
	return nil, false
}

// follow takes a redirect of the advertisement for the whole repository, as
// git does, but never to another host or port and never away from https: the
// credential would go with it. From http to https the default port changes.
func (t *httpTransport) follow(base string, to *url.URL) (string, error) {
	was, err := url.Parse(base)
	if err != nil {
		return "", errors.New("the repository's address is not a valid URL")
	}
	path, ok := strings.CutSuffix(to.EscapedPath(), "/info/refs")
	secured := was.Scheme == "http" && to.Scheme == "https"
	samePort := httpPort(was) == httpPort(to) || secured && httpPort(was) == "80" && httpPort(to) == "443"
	if !ok || !samePort || !strings.EqualFold(was.Hostname(), to.Hostname()) || to.Scheme != was.Scheme && !secured {
		return "", failf(ErrNetwork, "the server redirects to %s: if that is right, use that address", t.hide(printable(to.Redacted())))
	}
	base = to.Scheme + "://" + to.Host + path
	t.mu.Lock()
	defer t.mu.Unlock()
	t.base = base
	return base, nil
}

func httpPort(u *url.URL) string {
	if u.Port() == "" && u.Scheme == "https" {
		return "443"
	}
	return cmp.Or(u.Port(), "80")
}
