package gitrepo

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"sync"
)

// packWriter builds the pack of one push on top of what the server has, and
// finds what it has written again. The pack is thin: large trees are deltas against trees
// that the server has (git-pack-objects(1), --thin).
type packWriter struct {
	mu     sync.Mutex
	base   source       // a store, or the pack of a push that is under way
	body   bytes.Buffer // header, entries; the checksum comes last
	z      *zlib.Writer
	places placeIndex
	chain  map[Hash]int  // tree → length of its delta chain in this pack
	origin map[Hash]Hash // tree → the tree of the server it grew from
	gone   []Hash        // trees of the server that were replaced
	live   map[Hash]bool // trees in this pack that were not
	recent lru[Hash]
}

// placeIndex is the index of a pack being written.
type placeIndex map[Hash]int64

func (x placeIndex) find(id Hash) (int64, bool, error) {
	off, ok := x[id]
	return off, ok, nil
}

const (
	// deltaFrom is the size from which a tree is sent as a delta: below, a
	// whole tree is as cheap for both sides.
	deltaFrom = 2 << 10
	// maxChain bounds deltas on deltas: every reader of the newest tree pays
	// for all of them until the server repacks.
	maxChain = 24
	// recentLimit of what was written is kept uncompressed.
	recentLimit = 8 << 20
)

func newPackWriter(base source) *packWriter {
	w := &packWriter{
		base: base, places: placeIndex{}, chain: map[Hash]int{}, origin: map[Hash]Hash{}, live: map[Hash]bool{},
		recent: newLRU[Hash](recentLimit),
	}
	w.body.Write(make([]byte, 12))
	// Higher levels clear 640 KiB before each object, whatever its size.
	w.z, _ = zlib.NewWriterLevel(&w.body, zlib.BestSpeed)
	return w
}

func (w *packWriter) peek(id Hash) (object, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.peekLocked(id)
}

func (w *packWriter) peekLocked(id Hash) (object, bool, error) {
	if o, ok := w.recent.get(id); ok {
		return o, true, nil
	}
	off, ok := w.places[id]
	if !ok {
		return w.base.peek(id)
	}
	p := &pack{r: bytes.NewReader(w.body.Bytes()), size: int64(w.body.Len() + len(Hash{})), index: w.places}
	p.extra, p.outside = map[Hash]object{}, func(id Hash) (object, error) {
		o, ok, err := w.base.peek(id)
		if err == nil && !ok {
			err = ErrDamaged
		}
		return o, err
	}
	o, err := p.at(off, nil)
	if err == nil {
		w.recent.put(id, o)
	}
	return o, err == nil, err
}

func (w *packWriter) fetch(ctx context.Context, ids []Hash, filter string) error {
	w.mu.Lock()
	var rest []Hash
	for _, id := range ids {
		if _, ok := w.places[id]; !ok {
			rest = append(rest, id)
		}
	}
	base := w.base
	w.mu.Unlock()
	return base.fetch(ctx, rest, filter)
}

// rebase replaces what is below: the server has it now.
func (w *packWriter) rebase(base source) {
	w.mu.Lock()
	w.base = base
	w.mu.Unlock()
}

// size is how much there is to send.
func (w *packWriter) size() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.body.Len()
}

// add writes the objects of a change.
func (w *packWriter) add(s staged) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.kind == kindTree {
		w.live[s.id] = true
	}
	if _, ok := w.places[s.id]; ok {
		return nil
	}
	w.recent.put(s.id, s.object)
	if !s.like.IsZero() {
		defer w.replace(s.like)
	}
	if s.kind == kindTree && !s.like.IsZero() && len(s.data) >= deltaFrom {
		if done, err := w.addDelta(s); done || err != nil {
			return err
		}
	}
	return w.entry(s.id, s.kind, nil, s.data)
}

// replace forgets a tree that a later commit has replaced: the large ones of a
// batch would add up. Should it be wanted all the same, it is in the pack.
func (w *packWriter) replace(id Hash) {
	if _, ours := w.places[id]; ours {
		w.recent.remove(id)
		delete(w.live, id)
	} else {
		w.gone = append(w.gone, id)
	}
}

// addDelta writes a tree as a delta on the one it replaces or, when that has
// a long chain of deltas itself, on the tree of the server it grew from.
func (w *packWriter) addDelta(s staged) (bool, error) {
	from, chain, root := s.like, w.chain[s.like], s.like
	if r, ok := w.origin[s.like]; ok {
		root = r
	}
	if chain >= maxChain {
		from, chain = root, 0
	}
	base, ok, err := w.peekLocked(from)
	if err != nil || !ok {
		return false, err
	}
	delta := treeDelta(base.data, s.data)
	if len(delta) > len(s.data)/2 {
		return false, nil
	}
	w.chain[s.id], w.origin[s.id] = chain+1, root
	return true, w.entry(s.id, kindRefDelta, from[:], delta)
}

func (w *packWriter) entry(id Hash, k kind, base, data []byte) error {
	w.places[id] = int64(w.body.Len())
	size := uint64(len(data))
	c := byte(k)<<4 | byte(size&15)
	for size >>= 4; size > 0; size >>= 7 {
		w.body.WriteByte(c | 0x80)
		c = byte(size & 0x7f)
	}
	w.body.WriteByte(c)
	w.body.Write(base)
	w.z.Reset(&w.body)
	if _, err := w.z.Write(data); err != nil {
		return err
	}
	return w.z.Close()
}

// finish returns the pack, in parts. Nothing may be added afterwards.
func (w *packWriter) finish() [][]byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := w.body.Bytes()
	copy(b, "PACK\x00\x00\x00\x02")
	binary.BigEndian.PutUint32(b[8:], uint32(len(w.places)))
	sum := sha1.Sum(b)
	return [][]byte{b, sum[:]}
}

// settle hands a commit of ours and the new trees of it over to a store: the
// server has them now, and the next change will want them.
func (w *packWriter) settle(s *store, t tip) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s.follow(t.commit)
	w.live[t.commit] = true
	made := make(map[Hash]object, len(w.live))
	for id := range w.live {
		o, ok, err := w.peekLocked(id)
		if err != nil || !ok {
			return
		}
		s.keep(id, o)
		made[id] = o
	}
	s.forget(w.gone)
	s.cache.put(made, w.gone)
}
