package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// sshTransport keeps one SSH connection and runs each service in a session
// of its own on it.
type sshTransport struct {
	ep     endpoint
	addr   string
	config *ssh.ClientConfig
	idle   time.Duration
	agent  string

	mu     sync.Mutex
	client *ssh.Client
}

const sshDialTimeout = 30 * time.Second

func newSSHTransport(ep endpoint, o Options) (*sshTransport, error) {
	host, port, err := net.SplitHostPort(ep.host)
	if err != nil {
		host, port = strings.Trim(ep.host, "[]"), "22"
	}
	t := &sshTransport{ep: ep, addr: net.JoinHostPort(host, port), idle: o.IdleTimeout, agent: o.SSHAgentSocket}
	hosts, err := loadKnownHosts(o.KnownHostsFile)
	if err != nil {
		return nil, err
	}
	user := ep.user
	if user == "" {
		user = o.Username
	}
	if user == "" {
		user = "git"
	}
	t.config = &ssh.ClientConfig{
		User:              user,
		HostKeyCallback:   hosts.check,
		HostKeyAlgorithms: hosts.algorithms(t.addr),
		ClientVersion:     "SSH-2.0-berth",
	}
	if o.SSHKeyFile != "" {
		signer, err := readSSHKey(o.SSHKeyFile, o.SSHKeyPassphrase)
		if err != nil {
			return nil, err
		}
		t.config.Auth = append(t.config.Auth, ssh.PublicKeys(signer))
	} else if o.SSHAgentSocket == "" {
		return nil, failf(ErrAuthentication, "an SSH address needs a key file or a running SSH agent; neither is given")
	}
	return t, nil
}

// readSSHKey reads a private key in any format that ssh-keygen writes.
func readSSHKey(file string, passphrase Secret) (ssh.Signer, error) {
	pem, err := os.ReadFile(file)
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

func (t *sshTransport) stateless() bool { return false }

func (t *sshTransport) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.client == nil {
		return nil
	}
	err := t.client.Close()
	t.client = nil
	return err
}

func (t *sshTransport) open(ctx context.Context, service string) (conn, error) {
	w := newWatchdog(ctx, t.idle)
	c, err := t.start(w, service)
	if err != nil {
		err = w.blame(err)
		w.stop()
		return nil, err
	}
	return c, nil
}

// start runs the service on the kept connection, or on a new one when the
// kept one turns out to be dead.
func (t *sshTransport) start(w *watchdog, service string) (conn, error) {
	client, kept, err := t.dial(w)
	if err != nil {
		return nil, err
	}
	c, err := t.run(w, client, service)
	if err != nil && kept && w.ctx.Err() == nil {
		_ = t.close()
		if client, _, err = t.dial(w); err != nil {
			return nil, err
		}
		c, err = t.run(w, client, service)
	}
	if err != nil {
		return nil, networkError(err)
	}
	return c, nil
}

func (t *sshTransport) run(w *watchdog, client *ssh.Client, service string) (conn, error) {
	stop := context.AfterFunc(w.ctx, func() { _ = client.Close() })
	w.begin()
	p, err := startSession(client, service+" "+shellQuote(t.ep.path))
	w.end()
	if !stop() && err == nil {
		err = w.ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	context.AfterFunc(w.ctx, p.kill)
	return newStreamConn(w, p), nil
}

func startSession(client *ssh.Client, command string) (process, error) {
	s, err := client.NewSession()
	if err != nil {
		return process{}, err
	}
	errs := &tail{}
	s.Stderr = errs
	in, err := s.StdinPipe()
	if err != nil {
		return process{}, err
	}
	out, err := s.StdoutPipe()
	if err != nil {
		return process{}, err
	}
	_ = s.Setenv("GIT_PROTOCOL", "version=2") // many servers refuse it and speak v0
	if err := s.Start(command); err != nil {
		_ = s.Close()
		return process{}, err
	}
	wait := func() error {
		_, _ = io.Copy(io.Discard, out)
		return s.Wait()
	}
	return process{in: in, out: out, stderr: errs, wait: wait, kill: func() { _ = s.Close() }}, nil
}

func (t *sshTransport) dial(w *watchdog) (client *ssh.Client, kept bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.client != nil {
		return t.client, true, nil
	}
	config := *t.config
	if t.agent != "" {
		sock, err := (&net.Dialer{}).DialContext(w.ctx, "unix", t.agent)
		if err != nil {
			if len(config.Auth) == 0 {
				return nil, false, failf(ErrAuthentication, "the SSH agent cannot be reached: %v", err)
			}
		} else {
			defer func() { _ = sock.Close() }()
			config.Auth = append(config.Auth[:len(config.Auth):len(config.Auth)], ssh.PublicKeysCallback(agent.NewClient(sock).Signers))
		}
	}
	ctx, cancel := context.WithTimeout(w.ctx, min(sshDialTimeout, t.idle))
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.addr)
	if err != nil {
		return nil, false, networkError(w.blame(err))
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	c, chans, reqs, err := ssh.NewClientConn(raw, t.addr, &config)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = raw.Close()
		return nil, false, t.handshakeError(ctx, err)
	}
	t.client = ssh.NewClient(c, chans, reqs)
	return t.client, false, nil
}

func (t *sshTransport) handshakeError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, ErrHostKey):
		return err
	case strings.Contains(err.Error(), "unable to authenticate"):
		return failf(ErrAuthentication, "%s takes none of the SSH keys offered for user %s", t.addr, t.config.User)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return failf(ErrTimeout, "no SSH handshake with %s", t.addr)
	}
	return networkError(err)
}

// shellQuote quotes for the POSIX shell that sshd hands the command to.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
