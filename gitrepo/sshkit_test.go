package gitrepo

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// sshServer is as much of an sshd as git needs: public keys, the environment
// and one command per session.
type sshServer struct {
	addr      string
	hostKey   ssh.Signer
	acceptEnv bool // as AcceptEnv GIT_PROTOCOL does

	wrap func(n int, c net.Conn) net.Conn // makes trouble for the n-th connection; may be nil

	mu    sync.Mutex
	conns []net.Conn
	count int

	refused int // sessions
}

// maxSessions on one connection is sshd's own default.
const maxSessions = 10

// fragileConn breaks after a number of bytes in both directions.
type fragileConn struct {
	net.Conn
	left atomic.Int64
}

func (c *fragileConn) spend(n int, err error) (int, error) {
	if c.left.Add(-int64(n)) < 0 {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *fragileConn) Read(b []byte) (int, error)  { return c.spend(c.Conn.Read(b)) }
func (c *fragileConn) Write(b []byte) (int, error) { return c.spend(c.Conn.Write(b)) }

func newSSHKey(t testing.TB, file, passphrase string) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "test")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "test", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	if file != "" {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// serveSSH starts a server that lets one key in.
func serveSSH(t testing.TB, allowed ssh.PublicKey, acceptEnv bool) *sshServer {
	t.Helper()
	s := &sshServer{hostKey: newSSHKey(t, "", ""), acceptEnv: acceptEnv}
	config := &ssh.ServerConfig{
		PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if c.User() == "git" && string(key.Marshal()) == string(allowed.Marshal()) {
				return nil, nil
			}
			return nil, errors.New("unknown key")
		},
	}
	config.AddHostKey(s.hostKey)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	t.Cleanup(func() { _ = l.Close(); s.cut() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.count++
			if s.wrap != nil {
				c = s.wrap(s.count, c)
			}
			s.mu.Unlock()
			go s.serve(c, config)
		}
	}()
	return s
}

// cut drops all connections.
func (s *sshServer) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
}

func (s *sshServer) serve(c net.Conn, config *ssh.ServerConfig) {
	_, chans, reqs, err := ssh.NewServerConn(c, config)
	if err != nil {
		_ = c.Close()
		return
	}
	go ssh.DiscardRequests(reqs)
	var running atomic.Int64
	for ch := range chans {
		if running.Load() >= maxSessions {
			s.mu.Lock()
			s.refused++
			s.mu.Unlock()
			_ = ch.Reject(ssh.Prohibited, "open failed")
			continue
		}
		channel, reqs, err := ch.Accept()
		if err != nil {
			return
		}
		running.Add(1)
		go s.session(channel, reqs, func() { running.Add(-1) })
	}
}

func (s *sshServer) session(ch ssh.Channel, reqs <-chan *ssh.Request, over func()) {
	env := append(gitEnv(os.Environ()), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_SYSTEM="+os.DevNull)
	for req := range reqs {
		switch req.Type {
		case "env":
			var kv struct{ Key, Value string }
			_ = ssh.Unmarshal(req.Payload, &kv)
			if s.acceptEnv {
				env = append(env, kv.Key+"="+kv.Value)
			}
			_ = req.Reply(s.acceptEnv, nil)
		case "exec":
			var cmd struct{ Line string }
			_ = ssh.Unmarshal(req.Payload, &cmd)
			_ = req.Reply(true, nil)
			go func() {
				runShell(ch, cmd.Line, env)
				over()
				_ = ch.Close()
			}()
		default:
			_ = req.Reply(false, nil)
		}
	}
}

func runShell(ch ssh.Channel, line string, env []string) {
	cmd := exec.Command("/bin/sh", "-c", line)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, ch, ch.Stderr()
	in, _ := cmd.StdinPipe()
	go func() {
		_, _ = io.Copy(in, ch)
		_ = in.Close()
	}()
	status := uint32(0)
	if err := cmd.Run(); err != nil {
		status = 1
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			status = uint32(exit.ExitCode())
		}
	}
	_, _ = ch.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
}

func (s *sshServer) url(dir string) string { return "ssh://git@" + s.addr + dir }

// knownHosts writes a file that trusts the server.
func (s *sshServer) knownHosts(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	line := knownhosts.Line([]string{s.addr}, s.hostKey.PublicKey())
	if err := os.WriteFile(file, []byte(strings.TrimSpace(line)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
