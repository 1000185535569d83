package sops

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// What stands beside the values in plain text, in the metadata.
const (
	annFingerprint = "berth/fingerprint"
	annGeneration  = "berth/generation"
	annOwner       = "berth/owner"
	annProject     = "berth/project"
	annRecipient   = "berth/recipient"
	annRegistry    = "berth/registry"
	annUsername    = "berth/username"
)

// The two kinds of Secret that berth seals.
const (
	typePullSecret  = "kubernetes.io/dockerconfigjson"
	typeProjectKey  = "Opaque"
	dataPullSecret  = ".dockerconfigjson"
	dataProjectKey  = "project.agekey"
	encryptedRegex  = "^(data|stringData)$"
	maxGeneration   = 1<<31 - 1
	fingerprintForm = "v1" // how fingerprints are computed
)

// Info is what a sealed file says about itself without any key. From Verify it
// can be believed: berth signed it. From Inspect it is a claim.
type Info struct {
	Kind      string `json:"kind"`
	Type      string `json:"type,omitempty"` // of the Secret
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`

	Owner    string `json:"owner,omitempty"`
	Project  string `json:"project,omitempty"`  // project keys only
	Registry string `json:"registry,omitempty"` // pull secrets only
	Username string `json:"username,omitempty"` // pull secrets only

	// Generation counts the seals of this path, from 1; 0 when the file does
	// not say.
	Generation int `json:"generation,omitempty"`
	// Fingerprint is "v1.<key id>.<HMAC>", pull secrets only. Equal contents
	// in one place give equal fingerprints; only the berth key can compute one.
	Fingerprint string `json:"fingerprint,omitempty"`
	// Recipient is the public half of the project key inside, project keys only.
	Recipient string `json:"recipient,omitempty"`

	Recipients     []string  `json:"recipients"` // age recipients it is sealed to
	EncryptedRegex string    `json:"encryptedRegex,omitempty"`
	LastModified   time.Time `json:"lastModified"`
	SopsVersion    string    `json:"sopsVersion,omitempty"`

	// SignedPath and KeyID are what the signature line names; empty without one.
	SignedPath string `json:"signedPath,omitempty"`
	KeyID      string `json:"keyId,omitempty"`
}

// Inspect tells what stands in plain text in a SOPS file, berth's or not. It
// needs no key and believes everything: use Verify where that matters. What is
// not one SOPS document sealed to age recipients alone is a *TamperedError of
// kind Foreign.
func Inspect(data []byte) (*Info, error) {
	d, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	info := d.info()
	if sig, _, _, err := splitSigned(data); err == nil {
		info.SignedPath, info.KeyID = sig.path, sig.keyID
	}
	return info, nil
}

// info reads what the document says about itself.
func (d *document) info() *Info {
	meta := child(d.root, "metadata")
	ann := child(meta, "annotations")
	generation, _ := parseGeneration(text(child(ann, annGeneration)))
	return &Info{
		Kind:           text(child(d.root, "kind")),
		Type:           text(child(d.root, "type")),
		Name:           text(child(meta, "name")),
		Namespace:      text(child(meta, "namespace")),
		Owner:          text(child(ann, annOwner)),
		Project:        text(child(ann, annProject)),
		Registry:       text(child(ann, annRegistry)),
		Username:       text(child(ann, annUsername)),
		Generation:     generation,
		Fingerprint:    text(child(ann, annFingerprint)),
		Recipient:      text(child(ann, annRecipient)),
		Recipients:     d.sops.recipients(),
		EncryptedRegex: d.sops.encryptedRegex,
		LastModified:   d.sops.lastModified,
		SopsVersion:    d.sops.version,
	}
}

// checkShape refuses a document that berth could not have written: other
// fields, other annotations, values that are not encrypted strings, another
// rule for what is encrypted.
func (d *document) checkShape() error {
	info := d.info()
	dataKey, annotations := dataPullSecret, []string{annFingerprint, annGeneration, annOwner, annRegistry, annUsername}
	if info.Type == typeProjectKey {
		dataKey, annotations = dataProjectKey, []string{annGeneration, annOwner, annProject, annRecipient}
	}
	meta := child(d.root, "metadata")
	values := child(d.root, "data")
	switch {
	case text(child(d.root, "apiVersion")) != "v1" || info.Kind != "Secret":
		return foreign("not a Secret")
	case info.Type != typePullSecret && info.Type != typeProjectKey:
		return foreign(fmt.Sprintf("a Secret of type %q", clip(info.Type)))
	case d.sops.encryptedRegex != encryptedRegex || d.sops.macOnlyEncrypted:
		return foreign("sops.encrypted_regex is not " + encryptedRegex + ", or the MAC leaves fields out")
	case !encryptedString(d.sops.mac):
		return foreign("sops.mac is not an encrypted string")
	}
	for _, part := range []struct {
		name string
		node *yaml.Node
		want []string
	}{
		{"the top level", d.root, []string{"apiVersion", "kind", "metadata", "type", "data"}},
		{"metadata", meta, []string{"name", "namespace", "annotations"}},
		{"metadata.annotations", child(meta, "annotations"), annotations},
		{"data", values, []string{dataKey}},
	} {
		if err := exactKeys(part.name, part.node, part.want); err != nil {
			return err
		}
	}
	if !encryptedString(text(child(values, dataKey))) {
		return foreign("data." + dataKey + " is not an encrypted string")
	}
	return checkAnnotations(child(meta, "annotations"), meta)
}

// checkAnnotations refuses names and annotations that are not plain text, and a
// generation or fingerprint that does not parse.
func checkAnnotations(mappings ...*yaml.Node) error {
	for _, mapping := range mappings {
		for key, value := range pairs(mapping) {
			t := text(value)
			if value.Kind == yaml.MappingNode {
				continue
			}
			if err := plainText(key.Value, t); err != nil {
				return foreign(err.Error())
			}
			if _, err := parseGeneration(t); key.Value == annGeneration && err != nil {
				return foreign(err.Error())
			}
			if _, err := parseFingerprint(t); key.Value == annFingerprint && err != nil {
				return foreign(err.Error())
			}
		}
	}
	return nil
}

// exactKeys refuses a node that is not a mapping of exactly these keys.
func exactKeys(where string, node *yaml.Node, want []string) error {
	if node == nil || node.Kind != yaml.MappingNode {
		return foreign(where + " is not a mapping")
	}
	for key := range pairs(node) {
		if !slices.Contains(want, key.Value) {
			return foreign(fmt.Sprintf("%s has a field %q that this berth does not write", where, clip(key.Value)))
		}
	}
	if len(node.Content) != 2*len(want) {
		return foreign(where + " does not have all of " + strings.Join(want, ", "))
	}
	return nil
}

func parseGeneration(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxGeneration || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("%s is not a generation", annGeneration)
	}
	return n, nil
}

// parseFingerprint returns the id of the key that made a fingerprint.
func parseFingerprint(s string) (keyID string, err error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || parts[0] != fingerprintForm {
		return "", fmt.Errorf("%s is not of the form %s.<key id>.<HMAC>: a newer berth may have written it", annFingerprint, fingerprintForm)
	}
	if mac, err := base64.RawURLEncoding.Strict().DecodeString(parts[2]); err != nil || len(mac) != 32 {
		return "", fmt.Errorf("%s has no whole HMAC", annFingerprint)
	}
	return parts[1], nil
}
