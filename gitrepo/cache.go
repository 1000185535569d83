package gitrepo

import (
	"bytes"
	"compress/zlib"
)

// cacheDir is the cache on disk; nil means none.
type cacheDir struct{}

func (c *cacheDir) object(Hash) (object, bool) { return object{}, false }
func (c *cacheDir) has(Hash) bool              { return false }
func (c *cacheDir) add(*pack)                  {}

// encodeLoose is the reverse of parseLoose.
func encodeLoose(o object) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	_, _ = z.Write(objectHeader(o.kind, int64(len(o.data))))
	_, _ = z.Write(o.data)
	_ = z.Close()
	return b.Bytes()
}
