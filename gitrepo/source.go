package gitrepo

import (
	"context"
	"fmt"
)

// source finds objects by id: a store, or commits being made on top of one.
type source interface {
	// peek finds an object without asking a server.
	peek(id Hash) (object, bool, error)
	// fetch makes sure that peek finds all of these. Without a filter, what
	// is below the trees among them may come too.
	fetch(ctx context.Context, ids []Hash, filter string) error
}

// get returns the content of an object of a kind.
func get(ctx context.Context, src source, id Hash, want kind) ([]byte, error) {
	o, err := getObject(ctx, src, id, want)
	return o.data, err
}

// getObject returns an object of a kind, a tree as one that was checked.
func getObject(ctx context.Context, src source, id Hash, want kind) (object, error) {
	o, ok, err := src.peek(id)
	for range maxAsk { // what is fetched may be forgotten again before it is read
		if ok || err != nil {
			break
		}
		if err = src.fetch(ctx, []Hash{id}, filterExact); err == nil {
			o, ok, err = src.peek(id)
		}
	}
	switch {
	case err != nil:
		return object{}, err
	case !ok:
		return object{}, fmt.Errorf("%w: %s %v is missing from the repository", ErrDamaged, want, id)
	case o.kind != want:
		return object{}, fmt.Errorf("%w: %v is a %s, not a %s", ErrDamaged, id, o.kind, want)
	case want == kindTree:
		if err := o.checkTree(); err != nil {
			return object{}, fmt.Errorf("%v: %w", id, err)
		}
	}
	return o, nil
}

// maxAsk is how often one object is asked for in a row.
const maxAsk = 3
