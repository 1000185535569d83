package gitrepo

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Deltas, as gitformat-pack(5) defines them: two sizes, then instructions
// that copy from the base or insert new bytes.

var errBadDelta = errors.New("malformed delta")

// applyDelta returns what delta makes of base.
func applyDelta(base, delta []byte) ([]byte, error) {
	from, n := binary.Uvarint(delta)
	if n <= 0 || from != uint64(len(base)) {
		return nil, errBadDelta
	}
	delta = delta[n:]
	size, n := binary.Uvarint(delta)
	if n <= 0 {
		return nil, errBadDelta
	}
	if size > maxObject {
		return nil, failf(ErrTooLarge, "object of %d bytes", size)
	}
	delta = delta[n:]
	out := make([]byte, 0, min(size, from+64<<10))
	for len(delta) > 0 {
		op := delta[0]
		delta = delta[1:]
		var part []byte
		switch {
		case op&0x80 != 0:
			var off, length uint64
			if off, length, delta, n = copyArgs(op, delta); n < 0 || off+length > from {
				return nil, errBadDelta
			}
			part = base[off : off+length]
		case op == 0 || int(op) > len(delta):
			return nil, errBadDelta
		default:
			part, delta = delta[:op], delta[op:]
		}
		if uint64(len(out)+len(part)) > size {
			return nil, errBadDelta
		}
		out = append(out, part...)
	}
	if uint64(len(out)) != size {
		return nil, errBadDelta
	}
	return out, nil
}

// copyArgs reads offset (4 bytes) and length (3 bytes), of which op says
// which are there; a length of 0 means 64 KiB. n is negative when bytes lack.
func copyArgs(op byte, b []byte) (off, length uint64, rest []byte, n int) {
	for i := range 7 {
		if op&(1<<i) == 0 {
			continue
		}
		if len(b) == 0 {
			return 0, 0, nil, -1
		}
		if i < 4 {
			off |= uint64(b[0]) << (8 * i)
		} else {
			length |= uint64(b[0]) << (8 * (i - 4))
		}
		b = b[1:]
	}
	if length == 0 {
		length = 0x10000
	}
	return off, length, b, 0
}

// deltaWriter builds a delta out of runs.
type deltaWriter struct {
	out      []byte
	from, to int // pending copy
	insert   []byte
}

const maxCopy = 0xffffff

func (w *deltaWriter) copyRange(from, to int) {
	if from == to {
		return
	}
	if w.to == from && w.to > w.from && len(w.insert) == 0 {
		w.to = to
		return
	}
	w.flush()
	w.from, w.to = from, to
}

func (w *deltaWriter) add(b []byte) {
	if w.to > w.from {
		w.flush()
	}
	w.insert = append(w.insert, b...)
}

func (w *deltaWriter) flush() {
	for w.from < w.to {
		n := min(w.to-w.from, maxCopy)
		w.out = appendCopy(w.out, uint32(w.from), uint32(n))
		w.from += n
	}
	for len(w.insert) > 0 {
		n := min(len(w.insert), 0x7f)
		w.out = append(append(w.out, byte(n)), w.insert[:n]...)
		w.insert = w.insert[n:]
	}
	w.from, w.to, w.insert = 0, 0, nil
}

func appendCopy(b []byte, off, n uint32) []byte {
	at := len(b)
	b = append(b, 0x80)
	for i := range 4 {
		if c := byte(off >> (8 * i)); c != 0 {
			b[at] |= 1 << i
			b = append(b, c)
		}
	}
	for i := range 3 {
		if c := byte(n >> (8 * i)); c != 0 {
			b[at] |= 0x10 << i
			b = append(b, c)
		}
	}
	return b
}

// treeDelta encodes tree against base. When they differ in one place, what is
// before and after it is copied; else they are compared entry by entry, for
// both are sorted. Either may be malformed: applying the result always gives
// tree.
func treeDelta(base, tree []byte) []byte {
	head := binary.AppendUvarint(nil, uint64(len(base)))
	w := &deltaWriter{out: binary.AppendUvarint(head, uint64(len(tree)))}
	before := commonPrefix(base, tree)
	after := commonSuffix(base[before:], tree[before:])
	if middle := tree[before : len(tree)-after]; len(middle) <= maxMiddle {
		w.copyRange(0, before)
		w.add(middle)
		w.copyRange(len(base)-after, len(base))
	} else {
		w.compare(base, tree)
	}
	w.flush()
	return w.out
}

// maxMiddle is the size of a difference that is not worth a closer look.
const maxMiddle = 128

func (w *deltaWriter) compare(base, tree []byte) {
	at := 0 // in base
	for len(tree) > 0 {
		n := entryLen(tree)
		e := tree[:n]
		tree = tree[n:]
		for at < len(base) && compareEntries(base[at:], e) < 0 {
			at += entryLen(base[at:])
		}
		if at < len(base) && bytes.HasPrefix(base[at:], e) && entryLen(base[at:]) == n {
			w.copyRange(at, at+n)
			at += n
		} else {
			w.add(e)
		}
	}
}

// stride is how much is compared at once.
const stride = 512

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+stride <= n && bytes.Equal(a[i:i+stride], b[i:i+stride]) {
		i += stride
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

func commonSuffix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i+stride <= n && bytes.Equal(a[len(a)-i-stride:len(a)-i], b[len(b)-i-stride:len(b)-i]) {
		i += stride
	}
	for i < n && a[len(a)-1-i] == b[len(b)-1-i] {
		i++
	}
	return i
}

// entryLen is the length of the first raw entry; all of b when malformed.
func entryLen(b []byte) int {
	i := bytes.IndexByte(b, 0)
	if i < 0 || len(b) < i+1+len(Hash{}) {
		return len(b)
	}
	return i + 1 + len(Hash{})
}

// compareEntries orders two raw entries as their tree does.
func compareEntries(a, b []byte) int {
	ea, _, errA := nextEntry(a)
	eb, _, errB := nextEntry(b)
	if errA != nil || errB != nil {
		return 1
	}
	return compareNames(ea.name, ea.isDir(), eb.name, eb.isDir())
}
