package gitrepo

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// plant stores an object as it is, whatever git would say to it.
func plant(t *testing.T, dir string, kind string, data []byte) Hash {
	t.Helper()
	id, err := ParseHash(gitIn(t, dir, data, "hash-object", "-w", "-t", kind, "--literally", "--stdin"))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// plantCommit makes a commit of a tree, however broken.
func plantCommit(t *testing.T, dir string, tree Hash) string {
	t.Helper()
	return plant(t, dir, "commit", fmt.Appendf(nil, "tree %v\nauthor a <a@a> 1 +0000\ncommitter a <a@a> 1 +0000\n\nx\n", tree)).String()
}

// TestTreesThatLie: what git's own check-out refuses, or would write twice, is
// no file system. Small and large folders are read in different ways.
func TestTreesThatLie(t *testing.T) {
	dir := newBare(t)
	blob := plant(t, dir, "blob", []byte("x"))
	sub := plant(t, dir, "tree", appendEntry(nil, modeFile, "f", blob))
	var many []byte
	for i := range 400 {
		many = appendEntry(many, modeFile, fmt.Sprintf("file-%04d", i), blob)
	}
	add := func(entries ...any) func([]byte) []byte {
		return func(tree []byte) []byte {
			for i := 0; i < len(entries); i += 2 {
				name, _ := entries[i].(string)
				if entries[i+1] == "dir" {
					tree = appendEntry(tree, modeTree, name, sub)
				} else {
					tree = appendEntry(tree, modeFile, name, blob)
				}
			}
			return tree
		}
	}
	r := open(t, dir, Options{})
	for name, tt := range map[string]struct {
		make func([]byte) []byte
		ask  string
	}{
		"two files":         {add("x", "file", "x", "file"), "x"},
		"file and folder":   {add("x", "file", "x", "dir"), "x"},
		"far apart":         {add("x", "file", "x-y", "file", "x.y", "dir", "x", "dir"), "x"},
		"not sorted":        {add("y", "file", "x", "file"), "x"},
		"slash":             {add("x/y", "file"), "x"},
		"dot":               {add("x", "file"), "x"},
		"parent":            {add("x", "file"), "x"},
		"parent as folder":  {add("x", "file"), "x"},
		"sorted and honest": {add("x", "file", "x-y", "dir", "x.y", "file", "xa", "dir"), "x"},
	} {
		for size, tree := range map[string][]byte{"small": nil, "large": many} {
			t.Run(name+" "+size, func(t *testing.T) {
				tree := tt.make(bytes.Clone(tree))
				switch name {
				case "dot":
					tree = append(appendEntry(nil, modeFile, ".", blob), tree...)
				case "parent":
					tree = append(appendEntry(nil, modeFile, "..", blob), tree...)
				case "parent as folder":
					tree = append(appendEntry(nil, modeTree, "..", sub), tree...)
				}
				root := plant(t, dir, "tree", appendEntry(nil, modeTree, "d", plant(t, dir, "tree", tree)))
				at, err := r.At(context.Background(), plantCommit(t, dir, root))
				if err != nil {
					t.Fatal(err)
				}
				var want error
				if name != "sorted and honest" {
					want = ErrDamaged
				}
				_, err = at.ReadFile("d/" + tt.ask)
				check(t, "read", err, want)
				_, err = at.ReadDir("d")
				check(t, "list", err, want)
				_, err = at.Differences(&Tree{ctx: at.ctx, src: at.src}, nil)
				check(t, "compare", err, want)
				_, _, err = makeTree(context.Background(), r.store, root, map[string][]byte{"d/x": []byte("new")})
				check(t, "write", err, want)
			})
		}
	}
}

// TestTreeBomb: a few small trees stand for more files than there are atoms.
func TestTreeBomb(t *testing.T) {
	dir := newBare(t)
	id, mode := plant(t, dir, "blob", []byte("x")), uint32(modeFile)
	for range 10 {
		var tree []byte
		for i := range 32 {
			tree = appendEntry(tree, mode, fmt.Sprintf("%02d", i), id)
		}
		id, mode = plant(t, dir, "tree", tree), modeTree
	}
	r := open(t, dir, Options{})
	tree, err := r.At(context.Background(), plantCommit(t, dir, id))
	if err != nil {
		t.Fatal(err)
	}
	_, err = tree.Differences(&Tree{ctx: tree.ctx, src: tree.src}, nil)
	check(t, "compare", err, ErrTooLarge)
}

// nest plants a folder in which folders of a width each stand one in the other, and
// what id is in the innermost.
func nest(t *testing.T, dir, name string, id Hash, mode uint32, widths ...int) Hash {
	t.Helper()
	for _, width := range widths {
		var tree []byte
		for i := range width {
			tree = appendEntry(tree, mode, fmt.Sprintf("%s%03d", name, i), id)
		}
		id, mode = plant(t, dir, "tree", tree), modeTree
	}
	return id
}

// TestTreesThatMultiply have few files, or none, and nevertheless no end.
func TestTreesThatMultiply(t *testing.T) {
	dir := newBare(t)
	empty, file := plant(t, dir, "tree", nil), plant(t, dir, "blob", []byte("x"))
	for name, id := range map[string]Hash{
		"empty folders": nest(t, dir, "", empty, modeTree, 1, 1, 1, 1, 1, 1, 1, 1, 400, 400),
		"long paths":    nest(t, dir, strings.Repeat("long", 50), file, modeFile, 400, 64, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
	} {
		t.Run(name, func(t *testing.T) {
			tree, err := open(t, dir, Options{}).At(context.Background(), plantCommit(t, dir, id))
			if err != nil {
				t.Fatal(err)
			}
			_, err = tree.Differences(&Tree{ctx: tree.ctx, src: tree.src}, nil)
			check(t, "compare", err, ErrTooLarge)
		})
	}
}

// TestLargeFileUnderManyNames: the size of a file that is too large to be kept in memory
// is, so that asking for it again reads nothing.
func TestLargeFileUnderManyNames(t *testing.T) {
	const size = 8 << 20
	dir := newBare(t)
	id := nest(t, dir, "", plant(t, dir, "blob", make([]byte, size)), modeFile, 50)
	tree, err := open(t, dir, Options{}).At(context.Background(), plantCommit(t, dir, id))
	if err != nil {
		t.Fatal(err)
	}
	used := allocated(func() {
		for i := range 50 {
			if info, err := tree.Lstat(fmt.Sprintf("%03d", i)); err != nil || info.Size() != size {
				t.Fatal(info, err)
			}
		}
	})
	if used > 4*size {
		t.Errorf("took %d MiB", used>>20)
	}
}

// TestManyPatterns: each is looked for in each folder, which may be as many.
func TestManyPatterns(t *testing.T) {
	dir := newBare(t)
	id := nest(t, dir, "", plant(t, dir, "blob", []byte("x")), modeFile, 1, 600, 1)
	tree, err := open(t, serveHTTP(t, dir, nil).url(dir), Options{}).At(context.Background(), plantCommit(t, dir, id))
	if err != nil {
		t.Fatal(err)
	}
	patterns := make([]string, 8000)
	for i := range patterns {
		patterns[i] = fmt.Sprintf("000/*/%d", i)
	}
	check(t, "a hundred", tree.Prefetch(context.Background(), patterns[:100]...), nil)
	check(t, "all", tree.Prefetch(context.Background(), patterns...), ErrTooLarge)
}

// packOf puts raw entries behind a header and before a checksum.
func packOf(entries ...[]byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte("PACK\x00\x00\x00\x02"), uint32(len(entries)))
	b = append(b, bytes.Join(entries, nil)...)
	sum := sha1.Sum(b)
	return append(b, sum[:]...)
}

// rawEntry is one entry of a pack; head stands between its size and its data.
func rawEntry(k kind, head, data []byte) []byte { return entryOf(k, head, len(data), deflate(data)) }

func entryOf(k kind, head []byte, size int, packed []byte) []byte {
	b := []byte{byte(k)<<4 | byte(size&15)}
	for size >>= 4; size > 0; size >>= 7 {
		b[len(b)-1] |= 0x80
		b = append(b, byte(size&0x7f))
	}
	return append(append(b, head...), packed...)
}

func deflate(data []byte) []byte {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, _ = w.Write(data)
	_ = w.Close()
	return z.Bytes()
}

// TestDeltaBomb: a small pack of deltas that are huge when unpacked, each on the
// one before, must not be held in memory all at once.
func TestDeltaBomb(t *testing.T) {
	const size = 32 << 20
	huge := deflate(make([]byte, size)) // no delta, but that is found out only when it is applied
	entries := [][]byte{rawEntry(kindBlob, nil, []byte("x"))}
	at := int64(12)
	for range 40 {
		last := entries[len(entries)-1]
		at += int64(len(last))
		entries = append(entries, entryOf(kindOfsDelta, offsetOf(len(last)), size, huge))
	}
	b := packOf(entries...)
	used := allocated(func() {
		_, err := (&pack{r: bytes.NewReader(b), size: int64(len(b)), index: memIndex{}}).at(at, nil)
		check(t, "read", err, ErrTooLarge)
	})
	if used > 3*maxObject {
		t.Errorf("took %d MiB for a pack of %d", used>>20, len(b)>>20)
	}
}

// TestDeltasBeforeTheirBases: each delta stands before its base, so that none can be
// resolved where it is met. Each must be unpacked a few times, not once for each other.
func TestDeltasBeforeTheirBases(t *testing.T) {
	const n = 3000
	base := object{kind: kindBlob, data: []byte("0")}
	entries := [][]byte{rawEntry(kindBlob, nil, base.data)}
	for i := range n {
		next := object{kind: kindBlob, data: fmt.Appendf(nil, "%d", i+1)}
		delta := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(base.data))), uint64(len(next.data)))
		delta = append(append(delta, byte(len(next.data))), next.data...)
		id := base.hash()
		entries = append(entries, rawEntry(kindRefDelta, id[:], delta))
		base = next
	}
	slices.Reverse(entries)
	b := packOf(entries...)
	r := &countingReader{ReaderAt: bytes.NewReader(b)}
	p := &pack{r: r, size: int64(len(b)), extra: map[Hash]object{}, small: map[Hash]object{}}
	x, err := p.scan(context.Background())
	if err != nil || len(x) != n+1 {
		t.Fatalf("%d objects, %v", len(x), err)
	}
	if _, ok, _ := x.find(base.hash()); !ok {
		t.Error("the last one has another id")
	}
	if r.reads > 30*n {
		t.Errorf("%d reads for %d objects", r.reads, n)
	}
}

type countingReader struct {
	io.ReaderAt
	reads int
}

func (r *countingReader) ReadAt(b []byte, at int64) (int, error) {
	r.reads++
	return r.ReaderAt.ReadAt(b, at)
}

// allocated returns how many bytes f asks for.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// offsetOf encodes how far back the base of a delta stands.
func offsetOf(n int) []byte {
	b := []byte{byte(n & 0x7f)}
	for n >>= 7; n > 0; n >>= 7 {
		n--
		b = append([]byte{byte(n&0x7f) | 0x80}, b...)
	}
	return b
}

// TestLooseBomb: the header of a loose object ends soon, or there is none.
func TestLooseBomb(t *testing.T) {
	packed := deflate(bytes.Repeat([]byte("a"), 32<<20))
	used := allocated(func() {
		_, err := parseLoose(packed)
		check(t, "parse", err, ErrDamaged)
	})
	if used > 4<<20 {
		t.Errorf("took %d MiB", used>>20)
	}
}
