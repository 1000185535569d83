// Package process runs the programs of the proofs as children that die with us,
// and finds ports for them.
package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"syscall"
)

// A Process is a running program. It leads its own process group and dies with
// us, even when we are killed.
type Process struct {
	name string
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed when it has ended; err is set before
	err  error
}

// Command is a program that lives until it is killed, whatever becomes of the
// context that it was started in.
func Command(program string, args ...string) *exec.Cmd {
	return exec.CommandContext(context.Background(), program, args...)
}

// Start runs a program with its output in <logs>/<program>.log.
func Start(logs string, cmd *exec.Cmd) (*Process, error) {
	name := filepath.Base(cmd.Path)
	p := &Process{name: name, cmd: cmd, log: filepath.Join(logs, name+".log"), done: make(chan struct{})}
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
		defer func() { _ = out.Close() }()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	return p, nil
}

// Kill ends the program and its children at once: nothing that they keep is
// worth saving.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// Ended is an error, with its last words, once the program has died by itself.
func (p *Process) Ended() error {
	select {
	case <-p.done:
		if p.err == nil {
			return fmt.Errorf("%s ended; from %s:\n%s", p.name, p.log, lastWords(p.log))
		}
		return fmt.Errorf("%s ended: %w; from %s:\n%s", p.name, p.err, p.log, lastWords(p.log))
	default:
		return nil
	}
}

// lastWords are the end of a log, or the beginning of a Go program's crash in it,
// which pages of goroutines follow.
func lastWords(log string) string {
	data, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	const limit = 3 << 10
	crash := regexp.MustCompile(`(?m)^(fatal error|panic|SIG[A-Z]+): `)
	if at := crash.FindIndex(data); at != nil {
		data = data[at[0]:]
		return string(data[:min(len(data), limit)])
	}
	return string(data[max(len(data)-limit, 0):])
}
