package gitrepo

// cacheDir is the cache on disk; nil means none.
type cacheDir struct{}

func (c *cacheDir) object(Hash) (object, bool) { return object{}, false }
func (c *cacheDir) has(Hash) bool              { return false }
func (c *cacheDir) add(*pack)                  {}
