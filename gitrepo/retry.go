package gitrepo

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"time"
)

// backoff is how long to wait before the n-th repetition, from 0.
type backoff func(n int) time.Duration

// fullJitter doubles from base to limit and takes a random part of it, so
// that writers who met once do not meet again.
func fullJitter(base, limit time.Duration) backoff {
	return func(n int) time.Duration {
		d := limit
		if n < 20 {
			d = min(limit, base<<n)
		}
		return d/4 + rand.N(d*3/4+1)
	}
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// readTries is how often a request that changes nothing is sent.
const readTries = 4

// retry repeats a read that a cut connection or failing server broke. A
// server that cannot be reached, or does not answer at all, is not asked
// again: the person waits for that already.
func (r *remote) retry(ctx context.Context, read func() error) error {
	for n := 0; ; n++ {
		err := read()
		if err != nil && ctx.Err() == nil && r.unlearn() {
			continue
		}
		if err == nil || n+1 == readTries || !transient(err) || ctx.Err() != nil {
			return err
		}
		if pause(ctx, r.wait(n)) != nil {
			return err
		}
	}
}

func transient(err error) bool {
	if unreachable(err) || errors.Is(err, ErrTimeout) || errors.Is(err, ErrTooLarge) {
		return false
	}
	return errors.Is(err, ErrNetwork) || errors.Is(err, ErrDamaged)
}

// unreachable reports whether no connection was made, so that nothing was
// sent.
func unreachable(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	return errors.As(err, &dns) || errors.As(err, &cert) || errors.As(err, &op) && op.Op == "dial"
}
