package gitrepo

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// objectDir reads the objects folder of a repository on this machine: loose
// files, packs, and the folders it borrows from (gitrepository-layout(5)).
type objectDir struct {
	dir        string
	alternates []*objectDir
	disposable bool // a cache: what cannot be read is deleted

	mu      sync.Mutex
	packs   map[string]*pack // by name of the .idx file
	scanned time.Time        // mtime of the pack folder at the last look
}

const maxAlternates = 5 // deep, as git has it

func openObjectDir(dir string, depth int) *objectDir {
	d := &objectDir{dir: dir, packs: map[string]*pack{}}
	list, err := os.ReadFile(filepath.Join(dir, "info", "alternates"))
	if err != nil || depth >= maxAlternates {
		return d
	}
	for line := range strings.Lines(string(list)) {
		line = strings.TrimRight(line, "\r\n")
		if line != "" && line[0] != '#' {
			d.alternates = append(d.alternates, openObjectDir(resolveFrom(dir, filepath.FromSlash(line)), depth+1))
		}
	}
	return d
}

// object reads and checks one object.
func (d *objectDir) object(id Hash) (object, bool, error) {
	o, ok, err := d.loose(id)
	if !ok && err == nil {
		o, ok, err = d.packed(id)
	}
	if err != nil {
		return object{}, false, fmt.Errorf("object %v in %s: %w", id, d.dir, err)
	}
	if ok {
		if o.hash() != id {
			return object{}, false, fmt.Errorf("object %v in %s: %w", id, d.dir, ErrDamaged)
		}
		return o, true, nil
	}
	for _, a := range d.alternates {
		if o, ok, err := a.object(id); ok || err != nil {
			return o, ok, err
		}
	}
	return object{}, false, nil
}

// has reports whether there is an object of this id, without reading it.
func (d *objectDir) has(id Hash) (bool, error) {
	if _, err := os.Stat(d.loosePath(id)); err == nil {
		return true, nil
	}
	if _, _, ok, err := d.find(id); ok || err != nil {
		return ok, err
	}
	for _, a := range d.alternates {
		if ok, err := a.has(id); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (d *objectDir) loosePath(id Hash) string {
	s := id.String()
	return filepath.Join(d.dir, s[:2], s[2:])
}

func (d *objectDir) loose(id Hash) (object, bool, error) {
	packed, err := os.ReadFile(d.loosePath(id))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return object{}, false, err
	}
	o, err := parseLoose(packed)
	return o, err == nil, err
}

const maxLooseHead = 32 // "commit " and more digits than any size has

var errBadLoose = fmt.Errorf("%w: malformed loose object", ErrDamaged)

// parseLoose reads a zlib stream of "<kind> <size>\0<data>".
func parseLoose(packed []byte) (object, error) {
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return object{}, zlibError(err)
	}
	r := bufio.NewReader(z)
	head, _ := r.Peek(maxLooseHead) // a short file gives less
	n := bytes.IndexByte(head, 0)
	if n < 0 {
		return object{}, errBadLoose
	}
	name, digits, _ := strings.Cut(string(head[:n]), " ")
	_, _ = r.Discard(n + 1)
	k, ok := parseKind(name)
	size, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || size < 0 || size/maxZlibRatio > int64(len(packed)) {
		return object{}, errBadLoose
	}
	if size > maxObject {
		return object{}, failf(ErrTooLarge, "object of %d bytes", size)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(r, data); err != nil {
		return object{}, zlibError(err)
	}
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
		return object{}, errBadLoose
	}
	return object{kind: k, data: data}, nil
}

func (d *objectDir) packed(id Hash) (object, bool, error) {
	p, off, ok, err := d.find(id)
	if err != nil || !ok {
		return object{}, false, err
	}
	o, err := p.at(off, nil)
	return o, err == nil, err
}

// find looks through the packs. git may repack at any time: when nothing is
// found and the folder has changed, it is read anew.
func (d *objectDir) find(id Hash) (*pack, int64, bool, error) {
	for {
		for _, p := range d.openPacks() {
			if off, ok, err := p.index.find(id); ok || err != nil {
				return p, off, ok, err
			}
		}
		changed, err := d.rescan()
		if err != nil || !changed {
			return nil, 0, false, err
		}
	}
}

func (d *objectDir) openPacks() []*pack {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]*pack, 0, len(d.packs))
	for _, p := range d.packs {
		out = append(out, p)
	}
	return out
}

// rescan opens packs that are new and forgets those that are gone; reading
// one that is in use goes on, since its file stays open until then.
func (d *objectDir) rescan() (changed bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	dir := filepath.Join(d.dir, "pack")
	info, err := os.Stat(dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return false, err
	}
	if info.ModTime().Equal(d.scanned) {
		return false, nil
	}
	names, err := filepath.Glob(filepath.Join(globQuote(dir), "*.idx"))
	if err != nil {
		return false, err
	}
	there := map[string]bool{}
	for _, name := range names {
		there[name] = true
		if d.packs[name] != nil {
			continue
		}
		p, err := openPack(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // repacked in this moment
		}
		if err != nil && d.disposable {
			removePack(name)
			continue
		}
		if err != nil {
			return false, err
		}
		d.packs[name], changed = p, true
	}
	for name := range d.packs {
		if !there[name] {
			delete(d.packs, name)
		}
	}
	// A change within the clock's grain would not be seen: look again then.
	if time.Since(info.ModTime()) > 2*time.Second {
		d.scanned = info.ModTime()
	}
	return changed, nil
}

func globQuote(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// openPack opens a pack by its index. The files close when the last reader is
// gone.
func openPack(idxName string) (*pack, error) {
	idx, size, err := openSized(idxName)
	if err != nil {
		return nil, err
	}
	x, err := openIndex(idx, size)
	if err != nil {
		_ = idx.Close()
		return nil, fmt.Errorf("%s: %w", idxName, err)
	}
	f, size, err := openSized(strings.TrimSuffix(idxName, ".idx") + ".pack")
	if err != nil {
		_ = idx.Close()
		return nil, err
	}
	return &pack{r: f, size: size, index: x, close: func() error { return errors.Join(idx.Close(), f.Close()) }}, nil
}

func openSized(name string) (*os.File, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

func (d *objectDir) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for name, p := range d.packs {
		errs = append(errs, p.close())
		delete(d.packs, name)
	}
	d.scanned = time.Time{}
	for _, a := range d.alternates {
		errs = append(errs, a.close())
	}
	return errors.Join(errs...)
}

// drop deletes what holds an object: for a cache, whose damage is nobody's
// loss.
func (d *objectDir) drop(id Hash) {
	_ = os.Remove(d.loosePath(id))
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, p := range d.packs {
		if _, ok, err := p.index.find(id); ok || err != nil {
			removePack(name)
			delete(d.packs, name)
		}
	}
}

func removePack(idxName string) {
	_ = os.Remove(idxName)
	_ = os.Remove(strings.TrimSuffix(idxName, ".idx") + ".pack")
}
