package gitrepo

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// cacheDir keeps fetched objects on disk, one folder for each repository. It
// has the layout of a repository's objects folder: files are named by what is
// in them, appear by renaming, and are checked against their name whenever they
// are read. So processes share it without locks, and damage is only a miss.
// Refs are not kept: who uses the cache has asked the server first. A nil
// cacheDir keeps nothing.
type cacheDir struct {
	objects *objectDir
	log     *slog.Logger

	mu    sync.Mutex
	grown atomic.Int64 // bytes written since the last look at the size
}

const (
	// cacheLimit of one repository's folder; the oldest files go first.
	cacheLimit = 512 << 20
	// cachePackFrom is the number of objects from which a fetched pack is
	// kept as it is.
	cachePackFrom = 4000
	// cacheObject is the largest object that is kept by itself.
	cacheObject = 4 << 20
	// staleTemp is the age at which a file that was never finished goes.
	staleTemp = time.Hour
)

func openCache(dir string, ep endpoint, log *slog.Logger) (*cacheDir, error) {
	if dir == "" {
		return nil, nil
	}
	sum := sha256.Sum256([]byte(ep.String()))
	dir = filepath.Join(dir, hex.EncodeToString(sum[:12]))
	if err := os.MkdirAll(filepath.Join(dir, "pack"), 0o700); err != nil {
		return nil, fmt.Errorf("make the cache folder: %w", err)
	}
	c := &cacheDir{objects: openObjectDir(dir, maxAlternates), log: log}
	c.objects.disposable = true
	c.grown.Store(cacheLimit) // what earlier processes left is not known
	return c, nil
}

func (c *cacheDir) object(id Hash) (object, bool) {
	if c == nil {
		return object{}, false
	}
	o, ok, err := c.objects.object(id)
	if err != nil {
		c.log.Warn("dropping a damaged file from the cache", slog.Any("error", err))
		c.objects.drop(id)
		return object{}, false
	}
	return o, ok
}

func (c *cacheDir) has(id Hash) bool {
	if c == nil {
		return false
	}
	ok, err := c.objects.has(id)
	return ok && err == nil
}

// add keeps what was fetched. That the disk is full is no reason to fail.
func (c *cacheDir) add(p *pack) {
	if c == nil {
		return
	}
	if err := c.write(p); err != nil {
		c.log.Warn("the cache cannot be written", slog.Any("error", err))
	}
	c.trim()
}

func (c *cacheDir) write(p *pack) error {
	x, _ := p.index.(memIndex)
	if len(x) >= cachePackFrom && len(p.extra) == 0 {
		n, err := writePack(filepath.Join(c.objects.dir, "pack"), p, x)
		c.grown.Add(n)
		return err
	}
	var enc looseEncoder
	for _, e := range x {
		if c.has(e.id) {
			continue
		}
		o, ok := p.small[e.id]
		if !ok {
			var err error
			if o, err = p.at(e.off, nil); err != nil {
				return err
			}
		}
		if err := c.writeLoose(&enc, e.id, o); err != nil {
			return err
		}
	}
	return nil
}

func (c *cacheDir) writeLoose(enc *looseEncoder, id Hash, o object) error {
	if len(o.data) > cacheObject {
		return nil
	}
	c.trim()
	data := enc.encode(o)
	c.grown.Add(int64(len(data)))
	return writeFile(c.objects.loosePath(id), data)
}

// tip returns the commit that was fetched last, whose objects are likely here.
func (c *cacheDir) tip() Hash {
	if c == nil {
		return Hash{}
	}
	text, err := os.ReadFile(filepath.Join(c.objects.dir, "tip"))
	if err != nil {
		return Hash{}
	}
	id, _ := ParseHash(string(text))
	return id
}

func (c *cacheDir) setTip(id Hash) {
	if c != nil {
		_ = writeFile(filepath.Join(c.objects.dir, "tip"), []byte(id.String()))
	}
}

// put keeps objects that we made ourselves and the server now has, and gives
// up those that they replace.
func (c *cacheDir) put(made map[Hash]object, gone []Hash) {
	if c == nil {
		return
	}
	var enc looseEncoder
	for id, o := range made {
		if err := c.writeLoose(&enc, id, o); err != nil {
			c.log.Warn("the cache cannot be written", slog.Any("error", err))
			return
		}
	}
	for _, id := range gone {
		_ = os.Remove(c.objects.loosePath(id))
	}
	c.trim()
}

// server returns what the server could do when it was last asked; nil when
// that is not known.
func (c *cacheDir) server() *capabilities {
	if c == nil {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(c.objects.dir, "server"))
	if err != nil {
		return nil
	}
	words := strings.Fields(string(text))
	if len(words) == 0 || words[0] != "v2" {
		return nil
	}
	has := func(w string) bool { return slices.Contains(words, w) }
	return &capabilities{
		v2: true, anyWant: true, filter: has("filter"), flat: has("flat"), shallow: has("shallow"), agent: has("agent"), format: has("format"),
	}
}

// setServer remembers what a server can do; nil forgets it.
func (c *cacheDir) setServer(caps *capabilities) {
	if c == nil {
		return
	}
	name := filepath.Join(c.objects.dir, "server")
	if caps == nil || !caps.v2 {
		_ = os.Remove(name)
		return
	}
	text := "v2"
	for word, has := range map[string]bool{"filter": caps.filter, "flat": caps.flat, "shallow": caps.shallow, "agent": caps.agent, "format": caps.format} {
		if has {
			text += " " + word
		}
	}
	_ = writeFile(name, []byte(text+"\n"))
}

// writeFile makes a whole file or none.
func writeFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "*.tmp")
	if os.IsNotExist(err) {
		if err = os.MkdirAll(filepath.Dir(name), 0o700); err == nil {
			f, err = os.CreateTemp(filepath.Dir(name), "*.tmp")
		}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// looseEncoder is the reverse of parseLoose. It is used again for each object: a
// compressor clears more than half a megabyte when it is made. Nothing is
// compressed: small files take a block of the disk anyway, and large trees are
// mostly ids.
type looseEncoder struct {
	buf bytes.Buffer
	z   *zlib.Writer
}

// encode returns bytes that are valid until the next call.
func (e *looseEncoder) encode(o object) []byte {
	e.buf.Reset()
	if e.z == nil {
		e.z, _ = zlib.NewWriterLevel(&e.buf, zlib.NoCompression)
	} else {
		e.z.Reset(&e.buf)
	}
	_, _ = e.z.Write(objectHeader(o.kind, int64(len(o.data))))
	_, _ = e.z.Write(o.data)
	_ = e.z.Close()
	return e.buf.Bytes()
}

// trim removes the oldest files when the folder has become too large.
func (c *cacheDir) trim() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grown.Load() < cacheLimit/16 {
		return
	}
	c.grown.Store(0)
	type file struct {
		path string
		size int64
		at   time.Time
	}
	var files []file
	var total int64
	_ = filepath.WalkDir(c.objects.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // what another process removes meanwhile is gone
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // as above
		}
		if strings.HasSuffix(path, ".tmp") && time.Since(info.ModTime()) > staleTemp {
			_ = os.Remove(path)
			return nil
		}
		total += info.Size()
		files = append(files, file{path, info.Size(), info.ModTime()})
		return nil
	})
	if total <= cacheLimit {
		return
	}
	slices.SortFunc(files, func(a, b file) int { return a.at.Compare(b.at) })
	for _, f := range files {
		if total <= cacheLimit*3/4 {
			return
		}
		if os.Remove(f.path) == nil {
			total -= f.size
		}
	}
}
