package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// input is the standard input. What it reads it stops to wait for when the context ends:
// a read from a terminal or a pipe cannot be interrupted itself.
type input struct{ io.Reader }

// terminal returns the terminal that somebody types at, if there is one.
func (in input) terminal() (*os.File, bool) {
	file, ok := in.Reader.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd()))
}

// all reads everything, at most so many bytes.
func (in input) all(ctx context.Context, most int64) ([]byte, error) {
	return await(ctx, func() ([]byte, error) { return readAtMost(in, most) })
}

// line reads a line that a person types.
func (in input) line(ctx context.Context) (string, error) {
	return await(ctx, func() (string, error) { return bufio.NewReader(in).ReadString('\n') })
}

// hidden reads a line that a person types and nobody sees.
func (in input) hidden(ctx context.Context, terminal *os.File) ([]byte, error) {
	fd := int(terminal.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	text, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
	return text, errors.Join(err, term.Restore(fd, state))
}

// await calls f, and gives up on it when ctx ends.
func await[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return *new(T), ctx.Err()
	}
}

// readAtMost reads all of r, and refuses more than so many bytes.
func readAtMost(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("longer than %d bytes", most)
	}
	return data, err
}

// readFileAtMost is readAtMost for a file. A named pipe cannot even be opened before
// somebody writes to it, so that is awaited, too.
func readFileAtMost(ctx context.Context, name string, most int64) ([]byte, error) {
	return await(ctx, func() (_ []byte, err error) {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		return readAtMost(f, most)
	})
}
