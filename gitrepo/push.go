package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// pushRequest moves one ref from an id that it must have now to another.
type pushRequest struct {
	ref      string
	old, new Hash // old is zero for a ref that must not exist yet
	replaces bool // new does not descend from old
	pack     [][]byte
}

// movedError is a push that did nothing because the ref was elsewhere.
type movedError struct{ ref string }

func (e *movedError) Error() string { return e.ref + " has moved" }

// unsentError is a push that failed before the server got any of it.
type unsentError struct{ error }

func (e *unsentError) Unwrap() error { return e.error }

// unreportedError is an answer without a report: the server may have moved the
// ref all the same, whatever it complains about.
type unreportedError struct{ error }

func (e *unreportedError) Unwrap() error { return e.error }

// push sends the request. Whether an error means that nothing has changed is
// for certain to say.
func (r *remote) push(ctx context.Context, q pushRequest, messages func(string)) error {
	c, err := r.t.open(ctx, receivePack)
	if err != nil {
		return &unsentError{err}
	}
	defer c.close()
	if !r.t.stateless() {
		if err := q.greet(c); err != nil {
			return &unsentError{readFailure(c, err)}
		}
	}
	head := appendPkt(nil, fmt.Sprintf("%v %v %s\x00 report-status side-band-64k ofs-delta object-format=sha1 agent=berth\n", q.old, q.new, q.ref))
	p, err := c.exchange(append([][]byte{append(head, pktFlush...)}, q.pack...)...)
	if err != nil {
		return readFailure(c, err)
	}
	report, err := readReport(p, q.ref, messages)
	if err != nil {
		return &unreportedError{readFailure(c, err)}
	}
	return report.verdict(q)
}

// greet reads what receive-pack says first. It already tells where the ref
// is, so a push that cannot succeed ends here.
func (q pushRequest) greet(c conn) error {
	p, err := c.advert()
	if err != nil {
		return err
	}
	caps, refs, err := readAdvert(p)
	if err != nil {
		return err
	}
	if !caps.has("report-status") || !caps.has("side-band-64k") {
		return failf(ErrNetwork, "the server is too old: it reports no push status")
	}
	var now Hash
	for _, r := range refs {
		if r.name == q.ref {
			now = r.id
		}
	}
	if now != q.old {
		_, _ = c.exchange([]byte(pktFlush)) // no commands: a polite end
		return &movedError{q.ref}
	}
	return nil
}

// pushReport is what receive-pack reports about a push.
type pushReport struct {
	unpack   string // "ok" or why the pack was not taken
	status   string // "ok", or why the ref was not moved; empty when not said
	messages []string
	words    func(string) string
}

// maxMessages bounds what is kept of the server's words.
const maxMessages = 200

func readReport(p *pktReader, ref string, messages func(string)) (pushReport, error) {
	var rep pushReport
	band := &sideband{p: p, messages: func(line string) {
		if len(rep.messages) < maxMessages {
			rep.messages = append(rep.messages, line)
		}
		if messages != nil {
			messages(line)
		}
	}}
	inner := newPktReader(band)
	inner.hide = p.hide
	rep.words = p.words
	for {
		line, t, err := inner.line()
		if errors.Is(err, io.EOF) && rep.unpack != "" {
			return rep, nil
		}
		if err != nil {
			return rep, cutShort(err)
		}
		if t != pktData {
			// Hooks that run after the update still print; their words
			// belong to the user, their failure changes nothing any more.
			_, _ = io.Copy(io.Discard, band)
			return rep, nil
		}
		rep.read(line, ref)
	}
}

func (rep *pushReport) read(line, ref string) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "unpack":
		rep.unpack = rep.words(rest)
	case "ok":
		if rest == ref {
			rep.status = "ok"
		}
	case "ng":
		if name, reason, _ := strings.Cut(rest, " "); name == ref {
			rep.status = "rejected"
			if reason != "" {
				rep.status = rep.words(reason)
			}
		}
	}
}

// retryable are git's words for a ref that another writer holds or has moved
// (builtin/receive-pack.c, refs.c); all others are a rule of the server.
func retryable(reason string) bool {
	for _, s := range []string{
		"failed to update ref", "failed to lock", "cannot lock ref", "unable to lock", "incorrect old value",
		"fetch first", "non-fast-forward", "stale info", "already exists", "reference does not exist", "failed to write",
		"transaction", "try again", "timeout", "temporarily", "internal server error", "internal error",
	} {
		if strings.Contains(strings.ToLower(reason), s) {
			return true
		}
	}
	return false
}

// verdict turns the report into the result of the push.
func (rep pushReport) verdict(q pushRequest) error {
	said := strings.Join(rep.messages, "; ")
	rejected := &RejectedError{Branch: strings.TrimPrefix(q.ref, "refs/heads/"), Reason: rep.status, Messages: rep.messages}
	switch {
	case rep.unpack != "ok" && strings.Contains(said, "pack exceeds maximum allowed size"):
		return failf(ErrTooLarge, "%s: %s", rep.unpack, said)
	case rep.unpack != "ok" && strings.Contains(said, "fsck error"):
		rejected.Reason = rep.unpack
		return rejected
	case rep.unpack != "ok" && (rep.status == "" || rep.status == "ok" || strings.HasPrefix(rep.status, "unpacker error")):
		return failf(ErrBusy, "it could not store the pack: %s: %s", rep.unpack, said)
	case rep.status == "ok":
		return nil
	case rep.status == "":
		return failf(ErrNetwork, "the server did not say what became of the push")
	case q.replaces && strings.Contains(rep.status, "non-fast-forward"):
		return rejected
	case retryable(rep.status):
		return failf(ErrBusy, "%s: %s", rep.status, said)
	}
	return rejected
}

// final reports whether trying again is pointless.
func final(err error) bool {
	var rejected *RejectedError
	return errors.As(err, &rejected) || errors.Is(err, ErrAuthentication) || errors.Is(err, ErrAuthorization) ||
		errors.Is(err, ErrNotFound) || errors.Is(err, ErrHostKey) || errors.Is(err, ErrTooLarge)
}

// certain reports whether a push that ended like this surely changed nothing.
func certain(err error) bool {
	var unreported *unreportedError
	var unsent *unsentError
	return !errors.As(err, &unreported) && (final(err) || errors.As(err, &unsent) || unreachable(err) || errors.Is(err, ErrBusy))
}
