package gitrepo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// fileIndex reads a version 2 .idx file (gitformat-pack(5)) where it lies: a
// lookup costs a few small reads, whatever the size of the repository.
type fileIndex struct {
	r      io.ReaderAt
	size   int64
	fanout [256]uint32
}

const (
	idxNames   = 8 + 4*256
	idxTrailer = 2 * 20
)

func openIndex(r io.ReaderAt, size int64) (*fileIndex, error) {
	var head [idxNames]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("read pack index: %w", cutShort(err))
	}
	if !bytes.HasPrefix(head[:], []byte("\xfftOc\x00\x00\x00\x02")) {
		return nil, fmt.Errorf("%w: pack index of an unknown version", ErrDamaged)
	}
	x := &fileIndex{r: r, size: size}
	last := uint32(0)
	for i := range x.fanout {
		x.fanout[i] = binary.BigEndian.Uint32(head[8+4*i:])
		if x.fanout[i] < last {
			return nil, fmt.Errorf("%w: pack index out of order", ErrDamaged)
		}
		last = x.fanout[i]
	}
	if x.size < x.offsetAt(last)+idxTrailer {
		return nil, fmt.Errorf("%w: pack index cut short", ErrDamaged)
	}
	return x, nil
}

func (x *fileIndex) count() int64 { return int64(x.fanout[255]) }

// offsetAt is where the offset of the i-th object stands: behind all ids and
// all checksums.
func (x *fileIndex) offsetAt(i uint32) int64 { return idxNames + x.count()*(20+4) + int64(i)*4 }

// window is how many ids are read at once at the end of a search.
const window = 128

func (x *fileIndex) find(id Hash) (int64, bool, error) {
	lo, hi := uint32(0), x.fanout[id[0]]
	if id[0] > 0 {
		lo = x.fanout[id[0]-1]
	}
	for hi-lo > window {
		mid := lo + (hi-lo)/2
		var got Hash
		if _, err := x.r.ReadAt(got[:], idxNames+int64(mid)*20); err != nil {
			return 0, false, fmt.Errorf("read pack index: %w", cutShort(err))
		}
		if bytes.Compare(got[:], id[:]) <= 0 {
			lo = mid
		} else {
			hi = mid
		}
	}
	var buf [window * 20]byte
	names := buf[:(hi-lo)*20]
	if _, err := x.r.ReadAt(names, idxNames+int64(lo)*20); err != nil {
		return 0, false, fmt.Errorf("read pack index: %w", cutShort(err))
	}
	for i := uint32(0); i < hi-lo; i++ {
		if bytes.Equal(names[i*20:(i+1)*20], id[:]) {
			off, err := x.offset(lo + i)
			return off, err == nil, err
		}
	}
	return 0, false, nil
}

func (x *fileIndex) offset(i uint32) (int64, error) {
	var b [8]byte
	if _, err := x.r.ReadAt(b[:4], x.offsetAt(i)); err != nil {
		return 0, fmt.Errorf("read pack index: %w", cutShort(err))
	}
	off := binary.BigEndian.Uint32(b[:4])
	if off&(1<<31) == 0 {
		return int64(off), nil
	}
	at := x.offsetAt(x.fanout[255]) + int64(off&^(1<<31))*8
	if at+8 > x.size-idxTrailer {
		return 0, fmt.Errorf("%w: pack index cut short", ErrDamaged)
	}
	if _, err := x.r.ReadAt(b[:], at); err != nil {
		return 0, fmt.Errorf("read pack index: %w", cutShort(err))
	}
	return int64(binary.BigEndian.Uint64(b[:])), nil
}
