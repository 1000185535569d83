package sops

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"
)

// Open decrypts a SOPS file, berth's or upstream's, with the age identities
// given as the text of an identity file, and checks the full MAC. It returns
// the plain YAML, indented by four like that of "sops decrypt", without
// comments: SOPS does not protect them.
//
// Open does not look at signatures, but a file with berth's signature line
// must have the shape berth gives it, because SOPS does not protect the names
// of fields. Errors: ErrNoIdentity, or a *TamperedError of kind Foreign or
// Changed. None of them quotes the contents.
func Open(data []byte, identities string) ([]byte, error) {
	plain, err := open(data, identities)
	if err != nil {
		return nil, err
	}
	return writeYAML(plain)
}

func writeYAML(node *yaml.Node) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(4)
	if err := encoder.Encode(node); err != nil {
		return nil, errors.New("the decrypted document cannot be written as YAML")
	}
	return out.Bytes(), nil
}

func open(data []byte, identities string) (*yaml.Node, error) {
	ids, err := parseIdentities(identities)
	if err != nil {
		return nil, err
	}
	d, err := readDocument(data)
	if err != nil {
		return nil, err
	}
	if _, _, signed, _ := splitSigned(data); signed {
		if err := d.checkShape(); err != nil {
			return nil, err
		}
	}
	key, err := unwrap(d.sops.stanzas, ids)
	if err != nil {
		return nil, err
	}
	return d.decrypt(key)
}

// ProjectIdentity unwraps a project key with the platform's age identities and
// returns the text of its identity file, which opens the project's pull
// secrets. Errors are those of Open.
func ProjectIdentity(projectKeyFile []byte, platformIdentities string) (string, error) {
	plain, err := open(projectKeyFile, platformIdentities)
	if err != nil {
		return "", fmt.Errorf("project key: %w", err)
	}
	identity, err := base64.StdEncoding.DecodeString(text(child(child(plain, "data"), dataProjectKey)))
	if err != nil || len(identity) == 0 {
		return "", fmt.Errorf("project key: %w", foreign("no data."+dataProjectKey+" in base64"))
	}
	names, err := RecipientsOf(string(identity))
	if err != nil {
		return "", fmt.Errorf("project key: %w", err)
	}
	if want := text(child(child(child(plain, "metadata"), "annotations"), annRecipient)); len(names) != 1 || names[0] != want {
		return "", fmt.Errorf("project key: %w", &TamperedError{Kind: Changed, Detail: "the identity inside is not that of " + short(want)})
	}
	return string(identity), nil
}
