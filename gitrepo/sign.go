package gitrepo

import (
	"bytes"

	"github.com/hiddeco/sshsig"
)

// commitSigner reads an SSH key and returns what signs commits with it, in the
// form that git verify-commit checks (PROTOCOL.sshsig, namespace "git").
func commitSigner(file string, passphrase Secret) (func([]byte) (string, error), error) {
	key, err := readSSHKey(file, passphrase)
	if err != nil {
		return nil, err
	}
	return func(payload []byte) (string, error) {
		sig, err := sshsig.Sign(bytes.NewReader(payload), key, sshsig.HashSHA512, "git")
		if err != nil {
			return "", err
		}
		return string(sshsig.Armor(sig)), nil
	}, nil
}
