package gitrepo

import (
	"context"
	"log/slog"
	"time"
)

// logged is a transport whose conversations are logged, with the time each took.
type logged struct {
	transport
	log *slog.Logger
}

func (t logged) open(ctx context.Context, service string) (conn, error) {
	start := time.Now()
	c, err := t.transport.open(ctx, service)
	if err != nil {
		t.log.Debug("no conversation", slog.String("service", service), slog.Any("error", err))
		return nil, err
	}
	return loggedConn{c, func() {
		t.log.Debug("conversation", slog.String("service", service), slog.Duration("took", time.Since(start)))
	}}, nil
}

type loggedConn struct {
	conn
	told func()
}

func (c loggedConn) close() {
	c.conn.close()
	c.told()
}
