package gitrepo

import (
	"bufio"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// maxObject is the largest object this package reads or makes. GitOps files
// are small; a repository that also holds large ones is only refused when
// such a file is opened.
const maxObject = 256 << 20

// maxDeltaChain is deeper than any git makes (its default is 50).
const maxDeltaChain = 4096

// maxChainSize bounds what all objects of one chain may take: a few bytes can ask
// for the largest object again and again.
const maxChainSize = 64 * maxObject

// packIndex finds the place of an object in a pack.
type packIndex interface {
	find(Hash) (offset int64, found bool, err error)
}

// pack is a readable pack: a file of a local repository with its .idx, or one
// that was fetched, with an index made here.
type pack struct {
	r     io.ReaderAt
	size  int64
	index packIndex
	close func() error
	// outside finds the base of a delta that a thin pack leaves out; extra
	// keeps what it found.
	outside func(Hash) (object, error)
	extra   map[Hash]object
	// small holds all objects of a fetched pack when they are few.
	small map[Hash]object

	inflaters sync.Pool
}

// object reads one object by id. The content is not checked against the id.
func (p *pack) object(id Hash) (object, bool, error) {
	off, ok, err := p.index.find(id)
	if err != nil || !ok {
		return object{}, false, err
	}
	o, err := p.at(off, nil)
	return o, err == nil, err
}

// packEntry is the head of one entry.
type packEntry struct {
	kind    kind
	size    int64
	dataAt  int64 // of the compressed bytes
	baseAt  int64 // of an offset delta
	baseRef Hash  // of a reference delta
}

// at reads the object that begins at an offset. bases, when given, keeps
// objects between calls.
func (p *pack) at(off int64, bases *baseCache) (object, error) {
	var deltas [][]byte
	var offsets []int64
	var o object
	var held int64
	for {
		if cached, ok := bases.get(off); ok {
			o = cached
			break
		}
		e, err := p.entry(off)
		if err != nil {
			return object{}, err
		}
		if held += e.size; held > 2*maxObject {
			return object{}, failf(ErrTooLarge, "deltas of %d bytes for one object", held)
		}
		data, err := p.inflate(e)
		if err != nil {
			return object{}, err
		}
		offsets = append(offsets, off)
		if e.kind != kindOfsDelta && e.kind != kindRefDelta {
			o = object{kind: e.kind, data: data}
			bases.put(off, o)
			break
		}
		deltas = append(deltas, data)
		if len(deltas) > maxDeltaChain {
			return object{}, fmt.Errorf("%w: delta chain without end", ErrDamaged)
		}
		off = e.baseAt
		if e.kind == kindRefDelta {
			at, ok, err := p.index.find(e.baseRef)
			if err != nil {
				return object{}, err
			}
			if !ok {
				if o, err = p.base(e.baseRef); err != nil {
					return object{}, err
				}
				break
			}
			off = at
		}
	}
	var made int64
	for i := len(deltas) - 1; i >= 0; i-- {
		if made += int64(len(o.data)); made > maxChainSize {
			return object{}, failf(ErrTooLarge, "a chain of deltas of %d bytes", made)
		}
		data, err := applyDelta(o.data, deltas[i])
		if err != nil {
			return object{}, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		o = object{kind: o.kind, data: data}
		bases.put(offsets[i], o)
	}
	return o, nil
}

func (p *pack) base(id Hash) (object, error) {
	if o, ok := p.extra[id]; ok {
		return o, nil
	}
	if p.outside == nil {
		return object{}, fmt.Errorf("%w: base %v of a delta is missing", ErrDamaged, id)
	}
	o, err := p.outside(id)
	if err == nil {
		p.extra[id] = o
	}
	return o, err
}

func (p *pack) entry(off int64) (packEntry, error) {
	if off < 12 || off >= p.size-int64(len(Hash{})) {
		return packEntry{}, fmt.Errorf("%w: offset outside of the pack", ErrDamaged)
	}
	var head [40]byte
	n, err := p.r.ReadAt(head[:], off)
	if n == 0 {
		return packEntry{}, fmt.Errorf("read pack: %w", cutShort(err))
	}
	e, used, err := parsePackEntry(head[:n], off)
	e.dataAt = off + int64(used)
	return e, err
}

var errBadEntry = fmt.Errorf("%w: malformed pack entry", ErrDamaged)

// parsePackEntry reads the head of the entry that stands at off.
func parsePackEntry(b []byte, off int64) (packEntry, int, error) {
	c, i, shift := b[0], 1, 4
	e := packEntry{kind: kind(c >> 4 & 7), size: int64(c & 15)}
	for c&0x80 != 0 {
		if i >= len(b) || shift > 56 {
			return e, 0, errBadEntry
		}
		c = b[i]
		i++
		e.size |= int64(c&0x7f) << shift
		shift += 7
	}
	if e.size > maxObject {
		return e, 0, failf(ErrTooLarge, "object of %d bytes", e.size)
	}
	switch e.kind {
	case kindCommit, kindTree, kindBlob, kindTag:
	case kindRefDelta:
		if len(b) < i+len(e.baseRef) {
			return e, 0, errBadEntry
		}
		i += copy(e.baseRef[:], b[i:])
	case kindOfsDelta:
		back, n := offsetVarint(b[i:])
		if n <= 0 || back <= 0 || back > off-12 {
			return e, 0, errBadEntry
		}
		e.baseAt = off - back
		i += n
	default:
		return e, 0, errBadEntry
	}
	return e, i, nil
}

// offsetVarint reads the number of an offset delta, which adds one per byte.
func offsetVarint(b []byte) (int64, int) {
	var v int64
	for i, c := range b {
		if i > 8 {
			break
		}
		v = v<<7 | int64(c&0x7f)
		if c&0x80 == 0 {
			return v, i + 1
		}
		v++
	}
	return 0, -1
}

func (p *pack) inflate(e packEntry) ([]byte, error) {
	packed := p.size - e.dataAt
	if e.size/maxZlibRatio > packed {
		return nil, errBadEntry
	}
	z, _ := p.inflaters.Get().(*inflater)
	if z == nil {
		z = &inflater{}
	}
	defer p.inflaters.Put(z)
	z.open(io.NewSectionReader(p.r, e.dataAt, packed))
	return z.all(e.size)
}

// maxZlibRatio is how far DEFLATE can compress at best.
const maxZlibRatio = 1032

// inflater is a reusable zlib reader that never reads past the stream's end.
type inflater struct {
	buf *bufio.Reader
	z   io.ReadCloser
	err error
}

// open begins with the stream at the start of r.
func (f *inflater) open(r io.Reader) {
	if f.buf == nil {
		f.buf = bufio.NewReader(r)
	}
	f.buf.Reset(r)
	f.reset()
}

// reset begins the next stream in buf.
func (f *inflater) reset() {
	if f.z == nil {
		f.z, f.err = zlib.NewReader(f.buf)
		return
	}
	f.err = f.z.(zlib.Resetter).Reset(f.buf, nil)
}

// all reads a stream whose length is known.
func (f *inflater) all(size int64) ([]byte, error) {
	if f.err != nil {
		return nil, zlibError(f.err)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(f.z, data); err != nil {
		return nil, zlibError(err)
	}
	return data, f.end()
}

// copyTo writes a stream of known length to w.
func (f *inflater) copyTo(w io.Writer, size int64) error {
	if f.err != nil {
		return zlibError(f.err)
	}
	if _, err := io.CopyN(w, f.z, size); err != nil {
		return zlibError(err)
	}
	return f.end()
}

// end checks that the stream ends here and that its checksum is right.
func (f *inflater) end() error {
	var one [1]byte
	n, err := io.ReadFull(f.z, one[:])
	if n != 0 {
		return fmt.Errorf("%w: longer than its header says", ErrDamaged)
	}
	if !errors.Is(err, io.EOF) {
		return zlibError(err)
	}
	return nil
}

func zlibError(err error) error { return fmt.Errorf("%w: %w", ErrDamaged, cutShort(err)) }

// baseCache keeps some objects of a pack while its index is made. A nil cache
// keeps nothing.
type baseCache struct{ lru[int64] }

func newBaseCache(limit int) *baseCache { return &baseCache{newLRU[int64](limit)} }

func (c *baseCache) get(off int64) (object, bool) {
	if c == nil {
		return object{}, false
	}
	return c.lru.get(off)
}

func (c *baseCache) put(off int64, o object) {
	if c != nil {
		c.lru.put(off, o)
	}
}

// packHeader reads the number of objects.
func packHeader(b []byte) (int64, error) {
	if len(b) < 12 || string(b[:4]) != "PACK" {
		return 0, fmt.Errorf("%w: not a pack", ErrDamaged)
	}
	if v := binary.BigEndian.Uint32(b[4:]); v != 2 && v != 3 {
		return 0, fmt.Errorf("%w: pack version %d", ErrDamaged, v)
	}
	return int64(binary.BigEndian.Uint32(b[8:])), nil
}
