package gitrepo

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

func TestSSHCredentials(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	keys := t.TempDir()
	good, locked, other := filepath.Join(keys, "good"), filepath.Join(keys, "locked"), filepath.Join(keys, "other")
	signer := newSSHKey(t, good, "")
	newSSHKey(t, other, "")
	lockedSigner := newSSHKey(t, locked, marked)
	s, s2 := serveSSH(t, signer.PublicKey(), true), serveSSH(t, lockedSigner.PublicKey(), true)
	hosts := func(s *sshServer) string { return s.knownHosts(t) }
	for name, tt := range map[string]struct {
		s    *sshServer
		o    Options
		want error
	}{
		"key":              {s, Options{SSHKeyFile: good}, nil},
		"other key":        {s, Options{SSHKeyFile: other}, ErrAuthentication},
		"passphrase":       {s2, Options{SSHKeyFile: locked, SSHKeyPassphrase: NewSecret(marked)}, nil},
		"wrong passphrase": {s2, Options{SSHKeyFile: locked, SSHKeyPassphrase: NewSecret("x" + marked)}, ErrAuthentication},
		"no passphrase":    {s2, Options{SSHKeyFile: locked}, ErrAuthentication},
		"not a key":        {s, Options{SSHKeyFile: hosts(s)}, ErrAuthentication},
		"nothing":          {s, Options{}, ErrAuthentication},
		"agent":            {s, Options{SSHAgentSocket: serveAgent(t, good)}, nil},
		"agent without it": {s, Options{SSHAgentSocket: serveAgent(t, other)}, ErrAuthentication},
		"agent and key":    {s, Options{SSHAgentSocket: serveAgent(t, other), SSHKeyFile: good}, nil},
		"agent, wrong key": {s, Options{SSHAgentSocket: serveAgent(t, good), SSHKeyFile: other}, nil},
		"dead agent":       {s, Options{SSHAgentSocket: filepath.Join(keys, "none")}, ErrAuthentication},
	} {
		t.Run(name, func(t *testing.T) {
			tt.o.KnownHostsFile = hosts(tt.s)
			r, err := Open(context.Background(), tt.s.url(dir), tt.o)
			if err == nil {
				defer func() { _ = r.Close() }()
				_, err = r.Update(context.Background(), "main", write("x", map[string]string{"f": name}))
			}
			check(t, name, err, tt.want)
		})
	}
}

// serveAgent runs an SSH agent that holds one key.
func serveAgent(t *testing.T, keyFile string) string {
	t.Helper()
	pem, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParseRawPrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(shortTemp(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(ring, c) }()
		}
	}()
	return l.Addr().String()
}

// shortTemp is a folder for sockets, whose paths are limited.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func TestKnownHostsAreEnforced(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	key := filepath.Join(t.TempDir(), "id")
	signer := newSSHKey(t, key, "")
	s, imposter := serveSSH(t, signer.PublicKey(), true), serveSSH(t, signer.PublicKey(), true)
	try := func(file string) error {
		r, err := Open(context.Background(), s.url(dir), Options{SSHKeyFile: key, KnownHostsFile: file})
		if err != nil {
			return err
		}
		defer func() { _ = r.Close() }()
		_, err = r.Tip(context.Background(), "main")
		return err
	}
	file := filepath.Join(t.TempDir(), "known_hosts")
	check(t, "no file named", try(""), ErrHostKey)

	err := try(file)
	check(t, "no file there", err, ErrHostKey)
	lines := strings.Split(err.Error(), "\n")
	line := lines[len(lines)-1]
	if !strings.Contains(err.Error(), ssh.FingerprintSHA256(s.hostKey.PublicKey())) || !strings.Contains(err.Error(), file) {
		t.Errorf("does not help: %v", err)
	}

	writeText(t, file, "example.com "+line[strings.Index(line, " ")+1:]+"\n")
	check(t, "another host's", try(file), ErrHostKey)

	writeText(t, file, line+"\n")
	if err := try(file); err != nil {
		t.Errorf("the line %q that the error told to add does not help: %v", line, err)
	}

	s.hostKey, s.addr = imposter.hostKey, imposter.addr
	writeText(t, file, strings.Replace(line, portOf(line), portOf(s.addr), 1)+"\n")
	err = try(file)
	check(t, "changed key", err, ErrHostKey)
	if !strings.Contains(err.Error(), "somebody stands in between") {
		t.Errorf("does not warn: %v", err)
	}

	writeText(t, file, "this is not\x00a known_hosts file\n")
	check(t, "damaged file", try(file), ErrHostKey)
}

func portOf(s string) string {
	s = s[strings.LastIndexByte(s, ':')+1:]
	port, _, _ := strings.Cut(s, " ")
	return port
}

func writeText(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSSHServerTrouble(t *testing.T) {
	dir := newBare(t)
	seed(t, dir, "main", map[string]string{"f": "x"})
	key := filepath.Join(t.TempDir(), "id")
	signer := newSSHKey(t, key, "")
	s := serveSSH(t, signer.PublicKey(), true)
	o := Options{SSHKeyFile: key, KnownHostsFile: s.knownHosts(t)}

	_, err := open(t, s.url(dir+"-none"), o).Tip(context.Background(), "main")
	check(t, "no repository", err, ErrNotFound)
	_, err = open(t, s.url("/tmp/it's $(touch pwned)"), o).Tip(context.Background(), "main")
	check(t, "quoting", err, ErrNotFound)

	r := open(t, s.url(dir), o)
	for i := range 3 {
		if _, err := r.Update(context.Background(), "main", write("x", map[string]string{"f": strings.Repeat("y", i+1)})); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Lock()
	if s.count != 3 {
		t.Errorf("%d connections", s.count)
	}
	s.mu.Unlock()
	s.cut()
	if _, err := r.Update(context.Background(), "main", write("x", map[string]string{"f": "after a cut"})); err != nil {
		t.Errorf("after the connection was cut: %v", err)
	}
	fsck(t, dir)
}

func TestSSHConnectionBreaksAnywhere(t *testing.T) {
	key := filepath.Join(t.TempDir(), "id")
	signer := newSSHKey(t, key, "")
	for _, acceptEnv := range []bool{true, false} {
		for budget := 200; budget < 12000; budget += 900 {
			dir := quickRepo(t)
			seed(t, dir, "main", map[string]string{"f": "x"})
			s := serveSSH(t, signer.PublicKey(), acceptEnv)
			s.mu.Lock()
			s.wrap = func(n int, c net.Conn) net.Conn {
				if n%2 == 0 || n > 5 {
					return c
				}
				f := &fragileConn{Conn: c}
				f.left.Store(int64(budget))
				return f
			}
			s.mu.Unlock()
			r := open(t, s.url(dir), Options{SSHKeyFile: key, KnownHostsFile: s.knownHosts(t), IdleTimeout: 20 * time.Second})
			res, err := r.Update(context.Background(), "main", appendLine("mine"))
			if err != nil {
				t.Errorf("after %d bytes: %v", budget, err)
			}
			verify(t, dir, []outcome{{"mine", res, err}})
		}
	}
}

func TestSignedCommits(t *testing.T) {
	dir := newBare(t)
	keys := t.TempDir()
	for name, pass := range map[string]string{"plain": "", "locked": marked} {
		t.Run(name, func(t *testing.T) {
			key := filepath.Join(keys, name)
			signer := newSSHKey(t, key, pass)
			r := open(t, dir, Options{
				Committer: Signature{"Berth", "berth@example.com"}, SigningKeyFile: key, SigningKeyPassphrase: NewSecret(pass),
			})
			res, err := r.Update(context.Background(), "main", write("Signed\n\nWith a body.", map[string]string{name: "x"}))
			if err != nil {
				t.Fatal(err)
			}
			allowed := filepath.Join(keys, "allowed")
			writeText(t, allowed, "berth@example.com "+string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
			out := git(t, dir, "-c", "gpg.ssh.allowedSignersFile="+allowed, "verify-commit", "-v", res.Commit.String())
			if !strings.Contains(out, `Good "git" signature for berth@example.com`) {
				t.Error(out)
			}
			fsck(t, dir)
		})
	}
	if _, err := Open(context.Background(), dir, Options{SigningKeyFile: filepath.Join(keys, "locked")}); !errors.Is(err, ErrAuthentication) {
		t.Errorf("locked key: %v", err)
	}
}
