package components

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	buildMemory = 3 << 30 // the largest link peaks at 2 GB
	buildDisk   = 8 << 30 // 4.7 GB of build cache, 2 GB of modules, 0.5 GB of programs
	runMemory   = 3 << 29 // the control plane takes 0.8 GB, TestSSH starts a second one
)

// checkBuild says what is missing before a build of minutes begins, rather
// than after it.
func checkBuild(cache string, cgo bool) error {
	tools := []string{"go", "git"}
	if cgo {
		tools = append(tools, "gcc")
	}
	problems := append(missing(tools), scarce(buildMemory, "linking kube-apiserver takes 2 GB"))
	var fs syscall.Statfs_t
	if err := syscall.Statfs(cache, &fs); err == nil {
		if free := int64(fs.Bavail) * fs.Bsize; free < buildDisk {
			problems = append(problems, fmt.Errorf(
				"%d MB are free on the disk of %s, the first build wants %d MB: free some, or set BERTH_E2E_CACHE and GOCACHE to another disk",
				free>>20, cache, int64(buildDisk)>>20))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("this machine cannot build the programs of the proofs:\n%w", err)
	}
	return nil
}

// CheckRun says what is missing before the built programs are started.
func CheckRun() error {
	problems := append(missing([]string{"go", "git"}), scarce(runMemory, "etcd, Kubernetes, Flux and the tests take 1.5 GB"))
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("this machine cannot run the proofs:\n%w", err)
	}
	return nil
}

// missing has an error for each tool that is not installed.
func missing(tools []string) []error {
	var problems []error
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			problems = append(problems, fmt.Errorf("%s is not installed (or not in PATH)", tool))
		}
	}
	return problems
}

// scarce is an error when less memory is available than what is needed.
func scarce(need int64, because string) error {
	if free, ok := availableMemory(); ok && free < need {
		return fmt.Errorf("%d MB of memory are available, %s: close something or add swap", free>>20, because)
	}
	return nil
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

// lock takes an exclusive lock on a file, and says so when it has to wait; the
// kernel drops it when the process ends, however it ends.
func lock(ctx context.Context, path string, log io.Writer) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if !told {
			fmt.Fprintf(log, "► waiting for another process that holds %s\n", path)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
