package gitrepo

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// sshTransport keeps one SSH connection and runs each service in a session
// of its own on it.
type sshTransport struct {
	ep     endpoint
	addr   string
	config *ssh.ClientConfig
	idle   time.Duration
	key    ssh.Signer // of a file; may be nil
	agent  string

	dialing  turn
	client   *ssh.Client
	sessions turn
}

// maxConversations at a time are fewer than the ten sessions that an sshd allows
// on one connection.
const maxConversations = 8

const sshDialTimeout = 30 * time.Second

func newSSHTransport(ep endpoint, o Options) (*sshTransport, error) {
	host, port, err := net.SplitHostPort(ep.host)
	if err != nil {
		host, port = strings.Trim(ep.host, "[]"), "22"
	}
	t := &sshTransport{ep: ep, addr: net.JoinHostPort(host, port), idle: o.IdleTimeout, agent: o.SSHAgentSocket, dialing: newTurn(1), sessions: newTurn(maxConversations)}
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
		if t.key, err = readSSHKey(o.SSHKeyFile, o.SSHKeyPassphrase); err != nil {
			return nil, err
		}
	} else if o.SSHAgentSocket == "" {
		return nil, failf(ErrAuthentication, "an SSH address needs a key file or a running SSH agent; neither is given")
	}
	return t, nil
}

func (t *sshTransport) stateless() bool { return false }

func (t *sshTransport) close() error {
	_ = t.dialing.take(context.Background())
	defer t.dialing.give()
	if t.client == nil {
		return nil
	}
	err := t.client.Close()
	t.client = nil
	return err
}

// drop gives up a connection that is dead; somebody else may have a new one by now.
func (t *sshTransport) drop(dead *ssh.Client) {
	_ = t.dialing.take(context.Background())
	defer t.dialing.give()
	_ = dead.Close()
	if t.client == dead {
		t.client = nil
	}
}

func (t *sshTransport) open(ctx context.Context, service string) (conn, error) {
	if err := t.sessions.take(ctx); err != nil {
		return nil, err
	}
	w := newWatchdog(ctx, t.idle)
	c, err := t.start(w, service)
	if err != nil {
		t.sessions.give()
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
		t.drop(client)
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
	context.AfterFunc(w.ctx, func() {
		if errors.Is(context.Cause(w.ctx), ErrTimeout) {
			_ = client.Close()
		}
		p.kill()
	})
	wait := p.wait
	p.wait = func() error {
		defer t.sessions.give()
		return wait()
	}
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
	var ended atomic.Bool
	wait := func() error {
		defer ended.Store(true)
		_, _ = io.Copy(io.Discard, out)
		return s.Wait()
	}
	// A session ends when the server agrees; the connection of one that is
	// silent is given up.
	kill := func() {
		time.AfterFunc(closeGrace, func() {
			if !ended.Load() {
				_ = client.Close()
			}
		})
		_ = s.Close()
	}
	return process{in: in, out: out, stderr: errs, wait: wait, kill: kill}, nil
}

func (t *sshTransport) dial(w *watchdog) (client *ssh.Client, kept bool, err error) {
	if err := t.dialing.take(w.ctx); err != nil {
		return nil, false, err
	}
	defer t.dialing.give()
	if t.client != nil {
		return t.client, true, nil
	}
	ctx, cancel := context.WithTimeout(w.ctx, min(sshDialTimeout, t.idle))
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.addr)
	switch {
	case err != nil && w.ctx.Err() == nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, false, failf(ErrTimeout, "%s takes no connection", t.addr)
	case err != nil:
		return nil, false, netFailure(w.blame(err))
	}
	keys := &keyring{ctx: ctx, file: t.key, agent: t.agent}
	defer keys.close()
	config := *t.config
	config.Auth = []ssh.AuthMethod{ssh.RetryableAuthMethod(ssh.PublicKeysCallback(keys.next), 2)}
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
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return failf(ErrTimeout, "no SSH handshake with %s", t.addr)
	case errors.Is(err, ErrAuthentication):
		return err
	case strings.Contains(strings.ToLower(err.Error()), "authenticat"):
		return failf(ErrAuthentication, "%s takes none of the SSH keys offered for user %s", t.addr, t.config.User)
	}
	return networkError(err)
}

// shellQuote quotes for the POSIX shell that sshd hands the command to.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
