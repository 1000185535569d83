package gitrepo

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"strconv"
)

// Hash is the SHA-1 id of a Git object. The zero Hash stands for "no object":
// it is the commit of a repository that has none yet.
type Hash [20]byte

// String returns the 40 lower-case hex digits that git prints.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether h names no object.
func (h Hash) IsZero() bool { return h == Hash{} }

// ParseHash reads the 40 hex digits of an object id.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return h, fmt.Errorf("%q is not a full object id of 40 hex digits", s)
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("%q is not an object id: %w", s, err)
	}
	return h, nil
}

// kind is the type of an object as a pack stores it (gitformat-pack(5)).
type kind byte

const (
	kindCommit   kind = 1
	kindTree     kind = 2
	kindBlob     kind = 3
	kindTag      kind = 4
	kindOfsDelta kind = 6
	kindRefDelta kind = 7
)

func (k kind) String() string {
	switch k {
	case kindCommit:
		return "commit"
	case kindTree:
		return "tree"
	case kindBlob:
		return "blob"
	case kindTag:
		return "tag"
	}
	return "object of type " + strconv.Itoa(int(k))
}

func parseKind(s string) (kind, bool) {
	for k := kindCommit; k <= kindTag; k++ {
		if k.String() == s {
			return k, true
		}
	}
	return 0, false
}

// object is one whole object; data is never changed after it was made.
type object struct {
	kind  kind
	data  []byte
	index *treeIndex // of a large tree that is kept, else nil
}

func (o object) hash() Hash {
	d := sha1.New()
	d.Write(objectHeader(o.kind, int64(len(o.data))))
	d.Write(o.data)
	return Hash(d.Sum(nil))
}

func objectHeader(k kind, size int64) []byte {
	b := append([]byte(k.String()), ' ')
	return append(strconv.AppendInt(b, size, 10), 0)
}
