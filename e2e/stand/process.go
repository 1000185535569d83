package stand

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Patience is how long the proofs wait for what takes seconds on an idle machine.
const Patience = 4 * time.Minute

// A process is one program of the control plane. It leads its own process
// group and dies with us, even when we are killed.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended; err is set before
	err  error
}

// startProcess runs a program with its output in <logs>/<name>.log.
func startProcess(logs, name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, log: filepath.Join(logs, name+".log"), done: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}

	started := make(chan error)
	go func() {
		// The parent-death signal comes when the *thread* that forked ends, so
		// that thread must live as long as the child.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		_ = out.Close()
		close(p.done)
	}()
	if err := <-started; err != nil {
		_ = out.Close()
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

// kill ends the program at once; for what keeps nothing worth saving.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// ended is an error once the program has died by itself.
func (p *process) ended() error {
	select {
	case <-p.done:
		if p.err == nil {
			return fmt.Errorf("%s ended; the end of %s:\n%s", p.name, p.log, tailFile(p.log))
		}
		return fmt.Errorf("%s ended: %w; the end of %s:\n%s", p.name, p.err, p.log, tailFile(p.log))
	default:
		return nil
	}
}

func (p *process) usage() Usage {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return Usage{}
	}
	return parseStat(string(stat))
}

func tailFile(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	const limit = 3 << 10
	if len(data) > limit {
		data = data[len(data)-limit:]
	}
	return string(data)
}

// command is a program that lives until it is killed, whatever becomes of the
// context that it was started in.
func command(program string, args ...string) *exec.Cmd {
	return exec.CommandContext(context.Background(), program, args...)
}

// listen takes a free TCP port on loopback.
func listen() (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("no free TCP port on 127.0.0.1: %w", err)
	}
	return l, nil
}

// freePorts asks the kernel for n different TCP ports on loopback. They are
// free at this moment; whoever loses one to another program says so at start.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		l, err := listen()
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all stay taken until all are chosen
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// eventually calls try until it returns nil. On the deadline it returns the
// last error that try had time to find, and it stops early when one of the
// processes has died.
func eventually(ctx context.Context, limit time.Duration, watch []*process, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		for _, p := range watch {
			if dead := p.ended(); dead != nil {
				return dead
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %w", limit, last)
		case <-tick.C:
		}
	}
}

// clockTick is the unit of CPU times in /proc, USER_HZ: 100 on every Linux.
const clockTick = 10 * time.Millisecond

// parseStat reads user and system time and resident pages from /proc/<pid>/stat.
func parseStat(stat string) Usage {
	// The program's name stands in parentheses and may hold spaces.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	number := func(field int) int64 { // counted as in proc(5), where the name is field 2
		n, _ := strconv.ParseInt(fields[field-3], 10, 64)
		return n
	}
	return Usage{CPU: time.Duration(number(14)+number(15)) * clockTick, RSS: number(24) * int64(os.Getpagesize())}
}
