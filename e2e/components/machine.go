package components

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

const (
	needMemory = 3 << 30 // the largest link peaks at 2 GB
	needDisk   = 8 << 30 // 4.7 GB of build cache, 2 GB of modules, 0.5 GB of programs
)

// checkMachine says what is missing before a build of minutes begins, rather
// than after it.
func checkMachine(cache string, cgo bool) error {
	var problems []error
	tools := []string{"go", "git"}
	if cgo {
		tools = append(tools, "gcc")
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			problems = append(problems, fmt.Errorf("%s is not installed (or not in PATH)", tool))
		}
	}
	if free, ok := availableMemory(); ok && free < needMemory {
		problems = append(problems, fmt.Errorf(
			"%d MB of memory are available, linking kube-apiserver takes 2 GB: close something or add swap", free>>20))
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(cache, &fs); err == nil {
		if free := int64(fs.Bavail) * fs.Bsize; free < needDisk {
			problems = append(problems, fmt.Errorf(
				"%d MB are free on the disk of %s, the first build wants %d MB: free some, or set BERTH_E2E_CACHE and GOCACHE to another disk",
				free>>20, cache, int64(needDisk)>>20))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("this machine cannot build the programs of the proofs:\n%w", errors.Join(problems...))
}

func availableMemory() (int64, bool) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		if rest, found := strings.CutPrefix(line, "MemAvailable:"); found {
			kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10, err == nil
		}
	}
	return 0, false
}

// lock takes an exclusive lock on a file; the kernel drops it when the process
// ends, however it ends.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}
