package sops

import (
	"errors"
	"strings"
)

// What stops a seal or a look at one. Test for these with errors.Is; the
// message around them names the file and the mend.
var (
	// ErrNoKey says that something must be sealed, or a token compared with
	// what is sealed, and that the Sealer holds no berth key.
	ErrNoKey = errors.New("no berth key")
	// ErrNoToken says that a pull secret must be sealed and no token was given.
	ErrNoToken = errors.New("no token")
	// ErrUnknownKey says that a file was signed or fingerprinted with a berth
	// key that is neither trusted nor held, or that the key held is not one
	// that is trusted.
	ErrUnknownKey = errors.New("unknown berth key")
	// ErrUnpinned says that a platform recipient is not pinned in the berth key.
	ErrUnpinned = errors.New("recipient is not pinned in the berth key")
	// ErrNoIdentity says that none of the age identities given opens the file.
	ErrNoIdentity = errors.New("no age identity that opens it")
)

// TamperKind says in one word what is wrong with a sealed file.
type TamperKind string

// The kinds of a TamperedError.
const (
	// Unsigned is a SOPS file without berth's signature on its first line.
	Unsigned TamperKind = "unsigned"
	// Changed is a file whose signature is not one of these bytes.
	Changed TamperKind = "changed"
	// Copied is, byte for byte, what berth sealed for another path.
	Copied TamperKind = "copied"
	// Spliced is put together from parts of different files: signed for
	// another path, sealed to another recipient, or carrying another name.
	Spliced TamperKind = "spliced"
	// Older is a true seal of this path that the base has already left behind.
	Older TamperKind = "older"
	// Foreign is not a file that berth could have written: no SOPS file, cut
	// short, several documents, a KMS or PGP key, key groups, unknown fields.
	Foreign TamperKind = "foreign"
)

// A TamperedError says that a sealed file is not what berth sealed for its
// path. A Sealer replaces such a file only when it is asked to overwrite.
type TamperedError struct {
	Path   string     // of the file; empty when only bytes were given
	Kind   TamperKind // one word
	Detail string     // what was seen; never a secret
}

func (e *TamperedError) Error() string {
	var b strings.Builder
	if e.Path != "" {
		b.WriteString(e.Path)
		b.WriteString(": ")
	}
	b.WriteString(string(e.Kind))
	if e.Detail != "" {
		b.WriteString(": ")
		b.WriteString(e.Detail)
	}
	return b.String()
}

// foreign makes the error for what berth cannot have written.
func foreign(detail string) *TamperedError {
	return &TamperedError{Kind: Foreign, Detail: detail}
}

// changed makes the error for what was right once.
func changed(detail string) *TamperedError {
	return &TamperedError{Kind: Changed, Detail: detail}
}
