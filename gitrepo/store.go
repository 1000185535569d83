package gitrepo

import (
	"errors"
	"fmt"
	"sync"
)

const (
	// memoryLimit of trees and small files kept between calls.
	memoryLimit = 16 << 20
	maxKept     = memoryLimit / 4 // of one, as lru has it
	// packMemory bounds what all fetched packs together keep in memory, and
	// maxPacks their number.
	packMemory = 64 << 20
	maxPacks   = 48
)

// store finds objects where they are cheapest: in memory, in the local
// repository, in the cache on disk, in packs fetched before, on the server.
type store struct {
	local  *objectDir // nil for a remote repository
	cache  *cacheDir  // nil without a cache
	remote *remote
	spool  string // folder for large packs

	fetching turn // one fetch at a time: the next finds what it brought
	wide     bool // the listing at the top of a tree was large; guarded by fetching

	mu    sync.Mutex
	mem   lru[Hash]
	tips  []Hash  // the commits asked for or pushed last
	packs []*pack // newest last
}

func (s *store) peek(id Hash) (object, bool, error) {
	if id == emptyTree {
		return object{kind: kindTree}, true, nil
	}
	s.mu.Lock()
	o, ok := s.mem.get(id)
	packs := s.packs
	s.mu.Unlock()
	if ok {
		return o, true, nil
	}
	if s.local != nil {
		if o, ok, err := s.local.object(id); ok || err != nil {
			s.keep(id, o)
			return o, ok, err
		}
	}
	for i := len(packs) - 1; i >= 0; i-- {
		o, ok, err := packs[i].object(id)
		if err == nil && ok && o.hash() != id {
			err = fmt.Errorf("%w: %v", ErrDamaged, id)
		}
		if ok || err != nil {
			s.keep(id, o)
			return o, ok, err
		}
	}
	if o, ok := s.cache.object(id); ok {
		s.keep(id, o)
		return o, true, nil
	}
	return object{}, false, nil
}

// keep remembers what was read; an object that was not found has no kind.
func (s *store) keep(id Hash, o object) {
	if o.kind == 0 {
		return
	}
	s.mu.Lock()
	s.mem.put(id, o)
	s.mu.Unlock()
}

func (s *store) forget(ids []Hash) {
	s.mu.Lock()
	for _, id := range ids {
		s.mem.remove(id)
	}
	s.mu.Unlock()
}

// has reports whether peek would find an object, without reading it.
func (s *store) has(id Hash) (bool, error) {
	if id.IsZero() || id == emptyTree {
		return true, nil
	}
	s.mu.Lock()
	_, ok := s.mem.get(id)
	packs := s.packs
	s.mu.Unlock()
	if ok {
		return true, nil
	}
	if s.local != nil {
		if ok, err := s.local.has(id); ok || err != nil {
			return ok, err
		}
	}
	for _, p := range packs {
		if _, ok, err := p.index.find(id); ok || err != nil {
			return ok, err
		}
	}
	return s.cache.has(id), nil
}

// missing returns those that the server has to be asked for, each once.
func (s *store) missing(ids []Hash) ([]Hash, error) {
	var out []Hash
	seen := map[Hash]bool{}
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		ok, err := s.has(id)
		if err != nil {
			return nil, err
		}
		if !ok {
			out = append(out, id)
		}
	}
	return out, nil
}

// shed drops the oldest packs when there are too many, never the newest.
// What they held is fetched again by id should anybody ask.
func (s *store) shed() {
	used := 0
	for i := len(s.packs) - 1; i >= 0; i-- {
		used += s.packs[i].memory()
		if i < len(s.packs)-1 && (used > packMemory || len(s.packs)-i > maxPacks) {
			s.packs = s.packs[i+1:]
			return
		}
	}
}

func (s *store) dropPacks() {
	s.mu.Lock()
	s.packs = nil
	s.mu.Unlock()
}

func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, p := range s.packs {
		errs = append(errs, p.close())
	}
	s.packs = nil
	if s.local != nil {
		errs = append(errs, s.local.close())
	}
	return errors.Join(errs...)
}
