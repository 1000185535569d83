package gitrepo

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
)

const (
	// spoolMemory is how much of a fetched pack stays in memory; more goes
	// to a file.
	spoolMemory = 8 << 20
	// maxPack bounds what a server may send in answer to one fetch.
	maxPack = 4 << 30
	// maxObjects bounds the index of one pack, which is in memory.
	maxObjects = 1 << 22
	// smallPack is what the objects of a pack may take that is kept as objects.
	smallPack = 4 << 20
	// indexMemory is kept of delta bases while a pack is indexed.
	indexMemory = 32 << 20
)

// errSpool is this machine's fault, not the server's.
var errSpool = errors.New("a fetched pack could not be stored")

// spool holds a fetched pack: in memory, or in a file that nobody else sees.
type spool struct {
	dir  string
	mem  []byte
	file *os.File
	size int64
}

func (s *spool) Write(b []byte) (int, error) {
	if s.size+int64(len(b)) > maxPack {
		return 0, failf(ErrTooLarge, "the server sent more than %d bytes", int64(maxPack))
	}
	if s.file == nil && s.size+int64(len(b)) > spoolMemory {
		if err := s.toFile(); err != nil {
			return 0, err
		}
	}
	s.size += int64(len(b))
	if s.file != nil {
		return s.append(b)
	}
	s.mem = append(s.mem, b...)
	return len(b), nil
}

func (s *spool) toFile() error {
	f, err := os.CreateTemp(s.dir, "pack-*.tmp")
	if err != nil {
		return &failure{kind: errSpool, err: err}
	}
	// Open but without a name: gone when this process is. Where that is not
	// possible, close removes it.
	_ = os.Remove(f.Name())
	s.file = f
	_, err = s.append(s.mem)
	s.mem = nil
	return err
}

func (s *spool) append(b []byte) (int, error) {
	n, err := s.file.Write(b)
	if err != nil {
		return n, &failure{kind: errSpool, err: err}
	}
	return n, nil
}

func (s *spool) readerAt() io.ReaderAt {
	if s.file != nil {
		return s.file
	}
	return bytes.NewReader(s.mem)
}

func (s *spool) close() error {
	s.mem = nil
	if s.file == nil {
		return nil
	}
	name := s.file.Name()
	err := s.file.Close()
	_ = os.Remove(name)
	return err
}

// memIndex is the index of a fetched pack, sorted by id.
type memIndex []memIndexEntry

type memIndexEntry struct {
	id  Hash
	off int64
}

func (x memIndex) find(id Hash) (int64, bool, error) {
	i := sort.Search(len(x), func(i int) bool { return bytes.Compare(x[i].id[:], id[:]) >= 0 })
	if i < len(x) && x[i].id == id {
		return x[i].off, true, nil
	}
	return 0, false, nil
}

// memory is about what a fetched pack keeps in memory.
func (p *pack) memory() int {
	n := 0
	for _, o := range p.extra {
		n += len(o.data)
	}
	if x, ok := p.index.(memIndex); ok {
		n += len(x) * 32
	}
	if p.size <= spoolMemory {
		n += int(p.size)
	}
	return n
}

// receivePackStream stores a fetched pack, checks it as a whole, and indexes
// it. dir takes what does not fit into memory. outside resolves the bases
// that a thin pack leaves out; nil allows none.
func receivePackStream(ctx context.Context, r io.Reader, dir string, outside func(Hash) (object, error)) (*pack, error) {
	s := &spool{dir: dir}
	if _, err := io.Copy(s, r); err != nil {
		_ = s.close()
		return nil, err
	}
	p := &pack{r: s.readerAt(), size: s.size, close: s.close, outside: outside, extra: map[Hash]object{}, small: map[Hash]object{}}
	x, err := p.scan(ctx)
	if err != nil {
		_ = s.close()
		return nil, fmt.Errorf("read the fetched pack: %w", err)
	}
	p.index, p.outside = x, nil
	return p, nil
}

// scan reads all entries in order and works out their ids.
func (p *pack) scan(ctx context.Context) (memIndex, error) {
	var head [12]byte
	if p.size < int64(len(head)+len(Hash{})) {
		return nil, io.ErrUnexpectedEOF
	}
	if _, err := p.r.ReadAt(head[:], 0); err != nil {
		return nil, err
	}
	count, err := packHeader(head[:])
	if err != nil {
		return nil, err
	}
	if count > maxObjects {
		return nil, failf(ErrTooLarge, "the server sent %d objects", count)
	}
	s := &packScan{ctx: ctx, p: p, off: int64(len(head)), end: p.size - int64(len(Hash{}))}
	if err := s.run(count); err != nil {
		return nil, err
	}
	if s.off != s.end {
		return nil, fmt.Errorf("%w: %d bytes behind the last object", ErrDamaged, s.end-s.off)
	}
	if err := s.checkTrailer(); err != nil {
		return nil, err
	}
	return s.resolve()
}

type packScan struct {
	ctx      context.Context //nolint:containedctx // of this one scan
	p        *pack
	off, end int64
	done     memIndex
	deltas   []int64 // offsets
	kept     int64   // bytes in p.small
	z        inflater
}

func (s *packScan) run(count int64) error {
	for range count {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		e, err := s.p.entry(s.off)
		if err != nil {
			return err
		}
		body := io.NewSectionReader(s.p.r, e.dataAt, s.end-e.dataAt)
		s.z.open(body)
		if e.kind == kindOfsDelta || e.kind == kindRefDelta {
			s.deltas = append(s.deltas, s.off)
			err = s.z.copyTo(io.Discard, e.size)
		} else {
			err = s.whole(e)
		}
		if err != nil {
			return err
		}
		at, err := body.Seek(0, io.SeekCurrent)
		if err != nil {
			return err
		}
		s.off = e.dataAt + at - int64(s.z.buf.Buffered())
	}
	return nil
}

// whole reads an object that is no delta.
func (s *packScan) whole(e packEntry) error {
	if s.kept+e.size <= smallPack {
		data, err := s.z.all(e.size)
		if err == nil {
			s.add(object{kind: e.kind, data: data}, s.off)
		}
		return err
	}
	h := sha1.New()
	h.Write(objectHeader(e.kind, e.size))
	err := s.z.copyTo(h, e.size)
	s.done = append(s.done, memIndexEntry{Hash(h.Sum(nil)), s.off})
	s.kept, s.p.small = smallPack, nil
	return err
}

func (s *packScan) add(o object, off int64) Hash {
	id := o.hash()
	s.done = append(s.done, memIndexEntry{id, off})
	if s.kept += int64(len(o.data)) + lruOverhead; s.kept > smallPack {
		s.p.small = nil
	}
	if s.p.small != nil {
		s.p.small[id] = o
	}
	return id
}

func (s *packScan) checkTrailer() error {
	h := sha1.New()
	if _, err := io.Copy(h, io.NewSectionReader(s.p.r, 0, s.end)); err != nil {
		return err
	}
	var want Hash
	if _, err := s.p.r.ReadAt(want[:], s.end); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if Hash(h.Sum(nil)) != want {
		return fmt.Errorf("%w: wrong checksum of the pack", ErrDamaged)
	}
	return nil
}

// resolve finds the ids of the deltas. A reference delta may come before its
// base: then it waits for that, or, when nothing else is left to try, for one
// outside of the pack.
func (s *packScan) resolve() (memIndex, error) {
	index := make(placeIndex, len(s.done)+len(s.deltas))
	for _, e := range s.done {
		index[e.id] = e.off
	}
	s.p.index = index
	bases := newBaseCache(indexMemory)
	waiting := map[Hash][]int64{}
	outside := s.p.outside
	var err error
	for ready := s.deltas; len(ready) > 0; {
		var next []int64
		for _, off := range ready {
			if err := s.ctx.Err(); err != nil {
				return nil, err
			}
			var lacks Hash
			s.p.outside = func(base Hash) (object, error) {
				lacks = base
				return object{}, errLater
			}
			o, err := s.p.at(off, bases)
			if errors.Is(err, errLater) {
				waiting[lacks] = append(waiting[lacks], off)
				continue
			}
			if err != nil {
				return nil, err
			}
			id := s.add(o, off)
			index[id] = off
			next = append(next, waiting[id]...)
			delete(waiting, id)
		}
		if ready = next; len(ready) > 0 {
			continue
		}
		if ready, err = s.askOutside(outside, waiting); err != nil {
			return nil, err
		}
	}
	s.sort()
	return s.done, nil
}

// askOutside gets bases that deltas wait for, and returns those deltas. What waits
// for a base that is not there may wait for one that another delta brings.
func (s *packScan) askOutside(outside func(Hash) (object, error), waiting map[Hash][]int64) (ready []int64, err error) {
	for base, offs := range waiting {
		if outside == nil {
			return nil, fmt.Errorf("%w: base %v of a delta is missing", ErrDamaged, base)
		}
		o, e := outside(base)
		if e != nil {
			err = e
			continue
		}
		s.p.extra[base] = o
		ready = append(ready, offs...)
		delete(waiting, base)
	}
	if len(ready) > 0 {
		return ready, nil
	}
	return nil, err
}

var errLater = errors.New("base not indexed yet")

func (s *packScan) sort() {
	sort.Slice(s.done, func(i, j int) bool { return bytes.Compare(s.done[i].id[:], s.done[j].id[:]) < 0 })
}
