package sops

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"
)

// Verify checks, with public keys alone, that data is what berth sealed for
// path, and returns what it says about itself. base is the same path's bytes
// at the commit that the change starts from, nil when there are none; when
// base is itself a true seal, data must be the same bytes, or a later generation
// that was not sealed earlier: a path that was empty in between starts its count
// anew, below what it once had.
//
// The error is a *TamperedError that says in which way the file is wrong, or
// ErrUnknownKey when its signature names a key that is not trusted.
func Verify(path string, data []byte, trusted []PublicKey, base []byte) (*Info, error) {
	if base == nil || bytes.Equal(data, base) {
		return verify(path, data, trusted, nil)
	}
	var want *claim
	before, err := verify(path, base, trusted, nil)
	if err == nil { // a base that cannot be believed proves nothing
		want = &claim{before.Name, before.Namespace, before.Recipients}
	}
	info, err := verify(path, data, trusted, want)
	if err != nil || want == nil {
		return info, err
	}
	switch {
	case info.Generation < before.Generation:
		return nil, &TamperedError{path, Older, fmt.Sprintf("generation %d, and the base is at %d", info.Generation, before.Generation)}
	case info.Generation == before.Generation:
		return nil, &TamperedError{path, Older, fmt.Sprintf("another seal of generation %d, which the base already has", info.Generation)}
	case info.LastModified.Before(before.LastModified):
		return nil, &TamperedError{path, Older, fmt.Sprintf("sealed at %s, and the base at %s",
			info.LastModified.Format(time.RFC3339), before.LastModified.Format(time.RFC3339))}
	}
	return info, nil
}

// claim is what a file at a path should say, for naming what was done to one
// whose signature is wrong.
type claim struct {
	name, namespace string
	recipients      []string
}

// verify checks signature and shape. want may be nil.
func verify(path string, data []byte, trusted []PublicKey, want *claim) (*Info, error) {
	if len(data) > maxFile {
		return nil, named(path, foreign(fmt.Sprintf("larger than %d bytes", maxFile)))
	}
	sig, err := checkSignature(path, data, trusted)
	if err != nil {
		return nil, diagnose(path, data, err, want)
	}
	d, err := readDocument(data)
	if err == nil {
		err = d.checkShape()
	}
	if err != nil {
		return nil, named(path, err)
	}
	info := d.info()
	info.SignedPath, info.KeyID = sig.path, sig.keyID
	return info, nil
}

// checkSignature finds out whether one of trusted signed data for path.
func checkSignature(path string, data []byte, trusted []PublicKey) (signature, error) {
	sig, body, found, err := splitSigned(data)
	switch {
	case !found:
		return sig, &TamperedError{path, Unsigned, "the first line is not berth's signature"}
	case err != nil:
		return sig, &TamperedError{path, Changed, err.Error()}
	}
	known, right := false, false
	for _, p := range trusted {
		if p != (PublicKey{}) && p.ID() == sig.keyID {
			known = true
			right = right || ed25519.Verify(p.key[:], signedMessage(sig.path, body), sig.sig)
		}
	}
	switch {
	case !known:
		return sig, fmt.Errorf("%s: signed with %w %s; if that key is right, add its public key to the trusted ones", path, ErrUnknownKey, clip(sig.keyID))
	case right && sig.path != path:
		return sig, &TamperedError{path, Copied, fmt.Sprintf("berth sealed it for %s", sig.path)}
	case sig.path != path:
		return sig, &TamperedError{path, Spliced, fmt.Sprintf("the signature is of %s, and of other contents", clip(sig.path))}
	case !right:
		return sig, &TamperedError{path, Changed, "the contents are not those that were signed"}
	}
	return sig, nil
}

// diagnose makes the finding about a file without a right signature more
// precise where its contents show what was done to it.
func diagnose(path string, data []byte, finding error, want *claim) error {
	var tampered *TamperedError
	if !errors.As(finding, &tampered) || tampered.Kind == Copied {
		return finding
	}
	d, err := readDocument(data)
	if err == nil && tampered.Kind != Unsigned {
		err = d.checkShape()
	}
	if err != nil {
		return named(path, err)
	}
	info := d.info()
	switch {
	case want == nil:
		return finding
	case sorted(info.Recipients) != sorted(want.recipients):
		return &TamperedError{path, Spliced, fmt.Sprintf("it is %s, and sealed to another recipient than this path's", tampered.Kind)}
	case info.Name != want.name || info.Namespace != want.namespace:
		return &TamperedError{path, Spliced, fmt.Sprintf("it is %s, and names %s/%s instead of %s/%s",
			tampered.Kind, clip(info.Namespace), clip(info.Name), want.namespace, want.name)}
	}
	return finding
}

// named puts the path into a TamperedError.
func named(path string, err error) error {
	var tampered *TamperedError
	if errors.As(err, &tampered) {
		return &TamperedError{path, tampered.Kind, tampered.Detail}
	}
	return fmt.Errorf("%s: %w", path, err)
}
