package sops

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A KeyRequest asks for the project key of one project on one cluster.
type KeyRequest struct {
	Path            string // of the sealed file, from the repository's root
	Name, Namespace string // of the Secret
	Project, Owner  string
	Recipients      []string // the platform's, all of them pinned

	// Renew makes a new project key even though the one there is right.
	Renew bool
	// Overwrite makes a new project key even though the file there cannot be
	// believed: it was tampered with, or an unknown berth key signed it.
	Overwrite bool
}

// A SecretRequest asks for the pull secret of one environment.
type SecretRequest struct {
	Path                 string // of the sealed file, from the repository's root
	Name, Namespace      string // of the Secret
	Project, Environment string // for messages
	Owner                string
	Registry, Username   string // as in Credential
	Recipient            string // the project key's, from ProjectKeySeal

	// Renew seals again even though the seal there is right.
	Renew bool
	// Overwrite seals even though the file there cannot be believed: it was
	// tampered with, or an unknown berth key signed or fingerprinted it.
	Overwrite bool
}

// A ProjectKeySeal is a project key, wrapped to the platform recipients.
type ProjectKeySeal struct {
	Data       []byte // the file; prior's own bytes when Kept
	Recipient  string // of the project key: what pull secrets are sealed to
	Kept       bool
	Generation int
	Reason     string // why it was not kept, for people
}

// A Seal is a sealed pull secret.
type Seal struct {
	Data       []byte // the file; prior's own bytes when Kept
	Kept       bool
	Generation int
	Reason     string // why it was not kept, for people
}

// check refuses what cannot be sealed and returns the recipients without
// repetitions. key may be nil: nothing is sealed then, so pins do not matter.
func (req *KeyRequest) check(key *Key) (recipients []string, err error) {
	if err := checkTexts(req.Path, "name", req.Name, "namespace", req.Namespace, "project", req.Project, "owner", req.Owner); err != nil {
		return nil, err
	}
	for _, r := range req.Recipients {
		if err := ValidRecipient(r); err != nil {
			return nil, fmt.Errorf("%s: %w", req.Path, err)
		}
		if key != nil && !key.Pinned(r) {
			return nil, fmt.Errorf("%s: %w: %s; if the platform's owners added it, pin it first", req.Path, ErrUnpinned, short(r))
		}
		if !slices.Contains(recipients, r) {
			recipients = append(recipients, r)
		}
	}
	if len(recipients) == 0 {
		return nil, fmt.Errorf("%s: no platform recipient to seal the project key to", req.Path)
	}
	return recipients, nil
}

// differences says in which way a seal is not what the request asks for.
func (req *KeyRequest) differences(info *Info, recipients []string) string {
	return differences(req.Renew, []difference{
		{"type", info.Type, typeProjectKey},
		{"name", info.Name, req.Name},
		{"namespace", info.Namespace, req.Namespace},
		{"project", info.Project, req.Project},
		{"owner", info.Owner, req.Owner},
		{"platform recipients", sorted(info.Recipients), sorted(recipients)},
	})
}

// check refuses what cannot be sealed and returns the credential; without a
// token only the rest of it is checked.
func (req *SecretRequest) check(token *Token) (Credential, error) {
	if err := checkTexts(req.Path, "name", req.Name, "namespace", req.Namespace, "owner", req.Owner); err != nil {
		return Credential{}, err
	}
	credential := Credential{Registry: req.Registry, Username: req.Username}
	err := errors.Join(validRegistry(req.Registry), validUsername(req.Username), ValidRecipient(req.Recipient))
	if err == nil && token != nil {
		credential.Token = *token
		err = credential.Validate()
	}
	if err != nil {
		return Credential{}, fmt.Errorf("%s: %w", req.Path, err)
	}
	return credential, nil
}

// differences says in which way a seal is not what the request asks for.
func (req *SecretRequest) differences(info *Info) string {
	return differences(req.Renew, []difference{
		{"type", info.Type, typePullSecret},
		{"name", info.Name, req.Name},
		{"namespace", info.Namespace, req.Namespace},
		{"owner", info.Owner, req.Owner},
		{"registry", info.Registry, req.Registry},
		{"username", info.Username, req.Username},
		{"project key", sorted(info.Recipients), req.Recipient},
	})
}

type difference struct{ what, got, want string }

// differences returns "" when all parts are equal and no renewal is asked for.
func differences(renew bool, parts []difference) string {
	var out []string
	for _, p := range parts {
		if p.got != p.want {
			out = append(out, "other "+p.what)
		}
	}
	if len(out) == 0 && renew {
		return "renewal was asked for"
	}
	return strings.Join(out, ", ")
}

// sorted makes recipients comparable in any order.
func sorted(recipients []string) string {
	return strings.Join(slices.Sorted(slices.Values(recipients)), "\n")
}

// checkTexts refuses a path that no signature line can name, and texts, given
// as name and value in turn, that are not plainText.
func checkTexts(path string, texts ...string) error {
	if err := validPath(path); err != nil {
		return err
	}
	for i := 0; i < len(texts); i += 2 {
		if err := plainText(texts[i], texts[i+1]); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}
