package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// A client is a contender that lives in a process of its own and keeps what it has
// learned between the rounds, as a service does. See worker/main.go for the talk.
type client struct {
	name string
	arg  func(n int) string // what the worker is told for the n-th round

	in  io.WriteCloser
	out *bufio.Reader
}

// client starts the worker for one job.
func (s *stand) client(ctx context.Context, name string, arg func(int) string, job ...string) (*client, error) {
	c := &client{name: name, arg: arg}
	cmd := exec.CommandContext(ctx, s.worker, job...)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), s.gitEnv()...)
	var err error
	if c.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func() { _, _ = c.in.Close(), cmd.Wait() })
	return c, nil
}

func (c *client) Name() string { return c.name }

func (c *client) Round(_ context.Context, n int) (Cost, error) {
	if _, err := fmt.Fprintln(c.in, c.arg(n)); err != nil {
		return Cost{}, err
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return Cost{}, fmt.Errorf("the worker ended: %w", err)
	}
	var answer struct {
		Wall, CPU time.Duration
		Peak      int64
		Work      float64
		Error     string
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return Cost{}, err
	}
	if answer.Error != "" {
		return Cost{}, errors.New(answer.Error)
	}
	return Cost{answer.Wall, answer.CPU, answer.Peak, answer.Work}, nil
}

// createInProcess is berth as a library, in a process that has made a project before.
func (s *stand) createInProcess(ctx context.Context, name string, r repository) (Contender, error) {
	return s.client(ctx, name, projectID, "create", r.url, r.dir)
}
