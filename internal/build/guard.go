package build

import (
	"errors"
	"fmt"
	"runtime/metrics"
	"time"
)

// ErrRunaway says that a build takes more than any project needs. Kustomize cannot be
// stopped: the build goes on in the background, so end the process soon.
var ErrRunaway = errors.New("it takes more than 1 GiB of memory or a minute")

// limits bound one build. Kustomize has no limits of its own: replacements that double
// a text, or a patch of every object, fill all memory with a few lines.
type limits struct {
	memory uint64 // bytes more than before
	time   time.Duration
}

// guard runs a build within limits and turns a panic into an error.
func guard(l limits, run func() ([]byte, error)) ([]byte, error) {
	type result struct {
		out []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				r = result{err: fmt.Errorf("Kustomize broke off: %v", p)} //nolint:staticcheck // a name
			}
			done <- r
		}()
		r.out, r.err = run()
	}()
	before := heap()
	deadline := time.NewTimer(l.time)
	defer deadline.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case r := <-done:
			return r.out, r.err
		case <-deadline.C:
			return nil, ErrRunaway
		case <-look.C:
			if heap() > before+l.memory {
				return nil, ErrRunaway
			}
		}
	}
}

// heap is the memory that objects take, in bytes.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
