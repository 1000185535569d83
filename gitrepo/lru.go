package gitrepo

import "container/list"

// lru keeps objects up to a number of bytes and forgets the least recently
// used. It is not safe for concurrent use.
type lru[K comparable] struct {
	limit, used int
	items       map[K]*list.Element
	order       *list.List // front: most recent
}

type lruItem[K comparable] struct {
	key K
	obj object
}

func newLRU[K comparable](limit int) lru[K] {
	return lru[K]{limit: limit, items: map[K]*list.Element{}, order: list.New()}
}

func (c *lru[K]) get(k K) (object, bool) {
	e, ok := c.items[k]
	if !ok {
		return object{}, false
	}
	c.order.MoveToFront(e)
	return e.Value.(lruItem[K]).obj, true
}

// put keeps o, unless it would push out most of the others.
func (c *lru[K]) put(k K, o object) {
	if _, ok := c.items[k]; ok || len(o.data) > c.limit/4 {
		return
	}
	if o.kind == kindTree && len(o.data) >= indexFrom && o.index == nil {
		o.index = &treeIndex{}
	}
	c.items[k] = c.order.PushFront(lruItem[K]{k, o})
	for c.used += len(o.data) + lruOverhead; c.used > c.limit; {
		c.drop(c.order.Back())
	}
}

func (c *lru[K]) remove(k K) {
	if e, ok := c.items[k]; ok {
		c.drop(e)
	}
}

func (c *lru[K]) drop(e *list.Element) {
	item := c.order.Remove(e).(lruItem[K])
	delete(c.items, item.key)
	c.used -= len(item.obj.data) + lruOverhead
}

const lruOverhead = 200
