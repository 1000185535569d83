package sops

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A Sealer makes sealed files and keeps those that are still right, which it
// can tell without any decryption key. It holds no token after a call returns
// and may be used by several goroutines at a time.
type Sealer struct {
	key     *Key
	trusted []PublicKey
	now     func() time.Time // what sops.lastmodified says
}

// NewSealer returns a Sealer that signs with key and believes what the trusted
// keys have signed; when trusted is empty, what key itself has signed. With a
// nil key it keeps seals and makes none. The Sealer has copies: what is pinned
// or rotated in key afterwards does not reach it.
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
// differs a new project key is made: every pull secret sealed to the old one
// must then be sealed again, which needs its token. The new key is a hybrid
// post-quantum one when all recipients are.
//
// Errors: ErrUnpinned when the berth key does not pin a recipient, checked
// also when prior would be kept; ErrNoKey when there is no berth key to make a
// seal with; *TamperedError or ErrUnknownKey when prior cannot be believed and
// req.Overwrite is not set.
func (s *Sealer) ProjectKey(prior []byte, req KeyRequest) (ProjectKeySeal, error) {
	recipients, err := req.check(s.key)
	if err != nil {
		return ProjectKeySeal{}, err
	}
	past, err := s.look(req.Path, prior, &claim{req.Name, req.Namespace, recipients}, req.Overwrite)
	if err != nil {
		return ProjectKeySeal{}, err
	}
	if past.info != nil {
		past.reason = req.differences(past.info, recipients)
		if past.reason == "" {
			return ProjectKeySeal{Data: prior, Recipient: past.info.Recipient, Kept: true, Generation: past.info.Generation}, nil
		}
	}
	data, recipient, err := s.makeProjectKey(req, recipients, past)
	if err != nil {
		return ProjectKeySeal{}, fmt.Errorf("%s: project key of %s: %w", req.Path, req.Project, err)
	}
	return ProjectKeySeal{Data: data, Recipient: recipient, Generation: past.next, Reason: past.reason}, nil
}

// makeProjectKey makes and wraps a new identity: a hybrid one when all the
// recipients are, since it would be the weak link otherwise.
func (s *Sealer) makeProjectKey(req KeyRequest, recipients []string, past past) (data []byte, recipient string, err error) {
	identity, recipient, err := newIdentity(allHybrid(recipients), past.at)
	if err != nil {
		return nil, "", err
	}
	secret := plainSecret{
		name: req.Name, namespace: req.Namespace, typ: typeProjectKey,
		annotations: []annotation{
			{annGeneration, strconv.Itoa(past.next)}, {annOwner, req.Owner}, {annProject, req.Project}, {annRecipient, recipient},
		},
		dataKey: dataProjectKey,
		value:   base64.StdEncoding.EncodeToString(identity),
	}
	data, err = s.sealAndSign(req.Path, &secret, recipients, past)
	return data, recipient, err
}

// PullSecret returns the sealed pull secret at req.Path. prior is the file as
// it stands, nil when there is none; token is nil when the user gave none.
//
// prior is kept when berth signed it for this path, its name, namespace,
// owner, registry, username and recipient are those of the request, and its
// fingerprint is that of token; without a token the fingerprint is not looked
// at. Otherwise the token is sealed with the next generation.
//
// Errors: ErrNoToken when a seal must be made and there is no token; ErrNoKey
// when there is a token and no berth key; *TamperedError or ErrUnknownKey when
// prior cannot be believed or its fingerprint not compared, and req.Overwrite
// is not set; and what Credential.Validate says.
func (s *Sealer) PullSecret(prior []byte, req SecretRequest, token *Token) (Seal, error) {
	credential, err := req.check(token)
	if err != nil {
		return Seal{}, err
	}
	if token != nil && s.key == nil {
		return Seal{}, fmt.Errorf("%s: a token was given, but there is %w to compare or seal it with", req.Path, ErrNoKey)
	}
	past, err := s.look(req.Path, prior, &claim{req.Name, req.Namespace, []string{req.Recipient}}, req.Overwrite)
	if err != nil {
		return Seal{}, err
	}
	if past.info != nil {
		past.reason = req.differences(past.info)
		if past.reason == "" && token != nil {
			past.reason, err = s.compareToken(past.info, req, credential)
		}
		switch {
		case err != nil:
			return Seal{}, err
		case past.reason == "":
			return Seal{Data: prior, Kept: true, Generation: past.info.Generation}, nil
		}
	}
	if token == nil {
		return Seal{}, fmt.Errorf("%s: the pull secret of %s %s must be sealed (%s): %w for %s at %s was given",
			req.Path, req.Project, req.Environment, past.reason, ErrNoToken, req.Username, req.Registry)
	}
	data, err := s.makePullSecret(req, credential, past)
	if err != nil {
		return Seal{}, fmt.Errorf("%s: pull secret of %s %s: %w", req.Path, req.Project, req.Environment, err)
	}
	return Seal{Data: data, Generation: past.next, Reason: past.reason}, nil
}

// compareToken returns "" when credential is what the seal already holds.
func (s *Sealer) compareToken(info *Info, req SecretRequest, credential Credential) (reason string, err error) {
	keyID, err := parseFingerprint(info.Fingerprint)
	if err != nil {
		return "", fmt.Errorf("%s: %w", req.Path, err)
	}
	secret := s.key.secret(keyID)
	switch {
	case secret == nil && req.Overwrite:
		return "overwriting was asked for", nil
	case secret == nil:
		return "", fmt.Errorf("%s: its fingerprint was made with %w %s, so the token cannot be compared; use the key file that has it", req.Path, ErrUnknownKey, clip(keyID))
	}
	config, err := credential.dockerConfig()
	if err != nil {
		return "", err
	}
	want := secret.fingerprintOf(req.Namespace, req.Name, info.Generation, info.Recipients, config)
	if hmac.Equal([]byte(want), []byte(info.Fingerprint)) {
		return "", nil
	}
	return "other token", nil
}

func (s *Sealer) makePullSecret(req SecretRequest, credential Credential, past past) ([]byte, error) {
	config, err := credential.dockerConfig()
	if err != nil {
		return nil, err
	}
	recipients := []string{req.Recipient}
	secret := plainSecret{
		name: req.Name, namespace: req.Namespace, typ: typePullSecret,
		annotations: []annotation{
			{annFingerprint, s.key.current().fingerprintOf(req.Namespace, req.Name, past.next, recipients, config)},
			{annGeneration, strconv.Itoa(past.next)}, {annOwner, req.Owner}, {annRegistry, req.Registry}, {annUsername, req.Username},
		},
		dataKey: dataPullSecret,
		value:   base64.StdEncoding.EncodeToString(config),
	}
	return s.sealAndSign(req.Path, &secret, recipients, past)
}

// sealAndSign refuses to sign with a key that this platform does not trust:
// the file would fail every later check.
func (s *Sealer) sealAndSign(path string, secret *plainSecret, recipients []string, past past) ([]byte, error) {
	switch {
	case s.key == nil:
		return nil, ErrNoKey
	case !slices.Contains(s.trusted, s.key.current().public):
		return nil, fmt.Errorf("%w: %s is not one that this platform trusts; use the right key file, or add %s to the trusted keys",
			ErrUnknownKey, s.key, s.key.current().public)
	case past.next > maxGeneration:
		return nil, errors.New("the generation cannot grow any further")
	}
	body, err := secret.seal(recipients, past.at)
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

// past is what the file that stands at a path means for the next one.
type past struct {
	info   *Info     // nil when there is nothing to keep
	next   int       // generation of the next seal
	at     time.Time // when the next seal is made; not before this one, or it would look older
	reason string    // why a seal is needed
}

func (s *Sealer) look(path string, prior []byte, want *claim, overwrite bool) (past, error) {
	now := s.now()
	if prior == nil {
		return past{next: 1, at: now, reason: "there is none yet"}, nil
	}
	info, err := verify(path, prior, s.trusted, want)
	if err == nil {
		if info.LastModified.After(now) {
			now = info.LastModified
		}
		return past{info: info, next: info.Generation + 1, at: now}, nil
	}
	var tampered *TamperedError
	if overwrite && (errors.As(err, &tampered) || errors.Is(err, ErrUnknownKey)) {
		return past{next: claimedGeneration(prior) + 1, at: now, reason: "overwriting was asked for"}, nil
	}
	return past{}, err
}

// claimedGeneration is what a file that cannot be believed says, so that the
// seal which replaces it does not look older than one before it. A claim that
// would use the numbers up counts as none.
func claimedGeneration(data []byte) int {
	info, err := Inspect(data)
	if err != nil || info.Generation > maxGeneration/2 {
		return 0
	}
	return info.Generation
}
