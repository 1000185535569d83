package forge

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const maxWords = 1000 // bytes of a forge's words in an error

// failure makes an error of an answer that is not 2xx.
func (c *client) failure(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer)) // what came is what there is to tell
	e := &Error{
		Forge: c.kind, Method: resp.Request.Method, URL: shownURL(resp.Request.URL), Status: resp.StatusCode,
		Message: c.token.Redact(words(data)), RequestID: requestID(resp.Header), Reset: reset(resp.Header, time.Now()),
	}
	e.Cause = cause(e, resp.Header)
	switch {
	case errors.Is(e.Cause, ErrRateLimited) && e.Reset.IsZero():
		e.Reset = time.Now().Add(time.Minute) // what GitHub asks for when it does not say
	case !errors.Is(e.Cause, ErrRateLimited) && !errors.Is(e.Cause, ErrServer):
		e.Reset = time.Time{} // GitHub tells it with every answer
	}
	return e
}

func cause(e *Error, h http.Header) error {
	switch s := e.Status; {
	case s == http.StatusTooManyRequests, s == http.StatusForbidden && isRateLimit(e, h):
		return ErrRateLimited
	case s == http.StatusUnauthorized:
		return ErrAuthentication
	case s == http.StatusForbidden:
		return ErrAuthorization
	case s == http.StatusNotFound, s == http.StatusGone:
		return ErrNotFound
	case s == http.StatusConflict:
		return ErrConflict
	case s >= 400 && s < 500:
		return ErrInvalid
	}
	return ErrServer
}

// isRateLimit tells GitHub's two rate limits, which answer 403, from a refusal:
// docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api.
func isRateLimit(e *Error, h http.Header) bool {
	return h.Get("Retry-After") != "" || says(e, "rate limit")
}

// reset is when the forge wants to be asked again, by our clock: zero when it
// does not say. Retry-After counts first; X-RateLimit-Reset (GitHub, Gitea
// proxies) and RateLimit-Reset (GitLab) only when nothing remains.
func reset(h http.Header, now time.Time) time.Time {
	if after := h.Get("Retry-After"); after != "" {
		if seconds, err := strconv.Atoi(after); err == nil {
			return now.Add(time.Duration(min(max(seconds, 0), 24*60*60)) * time.Second)
		}
		if at, err := http.ParseTime(after); err == nil {
			return ourTime(at, h, now)
		}
	}
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
		seconds, err := strconv.ParseInt(h.Get(prefix+"Reset"), 10, 64)
		if err == nil && h.Get(prefix+"Remaining") == "0" {
			return ourTime(time.Unix(seconds, 0), h, now)
		}
	}
	return time.Time{}
}

// ourTime takes the difference of the clocks out of a time by the forge's.
func ourTime(at time.Time, h http.Header, now time.Time) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return at.Add(now.Sub(date))
	}
	return at
}

func requestID(h http.Header) string {
	for _, name := range []string{"X-GitHub-Request-Id", "X-Request-Id"} {
		if id := h.Get(name); id != "" && len(id) <= 100 {
			return printable(id)
		}
	}
	return ""
}

// words finds what a forge says in an error's body: GitHub's message and
// errors, GitLab's message (text, list or map), error and error_description,
// Gitea's message. What is not JSON, such as a proxy's page, says nothing.
func words(data []byte) string {
	var body map[string]any
	if json.Unmarshal(data, &body) != nil {
		return ""
	}
	var said []string
	for _, key := range []string{"message", "error", "error_description", "errors"} {
		said = appendWords(said, "", body[key])
	}
	text := printable(strings.Join(slices.Compact(said), "; "))
	for len(text) > maxWords || !utf8.ValidString(text) {
		text = strings.ToValidUTF8(text[:min(len(text), maxWords)], "")
	}
	return text
}

func appendWords(said []string, label string, v any) []string {
	switch v := v.(type) {
	case string:
		if v == "" {
			return said
		}
		if label != "" {
			v = label + ": " + v
		}
		return append(said, v)
	case []any:
		for _, item := range v {
			said = appendWords(said, label, item)
		}
	case map[string]any:
		if field, code := v["field"], v["code"]; field != nil && code != nil && v["message"] == nil {
			f, _ := field.(string)
			return appendWords(said, f, code) // GitHub: {"field": "head", "code": "invalid"}
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if key == "resource" || key == "code" || key == "field" || key == "documentation_url" {
				continue
			}
			name := key
			if key == "message" || key == "base" {
				name = label
			}
			said = appendWords(said, name, v[key])
		}
	}
	return said
}

// printable keeps a forge's words on one line and harmless on a terminal.
func printable(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool {
		return r == utf8.RuneError || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	}), " ")
}
