package sops

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A KeyRequest asks for the project key of one project on one cluster.
type KeyRequest struct {
	Path            string // of the sealed file, from the repository's root
	Name, Namespace string // of the Secret
	Project, Owner  string
	Recipients      []string // the platform's, all of them pinned
	Renew           bool     // make a new project key even if the one there is right
}

// A SecretRequest asks for the pull secret of one environment.
type SecretRequest struct {
	Path                 string // of the sealed file, from the repository's root
	Name, Namespace      string // of the Secret
	Project, Environment string // for messages
	Owner                string
	Registry, Username   string // as in Credential
	Recipient            string // the project key's, from ProjectKeySeal
	Renew                bool   // seal again even if the seal there is right; needs the token
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

// A Sealer makes sealed files and keeps those that are still right, which it
// can tell without any decryption key. It holds no token after a call returns
// and may be used by several goroutines at a time.
type Sealer struct {
	key     *Key
	trusted []PublicKey
	now     func() time.Time
}

// NewSealer returns a Sealer that signs with key and believes what the trusted
// keys have signed; with none given, what key itself has signed. A nil key
// keeps seals and makes none.
func NewSealer(key *Key, trusted []PublicKey) *Sealer {
	s := &Sealer{trusted: slices.Clone(trusted), now: time.Now}
	if key.current() != nil {
		s.key = &Key{secrets: slices.Clone(key.secrets), pins: slices.Clone(key.pins)}
		if len(trusted) == 0 {
			s.trusted = key.PublicKeys()
		}
	}
	return s
}

// ProjectKey returns the wrapped project key at req.Path. prior is the file as
// it stands, nil when there is none.
//
// prior is kept when berth signed it for this path and its name, namespace,
// project, owner and recipients are those of the request. When one of them
// differs, a new project key is made: every pull secret sealed to the old one
// must then be sealed again, which needs its token. A prior that berth did not
// sign is a *TamperedError, never replaced; pass nil to start afresh.
//
// Other errors: ErrUnpinned, ErrNoKey, ErrUnknownKey.
func (s *Sealer) ProjectKey(prior []byte, req KeyRequest) (ProjectKeySeal, error) {
	recipients, err := s.checkKeyRequest(req)
	if err != nil {
		return ProjectKeySeal{}, err
	}
	reason, generation := "there is none yet", 1
	if prior != nil {
		info, err := verify(req.Path, prior, s.trusted, &claim{req.Name, req.Namespace, recipients})
		if err != nil {
			return ProjectKeySeal{}, err
		}
		reason = differences([]difference{
			{"type", info.Type, typeProjectKey}, {"name", info.Name, req.Name}, {"namespace", info.Namespace, req.Namespace},
			{"project", info.Project, req.Project}, {"owner", info.Owner, req.Owner},
			{"platform recipients", sorted(info.Recipients), sorted(recipients)},
		}, req.Renew)
		if reason == "" {
			return ProjectKeySeal{Data: prior, Recipient: info.Recipient, Kept: true, Generation: info.Generation}, nil
		}
		generation = info.Generation + 1
	}
	data, recipient, err := s.makeProjectKey(req, recipients, generation)
	if err != nil {
		return ProjectKeySeal{}, fmt.Errorf("%s: project key of %s: %w", req.Path, req.Project, err)
	}
	return ProjectKeySeal{Data: data, Recipient: recipient, Generation: generation, Reason: reason}, nil
}

func (s *Sealer) checkKeyRequest(req KeyRequest) (recipients []string, err error) {
	if err := checkRequest(req.Path, []difference{
		{what: "name", got: req.Name}, {what: "namespace", got: req.Namespace}, {what: "project", got: req.Project}, {what: "owner", got: req.Owner},
	}); err != nil {
		return nil, err
	}
	for _, r := range req.Recipients {
		if err := ValidRecipient(r); err != nil {
			return nil, fmt.Errorf("%s: %w", req.Path, err)
		}
		if s.key != nil && !s.key.Pinned(r) {
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

// makeProjectKey makes and wraps a new identity: a hybrid one when all the
// recipients are hybrid, since it would be the weak link otherwise.
func (s *Sealer) makeProjectKey(req KeyRequest, recipients []string, generation int) (data []byte, recipient string, err error) {
	now := s.now()
	identity, recipient, err := newIdentity(allHybrid(recipients), now)
	if err != nil {
		return nil, "", err
	}
	secret := plainSecret{
		name: req.Name, namespace: req.Namespace, typ: typeProjectKey,
		annotations: []annotation{
			{annGeneration, strconv.Itoa(generation)}, {annOwner, req.Owner}, {annProject, req.Project}, {annRecipient, recipient},
		},
		dataKey: dataProjectKey,
		value:   base64.StdEncoding.EncodeToString(identity),
	}
	data, err = s.sealAndSign(req.Path, &secret, recipients, generation, now)
	return data, recipient, err
}

// PullSecret returns the sealed pull secret at req.Path. prior is the file as
// it stands, nil when there is none; token is nil when the user gave none.
//
// prior is kept when berth signed it for this path, its name, namespace,
// owner, registry, username and recipient are those of the request, and its
// fingerprint is that of token; without a token the fingerprint is not looked
// at. Otherwise it is sealed again with the next generation. A prior that
// berth did not sign is a *TamperedError, never replaced; pass nil to start
// afresh.
//
// Other errors: ErrNoToken when it must be sealed and there is no token;
// ErrNoKey when there is a token and no berth key; ErrUnknownKey when prior
// was signed or fingerprinted with a key that is not known here; and what
// Credential.Validate says.
func (s *Sealer) PullSecret(prior []byte, req SecretRequest, token *Token) (Seal, error) {
	credential, err := s.checkSecretRequest(req, token)
	if err != nil {
		return Seal{}, err
	}
	reason, generation := "there is none yet", 1
	if prior != nil {
		info, err := verify(req.Path, prior, s.trusted, &claim{req.Name, req.Namespace, []string{req.Recipient}})
		if err != nil {
			return Seal{}, err
		}
		reason = differences([]difference{
			{"type", info.Type, typePullSecret}, {"name", info.Name, req.Name}, {"namespace", info.Namespace, req.Namespace},
			{"owner", info.Owner, req.Owner}, {"registry", info.Registry, req.Registry}, {"username", info.Username, req.Username},
			{"project key", sorted(info.Recipients), req.Recipient},
		}, req.Renew)
		if reason == "" && token != nil {
			if reason, err = s.compareToken(info, req, credential); err != nil {
				return Seal{}, err
			}
		}
		if reason == "" {
			return Seal{Data: prior, Kept: true, Generation: info.Generation}, nil
		}
		generation = info.Generation + 1
	}
	if token == nil {
		return Seal{}, fmt.Errorf("%s: the pull secret of %s must be sealed (%s): %w for %s at %s was given",
			req.Path, req.environment(), reason, ErrNoToken, req.Username, req.Registry)
	}
	data, err := s.makePullSecret(req, credential, generation)
	if err != nil {
		return Seal{}, fmt.Errorf("%s: pull secret of %s: %w", req.Path, req.environment(), err)
	}
	return Seal{Data: data, Generation: generation, Reason: reason}, nil
}

func (req *SecretRequest) environment() string { return req.Project + " " + req.Environment }

func (s *Sealer) checkSecretRequest(req SecretRequest, token *Token) (Credential, error) {
	if err := checkRequest(req.Path, []difference{
		{what: "name", got: req.Name}, {what: "namespace", got: req.Namespace}, {what: "owner", got: req.Owner},
	}); err != nil {
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
	if token != nil && s.key == nil {
		return Credential{}, fmt.Errorf("%s: a token was given, but there is %w to compare or seal it with", req.Path, ErrNoKey)
	}
	return credential, nil
}

// compareToken says "" when credential is what the seal already holds.
func (s *Sealer) compareToken(info *Info, req SecretRequest, credential Credential) (reason string, err error) {
	keyID, err := parseFingerprint(info.Fingerprint)
	if err != nil {
		return "", fmt.Errorf("%s: %w", req.Path, err)
	}
	secret := s.key.secret(keyID)
	if secret == nil {
		return "", fmt.Errorf("%s: its fingerprint was made with %w %s, not with %s; use the key file that has it", req.Path, ErrUnknownKey, clip(keyID), s.key)
	}
	config, err := credential.dockerConfig()
	if err != nil {
		return "", err
	}
	want := secret.fingerprintOf(req.Namespace, req.Name, info.Generation, info.Recipients, config)
	if hmac.Equal([]byte(want), []byte(info.Fingerprint)) {
		return "", nil
	}
	return "new token", nil
}

func (s *Sealer) makePullSecret(req SecretRequest, credential Credential, generation int) ([]byte, error) {
	if s.key == nil {
		return nil, ErrNoKey
	}
	config, err := credential.dockerConfig()
	if err != nil {
		return nil, err
	}
	recipients := []string{req.Recipient}
	secret := plainSecret{
		name: req.Name, namespace: req.Namespace, typ: typePullSecret,
		annotations: []annotation{
			{annFingerprint, s.key.current().fingerprintOf(req.Namespace, req.Name, generation, recipients, config)},
			{annGeneration, strconv.Itoa(generation)}, {annOwner, req.Owner}, {annRegistry, req.Registry}, {annUsername, req.Username},
		},
		dataKey: dataPullSecret,
		value:   base64.StdEncoding.EncodeToString(config),
	}
	return s.sealAndSign(req.Path, &secret, recipients, generation, s.now())
}

// sealAndSign refuses to sign with a key that this platform does not trust:
// the file would fail every later check.
func (s *Sealer) sealAndSign(path string, secret *plainSecret, recipients []string, generation int, now time.Time) ([]byte, error) {
	switch {
	case s.key == nil:
		return nil, ErrNoKey
	case !slices.Contains(s.trusted, s.key.current().public):
		return nil, fmt.Errorf("%w: %s is not one that this platform trusts; use the right key file, or add %s to the trusted keys",
			ErrUnknownKey, s.key, s.key.current().public)
	case generation > maxGeneration:
		return nil, errors.New("the generation cannot grow any further")
	}
	body, err := secret.seal(recipients, now)
	if err != nil {
		return nil, err
	}
	return s.key.current().sign(path, body), nil
}

// fingerprintOf returns "v1.<key id>.<HMAC>" over what a pull secret holds and
// where it stands. Recipients count in any order.
func (s *secret) fingerprintOf(namespace, name string, generation int, recipients []string, config []byte) string {
	parts := [][]byte{[]byte("berth fingerprint v1"), []byte(namespace), []byte(name), []byte(strconv.Itoa(generation)), []byte(strconv.Itoa(len(recipients)))}
	for _, r := range slices.Sorted(slices.Values(recipients)) {
		parts = append(parts, []byte(r))
	}
	mac := hmac.New(sha256.New, s.fingerprint)
	mac.Write(lengthPrefixed(append(parts, config)...))
	return fingerprintForm + "." + s.public.ID() + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

type difference struct{ what, got, want string }

// differences says which parts differ, "" when none does.
func differences(parts []difference, renew bool) string {
	var out []string
	for _, p := range parts {
		if p.got != p.want {
			out = append(out, "other "+p.what)
		}
	}
	if len(out) == 0 && renew {
		return "renewal asked for"
	}
	return strings.Join(out, ", ")
}

func sorted(recipients []string) string {
	return strings.Join(slices.Sorted(slices.Values(recipients)), "\n")
}

func checkRequest(path string, texts []difference) error {
	if err := validPath(path); err != nil {
		return err
	}
	for _, t := range texts {
		if err := plainText(t.what, t.got); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}
