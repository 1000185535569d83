package stand

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/berth-gitops/berth/e2e/process"
)

// An SSHServer serves git over SSH on loopback to the holder of one key.
type SSHServer struct {
	listener net.Listener
	root     string
	config   *ssh.ServerConfig

	KeyFile    string // the client's private key, OpenSSH format
	KnownHosts string // a known_hosts file that holds this server
}

// ServeGitSSH serves the repositories below root; it writes the client's key
// and the known_hosts file into dir.
func ServeGitSSH(root, dir string) (*SSHServer, error) {
	hostKey, _, err := newSSHKey()
	if err != nil {
		return nil, err
	}
	clientKey, clientPEM, err := newSSHKey()
	if err != nil {
		return nil, err
	}
	s := &SSHServer{root: root, KeyFile: filepath.Join(dir, "id_ed25519"), KnownHosts: filepath.Join(dir, "known_hosts")}
	s.config = &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if bytes.Equal(key.Marshal(), clientKey.PublicKey().Marshal()) {
			return &ssh.Permissions{}, nil
		}
		return nil, errors.New("unknown key")
	}}
	s.config.AddHostKey(hostKey)
	if s.listener, err = process.Listen(); err != nil {
		return nil, err
	}
	line := knownhosts.Line([]string{s.listener.Addr().String()}, hostKey.PublicKey())
	for file, data := range map[string][]byte{s.KeyFile: clientPEM, s.KnownHosts: []byte(line + "\n")} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return nil, err
		}
	}
	go s.serve()
	return s, nil
}

// URL is the address of a repository below the root, for a user called git.
func (s *SSHServer) URL(repository string) string {
	return fmt.Sprintf("ssh://git@%s/%s", s.listener.Addr(), repository)
}

// Close stops taking connections.
func (s *SSHServer) Close() { _ = s.listener.Close() }

func (s *SSHServer) serve() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		go s.connection(conn)
	}
}

func (s *SSHServer) connection(conn net.Conn) {
	server, channels, requests, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		_ = conn.Close()
		return
	}
	defer func() { _ = server.Close() }()
	go ssh.DiscardRequests(requests)
	for channel := range channels {
		if channel.ChannelType() != "session" {
			_ = channel.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		go s.session(channel)
	}
}

// session runs the one command that a git client sends.
func (s *SSHServer) session(incoming ssh.NewChannel) {
	channel, requests, err := incoming.Accept()
	if err != nil {
		return
	}
	defer func() { _ = channel.Close() }()
	var env []string
	for request := range requests {
		switch request.Type {
		case "env":
			var variable struct{ Name, Value string }
			if ssh.Unmarshal(request.Payload, &variable) == nil && variable.Name == "GIT_PROTOCOL" {
				env = append(env, "GIT_PROTOCOL="+variable.Value)
			}
			_ = request.Reply(true, nil)
		case "exec":
			var payload struct{ Command string }
			_ = request.Reply(ssh.Unmarshal(request.Payload, &payload) == nil, nil)
			status := make([]byte, 4)
			binary.BigEndian.PutUint32(status, s.run(channel, payload.Command, env))
			_, _ = channel.SendRequest("exit-status", false, status)
			return
		default:
			_ = request.Reply(false, nil)
		}
	}
}

func (s *SSHServer) run(channel ssh.Channel, command string, env []string) uint32 {
	verb, path, _ := strings.Cut(command, " ")
	verb = strings.TrimPrefix(verb, "git-")
	if verb != "upload-pack" && verb != "receive-pack" {
		fmt.Fprintf(channel.Stderr(), "%q is not served here\n", command)
		return 128
	}
	repository := filepath.Join(s.root, filepath.Clean("/"+strings.Trim(path, "'")))
	cmd := exec.CommandContext(context.Background(), "git", verb, repository)
	cmd.Env = append(os.Environ(), append(env, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")...)
	cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 128
	}
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(channel.Stderr(), err)
		return 128
	}
	// Not cmd.Stdin: Wait would wait for the client to close its side.
	go func() {
		_, _ = io.Copy(stdin, channel)
		_ = stdin.Close()
	}()
	if err := cmd.Wait(); err != nil {
		return 1
	}
	return 0
}

func newSSHKey() (ssh.Signer, []byte, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, nil, err
	}
	block, err := ssh.MarshalPrivateKey(private, "e2e")
	if err != nil {
		return nil, nil, err
	}
	return signer, pem.EncodeToMemory(block), nil
}
