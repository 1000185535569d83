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
	line func(n int) (string, error) // what the worker is told for the n-th round

	in  io.WriteCloser
	out *bufio.Reader
}

// client starts the worker for one job.
func (s *stand) client(ctx context.Context, name string, line func(int) (string, error), job ...string) (*client, error) {
	c := &client{name: name, line: line}
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
	line, err := c.line(n)
	if err != nil {
		return Cost{}, err
	}
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		return Cost{}, err
	}
	reply, err := c.out.ReadBytes('\n')
	if err != nil {
		return Cost{}, fmt.Errorf("the worker ended: %w", err)
	}
	var answer struct {
		Wall, CPU time.Duration
		Peak      int64
		Work      float64
		Error     string
	}
	if err := json.Unmarshal(reply, &answer); err != nil {
		return Cost{}, err
	}
	if answer.Error != "" {
		return Cost{}, errors.New(answer.Error)
	}
	return Cost{answer.Wall, answer.CPU, answer.Peak, answer.Work}, nil
}

// createInProcess is berth as a library, in a process that has made a project before.
func (s *stand) createInProcess(ctx context.Context, name string, r repository) (Contender, error) {
	return s.client(ctx, name, newProject, "create", r.url, r.dir)
}

// newProject is the line of jobs that make one project in each round.
func newProject(n int) (string, error) { return projectID(n), nil }
