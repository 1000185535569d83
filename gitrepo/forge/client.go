package forge

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/berth-gitops/berth/gitrepo"
)

const (
	maxAnswer      = 8 << 20          // bytes of a good answer: 20 comments, each as long as GitHub takes it
	maxErrorAnswer = 64 << 10         // bytes of a bad one
	maxPages       = 100              // of one list
	maxRedirects   = 3                // a renamed repository takes one
	maxTries       = 3                // of one request
	requestTimeout = 60 * time.Second // for one try, where the http.Client sets none
	shortWait      = time.Second      // the scale of the pauses between tries
)

// client sends requests to one forge's API.
type client struct {
	kind    Kind
	base    *url.URL
	http    *http.Client
	token   gitrepo.Secret
	header  http.Header
	timeout time.Duration // for one try
	maxWait time.Duration
	log     *slog.Logger
	limited atomic.Pointer[Error] // the last rate limit that was too long to wait for
}

func newClient(o Options) (*client, error) {
	base, err := parseAPI(o.Repository.API)
	if err != nil {
		return nil, err
	}
	c := &client{
		kind: o.Repository.Kind, base: base, token: o.Token, maxWait: o.MaxWait,
		http: &http.Client{}, timeout: requestTimeout, log: o.Log,
		header: http.Header{"Accept": {"application/json"}, "User-Agent": {"berth"}},
	}
	if o.Client != nil {
		*c.http = *o.Client
	}
	if c.http.Timeout > 0 {
		c.timeout, c.http.Timeout = c.http.Timeout, 0
	}
	// A redirect is followed by hand: Go's client would turn a POST into a GET.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if o.UserAgent != "" {
		c.header.Set("User-Agent", o.UserAgent)
	}
	if c.maxWait == 0 {
		c.maxWait = time.Minute
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if base.Scheme == "http" && !isLoopback(base.Hostname()) {
		c.log.Warn("the token travels unencrypted: the forge's address begins with http://", slog.String("api", base.String()))
	}
	return c, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// request is one call.
type request struct {
	method string
	base   *url.URL // nil for the API's
	path   string   // escaped, below the base
	query  url.Values
	in     any // sent as JSON; nil for no body
	out    any // filled from the JSON answer; nil to drop it
}

func (c *client) get(ctx context.Context, path string, query url.Values, out any) error {
	_, err := c.do(ctx, request{method: http.MethodGet, path: path, query: query, out: out})
	return err
}

func (c *client) send(ctx context.Context, method, path string, in, out any) error {
	_, err := c.do(ctx, request{method: method, path: path, in: in, out: out})
	return err
}

// list visits all pages of a list until visit has seen enough. Of one that is too long
// it visits the beginning, and returns ErrTooMany.
func list[T any](ctx context.Context, c *client, path string, query url.Values, visit func([]T) (enough bool)) error {
	seen := 0
	for number := range maxPages {
		var page []T
		header, err := c.do(ctx, request{method: http.MethodGet, path: path, query: query, out: &page})
		if errors.Is(err, ErrTooMany) && visit(page) {
			return nil
		}
		if err != nil {
			return err
		}
		seen += len(page)
		next := nextPage(header)
		if total, err := strconv.Atoi(header.Get("X-Total-Count")); err == nil && next == "" && seen < total && len(page) > 0 {
			next = strconv.Itoa(number + 2) // some of Gitea's lists have no links
		}
		if visit(page) || next == "" {
			return nil
		}
		query.Set("page", next)
	}
	return &Error{Cause: ErrTooMany, Forge: c.kind, Method: http.MethodGet, URL: c.shown(path),
		Message: fmt.Sprintf("the list has more than %d pages", maxPages)}
}

// nextPage reads the page number of the Link header's rel="next". The rest of
// that URL is not used: behind a proxy its host may not be reachable from here.
func nextPage(h http.Header) string {
	for _, link := range strings.Split(strings.Join(h.Values("Link"), ","), ",") {
		target, params, _ := strings.Cut(link, ";")
		if !strings.Contains(params, `rel="next"`) {
			continue
		}
		u, err := url.Parse(strings.Trim(strings.TrimSpace(target), "<>"))
		if err != nil {
			return ""
		}
		return u.Query().Get("page")
	}
	return ""
}

// do sends a request, waits for rate limits that end soon, and repeats what
// may be repeated when the network or the forge failed. A rate limit that is
// too long to wait for fails every request until it ends: GitHub locks out
// those who go on asking.
func (c *client) do(ctx context.Context, r request) (http.Header, error) {
	if e := c.limited.Load(); e != nil && time.Now().Before(e.Reset) {
		return nil, e
	}
	var body []byte
	if r.in != nil {
		var err error
		if body, err = json.Marshal(r.in); err != nil {
			return nil, err
		}
	}
	for try := 1; ; try++ {
		header, err := c.try(ctx, r, body)
		if err == nil {
			return header, nil
		}
		wait, again := c.again(r.method, err, try)
		if !again {
			if e, ok := errors.AsType[*Error](err); ok && errors.Is(e.Cause, ErrRateLimited) {
				c.limited.Store(e)
			}
			return nil, err
		}
		c.log.Info("waiting before the next try", slog.Duration("wait", wait), slog.Any("error", err))
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-timer.C:
		}
	}
}

// again says whether, and after what time, a failed request is sent again. A
// POST is only when the forge cannot have acted on it.
func (c *client) again(method string, err error, try int) (time.Duration, bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok || try >= maxTries {
		return 0, false
	}
	wait := shortWait / 2 * time.Duration(try)
	if !e.Reset.IsZero() {
		wait = max(time.Until(e.Reset), 0)
	}
	switch {
	case errors.Is(e.Cause, ErrRateLimited):
		ok = wait <= c.maxWait
	case errors.Is(e.Cause, ErrNetwork):
		op, isOp := errors.AsType[*net.OpError](e.Err)
		unsent := isOp && op.Op == "dial"
		ok = !errors.Is(e.Err, errTooLate) && (method != http.MethodPost || unsent)
	case errors.Is(e.Cause, ErrServer):
		ok = method != http.MethodPost && e.Status >= 500 && wait <= max(c.maxWait, maxTries*shortWait)
	default:
		ok = false
	}
	return wait + rand.N(shortWait), ok
}

// try sends a request once, following redirects that stay on the forge.
func (c *client) try(ctx context.Context, r request, body []byte) (http.Header, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTooLate)
	defer cancel()
	base := cmp.Or(r.base, c.base)
	target := *base
	target.RawPath = base.EscapedPath() + r.path
	target.Path = unescaped(target.RawPath)
	target.RawQuery = r.query.Encode()
	for range maxRedirects + 1 {
		resp, err := c.roundTrip(ctx, r.method, &target, body)
		if err != nil {
			return nil, err
		}
		to, moved := redirection(resp)
		if !moved {
			err := c.read(resp, r)
			_ = resp.Body.Close()
			return resp.Header, err
		}
		_ = resp.Body.Close()
		if to == nil || to.Scheme != target.Scheme || to.Host != target.Host || to.User != nil {
			return nil, &Error{Cause: ErrNotFound, Forge: c.kind, Method: r.method, URL: c.shown(r.path), Status: resp.StatusCode,
				Message: "the forge sends us to another address" + elsewhere(to) + "; the token stays here: give that address instead"}
		}
		target = *to
	}
	return nil, &Error{Cause: ErrServer, Forge: c.kind, Method: r.method, URL: c.shown(r.path), Message: "too many redirects"}
}

func (c *client) roundTrip(ctx context.Context, method string, target *url.URL, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, &Error{Cause: ErrInvalid, Forge: c.kind, Method: method, URL: c.shown("")}
	}
	req.Header = c.header.Clone()
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	c.token.Authorize(req.Header, "Bearer")
	resp, err := c.http.Do(req)
	if err == nil {
		return resp, nil
	}
	// The URL of the client's own error has the query; ours has not.
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	return nil, &Error{Cause: ErrNetwork, Forge: c.kind, Method: method, URL: shownURL(target), Err: blame(ctx, err)}
}

// errTooLate ends a request that takes longer than one may.
var errTooLate = errors.New("no answer in time")

// blame tells our own patience from the caller's context.
func blame(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errTooLate) {
		return errTooLate
	}
	return err
}

// read takes an answer apart.
func (c *client) read(resp *http.Response, r request) error {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.failure(resp)
	}
	if r.out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	fail := func(cause error, message string, err error) error {
		return &Error{Cause: cause, Forge: c.kind, Method: r.method, URL: shownURL(resp.Request.URL),
			Status: resp.StatusCode, Message: message, RequestID: requestID(resp.Header), Err: err}
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fail(ErrNetwork, "", blame(resp.Request.Context(), err))
	case len(data) > maxAnswer:
		cause := ErrServer
		if items := beginning(data); items != nil && json.Unmarshal(items, r.out) == nil {
			cause = ErrTooMany
		}
		return fail(cause, fmt.Sprintf("the answer is longer than %d MiB", maxAnswer>>20), nil)
	}
	if err := json.Unmarshal(data, r.out); err != nil {
		return fail(ErrServer, fmt.Sprintf("this is not an answer of %s's API; is the base URL right?", c.kind), nil)
	}
	return nil
}

// beginning is a JSON list without what follows its last whole item; nil for no list.
func beginning(data []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(data))
	if opened, err := d.Token(); err != nil || opened != json.Delim('[') {
		return nil
	}
	end := d.InputOffset()
	for d.More() {
		var item json.RawMessage
		if d.Decode(&item) != nil {
			break
		}
		end = d.InputOffset()
	}
	return append(data[:end:end], ']')
}

func redirection(resp *http.Response) (*url.URL, bool) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		to, err := resp.Location()
		if err != nil {
			return nil, true
		}
		return to, true
	}
	return nil, false
}

func elsewhere(u *url.URL) string {
	if u == nil {
		return ""
	}
	return ", " + printable(u.Scheme+"://"+u.Host)
}

func (c *client) shown(path string) string { return c.base.String() + path }

// shownURL is a URL without user information and query.
func shownURL(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}

func unescaped(path string) string {
	if p, err := url.PathUnescape(path); err == nil {
		return p
	}
	return path
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
