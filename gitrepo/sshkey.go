package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// keyring offers the key of a file and, when the server does not take it, those
// of an agent. One login uses it once.
type keyring struct {
	ctx   context.Context //nolint:containedctx // of the login: x/crypto calls back without one
	file  ssh.Signer      // nil once it was offered
	agent string          // address; empty for none
	sock  net.Conn
}

// next returns the keys to try now.
func (k *keyring) next() ([]ssh.Signer, error) {
	if key := k.file; key != nil {
		k.file = nil
		return []ssh.Signer{key}, nil
	}
	if k.agent == "" {
		return nil, nil
	}
	var err error
	if k.sock, err = (&net.Dialer{}).DialContext(k.ctx, "unix", k.agent); err != nil {
		return nil, failf(ErrAuthentication, "the SSH agent cannot be reached: %v", err)
	}
	context.AfterFunc(k.ctx, k.close) // an agent may ask its owner first, or hang
	keys, err := agent.NewClient(k.sock).Signers()
	if err != nil {
		return nil, failf(ErrAuthentication, "the SSH agent gives no keys: %v", err)
	}
	return keys, nil
}

func (k *keyring) close() {
	if k.sock != nil {
		_ = k.sock.Close()
	}
}

// readSSHKey reads a private key in any format that ssh-keygen writes.
func readSSHKey(file string, passphrase Secret) (ssh.Signer, error) {
	pem, err := os.ReadFile(file)
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		err = path.Err // what was taken for a file's name may be the key itself
	}
	if err != nil {
		return nil, fmt.Errorf("read the SSH key: %w", err)
	}
	var signer ssh.Signer
	if passphrase.IsZero() {
		signer, err = ssh.ParsePrivateKey(pem)
	} else {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(pem, []byte(passphrase.text))
	}
	var missing *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return signer, nil
	case errors.As(err, &missing):
		return nil, failf(ErrAuthentication, "the SSH key %s is encrypted and no passphrase is given", file)
	case !passphrase.IsZero():
		return nil, failf(ErrAuthentication, "the SSH key %s cannot be opened: wrong passphrase, or not a private key", file)
	}
	return nil, failf(ErrAuthentication, "%s is not a private SSH key", file)
}
