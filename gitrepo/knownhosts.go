package gitrepo

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// knownHosts checks server keys against a known_hosts file. There is no way
// to turn it off.
type knownHosts struct {
	file string
	db   *knownhosts.HostKeyDB // nil when the file does not exist yet
}

func loadKnownHosts(file string) (*knownHosts, error) {
	if file == "" {
		return nil, failf(ErrHostKey, "an SSH address needs a known_hosts file, and none is given")
	}
	db, err := knownhosts.NewDB(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, os.ErrNotExist) {
		return &knownHosts{file: file}, nil
	}
	if err != nil {
		return nil, failf(ErrHostKey, "read %s: %v", file, err)
	}
	return &knownHosts{file: file, db: db}, nil
}

// algorithms asks the server for a key type that the file has, as ssh does;
// else the first type the server likes would look like a changed key.
func (k *knownHosts) algorithms(addr string) []string {
	if k.db == nil {
		return nil
	}
	return k.db.HostKeyAlgorithms(addr)
}

func (k *knownHosts) check(host string, remote net.Addr, key ssh.PublicKey) error {
	line := knownhosts.Line([]string{host}, key)
	shown := ssh.FingerprintSHA256(key)
	unknown := failf(ErrHostKey, "%s is not in %s; its key is %s %s. If that is the fingerprint the server's owner publishes, add this line:\n%s",
		host, k.file, key.Type(), shown, line)
	if k.db == nil {
		return unknown
	}
	err := k.db.HostKeyCallback()(host, remote, key)
	switch {
	case err == nil:
		return nil
	case knownhosts.IsHostUnknown(err):
		return unknown
	case knownhosts.IsHostKeyChanged(err):
		return failf(ErrHostKey, "THE KEY OF %s IS NOT THE ONE IN %s: it now shows %s %s. Either the server was set up anew or somebody stands in between. "+
			"Ask the server's owner; only then remove its old line and add:\n%s", host, k.file, key.Type(), shown, line)
	}
	return failf(ErrHostKey, "%s", strings.TrimPrefix(fmt.Sprint(err), "ssh: "))
}
