package gitrepo

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
)

// remote asks a server's upload-pack service for refs and objects. It speaks
// protocol v2 (gitprotocol-v2(5)) and falls back to v0, which servers behind
// a plain sshd still use (gitprotocol-pack(5)).
type remote struct {
	t    transport
	wait backoff

	cache *cacheDir // remembers capabilities

	mu      sync.Mutex
	known   *capabilities // from an earlier conversation, or nil
	guessed bool          // known is from an earlier process
	refused error         // a filter that the server advertises and does not allow
}

// session opens upload-pack and reads its advertisement, unless that is known
// and the transport allows to skip it. The refs are those of protocol v0.
func (r *remote) session(ctx context.Context, fresh bool) (conn, *capabilities, []ref, error) {
	c, err := r.t.open(ctx, uploadPack)
	if err != nil {
		return nil, nil, nil, err
	}
	caps := r.remembered()
	if caps != nil && r.t.stateless() && (caps.v2 || !fresh) {
		return c, caps, nil, nil
	}
	p, err := c.advert()
	var refs []ref
	if err == nil {
		caps, refs, err = readAdvert(p)
	}
	if err != nil {
		err = readFailure(c, err)
		c.close()
		return nil, nil, nil, err
	}
	r.learn(caps)
	return c, caps, refs, nil
}

func (r *remote) remembered() *capabilities {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil && r.t.stateless() {
		r.known = r.cache.server()
		r.guessed = r.known != nil
	}
	return r.known
}

func (r *remote) learn(caps *capabilities) {
	r.mu.Lock()
	caps.filter = caps.filter && !errors.Is(r.refused, errNoFilter)
	caps.flat = errors.Is(r.refused, errFilterDepth)
	changed := r.known == nil || *r.known != *caps
	r.known, r.guessed = caps, false
	r.mu.Unlock()
	if changed && r.t.stateless() {
		r.cache.setServer(caps)
	}
}

// learnRefusal remembers which filter a failed fetch should have done without, and
// reports whether to try again: servers do not say beforehand.
func (r *remote) learnRefusal(err error) bool {
	r.mu.Lock()
	if r.known == nil || !r.known.filter || !errors.Is(err, errNoFilter) && (!errors.Is(err, errFilterDepth) || r.known.flat) {
		r.mu.Unlock()
		return false
	}
	caps := *r.known
	r.refused = err
	r.mu.Unlock()
	r.learn(&caps)
	return true
}

// unlearn forgets what an earlier process knew, and reports whether there was
// anything to forget: then it may be why a request failed.
func (r *remote) unlearn() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.guessed {
		return false
	}
	r.known, r.guessed = nil, false
	r.cache.setServer(nil)
	return true
}

// readFailure gives whatever broke a conversation its kind.
func readFailure(c conn, err error) error {
	err = c.explain(err)
	var f *failure
	if errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return networkError(err)
}

// refs lists the refs with one of these names or, for a prefix that ends in a
// slash, below it.
func (r *remote) refs(ctx context.Context, prefixes ...string) ([]ref, error) {
	c, caps, all, err := r.session(ctx, true)
	if err != nil {
		return nil, err
	}
	defer c.close()
	if caps.v2 {
		if all, err = listV2(c, caps, prefixes); err != nil {
			return nil, readFailure(c, err)
		}
	}
	var out []ref
	for _, ref := range all {
		for _, p := range prefixes {
			if ref.name == p || strings.HasSuffix(p, "/") && strings.HasPrefix(ref.name, p) {
				out = append(out, ref)
				break
			}
		}
	}
	return out, nil
}

// partial reports whether the server leaves out what is not asked for: it must
// be able to filter, and to give by id what was left out. Known only after
// the first conversation.
func (r *remote) partial() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known != nil && r.known.partial()
}

// byID reports whether the server gives any object by its id.
func (r *remote) byID() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known == nil || r.known.anyWant
}
