package gitrepo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
)

// maxWants is how many ids one request names.
const maxWants = 8000

func (s *store) fetch(ctx context.Context, ids []Hash, filter string) error {
	ids, err := s.missing(ids)
	if err != nil || len(ids) == 0 {
		return err
	}
	if err := s.fetching.take(ctx); err != nil {
		return err
	}
	defer s.fetching.give()
	if ids, err = s.missing(ids); err != nil {
		return err
	}
	for len(ids) > 0 {
		n := min(len(ids), maxWants)
		q := fetchRequest{wants: ids[:n], filter: filter}
		if !s.remote.byID() {
			q, n = s.everything(), len(ids)
		}
		if err := s.askApart(ctx, q); err != nil {
			return fmt.Errorf("fetch objects: %w", err)
		}
		ids = ids[n:]
	}
	return nil
}

// everything asks a server that gives nothing by its id for all of the last commits.
func (s *store) everything() fetchRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fetchRequest{wants: s.tips, depth: 1}
}

// askApart asks for large folders with two requests at once: a server packs
// each with one core, and looks for likeness between folders that have none.
func (s *store) askApart(ctx context.Context, q fetchRequest) error {
	if !s.wide || q.filter != filterExact || len(q.wants) < 2 || !s.remote.partial() {
		return s.ask(ctx, q)
	}
	a, b := q, q
	half := len(q.wants) / 2
	a.wants, b.wants = q.wants[:half], q.wants[half:]
	other := make(chan error, 1)
	go func() { other <- s.ask(ctx, a) }()
	err := s.ask(ctx, b)
	return cmp.Or(<-other, err)
}

// wideFrom is the size of a pack with the listings at the top of a tree from
// which the folders further down are taken to be large as well.
const wideFrom = 128 << 10

// commits makes commits and the listings at the top of their trees available.
// have is a commit that was made available before, or zero.
func (s *store) commits(ctx context.Context, ids []Hash, have Hash) error {
	if err := s.fetching.take(ctx); err != nil {
		return err
	}
	defer s.fetching.give()
	s.mu.Lock()
	s.tips = ids
	s.mu.Unlock()
	missing, err := s.missing(ids)
	if err != nil || len(missing) == 0 {
		return err
	}
	q := fetchRequest{wants: missing, depth: 1, filter: filterTopDirs}
	if !s.remote.partial() {
		s.build(&q, have)
	}
	got, err := s.receive(ctx, q)
	if err != nil && len(q.haves) > 0 && !final(err) && ctx.Err() == nil {
		// What it builds on may not be here any more: caches lose things.
		q.haves, q.shallow = nil, nil
		got, err = s.receive(ctx, q)
	}
	if err != nil {
		return fmt.Errorf("fetch commit %v: %w", missing[0], err)
	}
	s.wide = got.size >= wideFrom
	s.cache.setTip(ids[0])
	return nil
}

// follow is told of a commit of ours, which has what the ones before lack.
func (s *store) follow(commit Hash) {
	s.mu.Lock()
	s.tips = []Hash{commit}
	s.mu.Unlock()
}

// build lets a server that cannot filter send only what is new since a commit
// that we have as a whole. To one that can it would be a burden: it reads all
// of the old commit's trees to find out what to leave out.
func (s *store) build(q *fetchRequest, have Hash) {
	if len(s.packs) >= maxPacks/2 {
		s.dropPacks() // one whole pack instead of many that need each other
		return
	}
	if have.IsZero() {
		if have = s.cache.tip(); !s.cache.has(have) {
			return
		}
	}
	q.haves, q.shallow = []Hash{have}, []Hash{have}
}

func (s *store) ask(ctx context.Context, q fetchRequest) error {
	_, err := s.receive(ctx, q)
	return err
}

// receive sends a request and keeps the answer. Only what builds on commits that
// we have may leave out the bases of deltas. The caller holds s.fetching.
func (s *store) receive(ctx context.Context, q fetchRequest) (*pack, error) {
	var got *pack
	var outside func(Hash) (object, error)
	if len(q.haves) > 0 {
		outside = func(base Hash) (object, error) { return s.base(ctx, base) }
	}
	ask := func() error {
		return s.remote.fetch(ctx, q, func(r io.Reader) (err error) {
			got, err = receivePackStream(ctx, r, s.spool, outside)
			return err
		})
	}
	err := s.remote.retry(ctx, ask)
	if s.remote.learnRefusal(err) {
		err = s.remote.retry(ctx, ask)
	}
	if err != nil {
		return nil, err
	}
	s.cache.add(got)
	if s.absorb(got) {
		return got, got.close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	got.small = nil
	s.packs = append(s.packs[:len(s.packs):len(s.packs)], got)
	s.shed()
	return got, nil
}

// absorb keeps the objects of a small pack instead of the pack. Only what can
// be asked for again one by one may be forgotten again one by one.
func (s *store) absorb(p *pack) bool {
	if p.small == nil || !s.remote.partial() {
		return false
	}
	for id, o := range p.small {
		s.keep(id, o)
	}
	return true
}

// base finds what a thin pack builds on. The server may choose any object of
// the commits we said we have; those are all there by id.
func (s *store) base(ctx context.Context, id Hash) (object, error) {
	o, ok, err := s.peek(id)
	if ok || err != nil {
		return o, err
	}
	if err := s.ask(ctx, fetchRequest{wants: []Hash{id}, filter: filterExact}); err != nil {
		return object{}, err
	}
	if o, ok, err = s.peek(id); err == nil && !ok {
		err = errors.New("the server sent a delta without its base")
	}
	return o, err
}

// history fetches the commits from heads back to a depth, without their trees
// when the server can filter, else without what since has.
func (s *store) history(ctx context.Context, heads []Hash, since Hash, depth int) error {
	if s.local != nil {
		return nil
	}
	if err := s.fetching.take(ctx); err != nil {
		return err
	}
	defer s.fetching.give()
	q := fetchRequest{wants: heads, depth: depth, filter: filterExact}
	if !s.remote.partial() && !since.IsZero() {
		q.haves = []Hash{since}
	}
	if err := s.ask(ctx, q); err != nil {
		return fmt.Errorf("fetch the history: %w", err)
	}
	return nil
}
