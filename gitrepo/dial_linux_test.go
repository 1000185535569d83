package gitrepo

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestUnansweredDialTimesOut: a host behind a firewall lets nobody in and sends nobody
// away. Here it is a listener whose queue is full.
func TestUnansweredDialTimesOut(t *testing.T) {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(socket) }()
	if err := syscall.Bind(socket, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(socket, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for full := false; !full; {
		c, err := net.DialTimeout("tcp", addr, 500*time.Millisecond)
		if full = err != nil; !full {
			defer func() { _ = c.Close() }()
		}
	}
	key := filepath.Join(t.TempDir(), "id")
	newSSHKey(t, key, "")
	for _, url := range []string{"http://" + addr + "/x.git", "ssh://git@" + addr + "/x.git"} {
		r := open(t, url, Options{IdleTimeout: 200 * time.Millisecond, SSHKeyFile: key, KnownHostsFile: filepath.Join(t.TempDir(), "none")})
		within(t, url, func() {
			_, err := r.Tip(context.Background(), "main")
			check(t, url, err, ErrTimeout)
		})
	}
}
