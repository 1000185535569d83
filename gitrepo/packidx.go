package gitrepo

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// writePack stores a fetched pack with a version 2 index (gitformat-pack(5))
// into a folder of packs. It returns how many bytes that took.
func writePack(dir string, p *pack, x memIndex) (int64, error) {
	var trailer Hash
	if _, err := p.r.ReadAt(trailer[:], p.size-int64(len(trailer))); err != nil && err != io.EOF {
		return 0, err
	}
	idx, err := encodeIndex(p, x, trailer)
	if err != nil {
		return 0, err
	}
	base := filepath.Join(dir, "pack-"+trailer.String())
	f, err := os.CreateTemp(dir, "*.tmp")
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(f, io.NewSectionReader(p.r, 0, p.size))
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), base+".pack")
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return 0, err
	}
	// The index comes last: readers look for it.
	return p.size + int64(len(idx)), writeFile(base+".idx", idx)
}

func encodeIndex(p *pack, x memIndex, trailer Hash) ([]byte, error) {
	if p.size > 1<<31 {
		return nil, fmt.Errorf("%w: pack of %d bytes", ErrTooLarge, p.size)
	}
	sums, err := entrySums(p, x)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("\xfftOc\x00\x00\x00\x02")
	n := 0
	for first := range 256 {
		for n < len(x) && int(x[n].id[0]) <= first {
			n++
		}
		_ = binary.Write(&b, binary.BigEndian, uint32(n))
	}
	for _, e := range x {
		b.Write(e.id[:])
	}
	for _, e := range x {
		_ = binary.Write(&b, binary.BigEndian, sums[e.off])
	}
	for _, e := range x {
		_ = binary.Write(&b, binary.BigEndian, uint32(e.off))
	}
	b.Write(trailer[:])
	sum := sha1.Sum(b.Bytes())
	b.Write(sum[:])
	return b.Bytes(), nil
}

// entrySums returns the CRC-32 of each entry, by its offset.
func entrySums(p *pack, x memIndex) (map[int64]uint32, error) {
	offsets := make([]int64, 0, len(x)+1)
	for _, e := range x {
		offsets = append(offsets, e.off)
	}
	slices.Sort(offsets)
	offsets = append(offsets, p.size-int64(len(Hash{})))
	sums := make(map[int64]uint32, len(x))
	for i, off := range offsets[:len(x)] {
		h := crc32.NewIEEE()
		if _, err := io.Copy(h, io.NewSectionReader(p.r, off, offsets[i+1]-off)); err != nil {
			return nil, err
		}
		sums[off] = h.Sum32()
	}
	return sums, nil
}
