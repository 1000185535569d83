package process

import (
	"os"
	"syscall"
)

// TempDir makes a folder for what programs write and nobody needs afterwards: in
// memory where there is room for it, so that they wait for no disk.
func TempDir(pattern string) (string, error) {
	const memory, room = "/dev/shm", 512 << 20 // a container's own is often 64 MB
	var fs syscall.Statfs_t
	if syscall.Statfs(memory, &fs) == nil && int64(fs.Bavail)*fs.Bsize >= room {
		if dir, err := os.MkdirTemp(memory, pattern); err == nil {
			return dir, nil
		}
	}
	return os.MkdirTemp("", pattern)
}
