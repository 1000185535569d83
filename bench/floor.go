package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A floor posts, as packs that git itself has prepared, what a leader has just
// pushed to an identical repository: the same commits, one request for each push.
// No client of a server can be faster, because the server's work is all there is.
type floor struct {
	stand  *stand
	leader repository
	own    repository
	client http.Client
	bytes  int64 // of the last packs
}

func (f *floor) Name() string { return "floor: prepared packs" }

func (f *floor) Round(ctx context.Context, n int) (Cost, error) {
	requests, commits, err := f.prepare(ctx)
	if err != nil {
		return Cost{}, err
	}
	f.bytes = 0
	start := time.Now()
	for _, request := range requests {
		if err := f.post(ctx, request); err != nil {
			return Cost{}, err
		}
		f.bytes += int64(len(request))
	}
	return Cost{Wall: time.Since(start), Work: float64(commits)}, nil
}

// prepare makes one request for each push of the leader's that the own repository
// has not had, and counts their commits.
func (f *floor) prepare(ctx context.Context) (requests [][]byte, commits int, err error) {
	at, err := f.stand.tip(ctx, f.own)
	if err != nil {
		return nil, 0, err
	}
	pushes, err := os.ReadFile(filepath.Join(f.leader.path, "logs", "refs", "heads", "main"))
	if err != nil {
		return nil, 0, err
	}
	for line := range strings.Lines(string(pushes)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != at {
			continue
		}
		at = fields[1]
		request, n, err := f.request(ctx, fields[0], fields[1])
		if err != nil {
			return nil, 0, err
		}
		requests = append(requests, request)
		commits += n
	}
	if commits == 0 {
		return nil, 0, fmt.Errorf("%s has pushed nothing", f.leader.path)
	}
	return requests, commits, nil
}

// request is the body of a push from one commit to another.
func (f *floor) request(ctx context.Context, from, to string) (body []byte, commits int, err error) {
	git := func(stdin string, args ...string) string {
		var out string
		if err == nil {
			out, err = f.stand.output(ctx, stdin, "git", append([]string{"-C", f.leader.path}, args...)...)
		}
		return out
	}
	count := git("", "rev-list", "--count", from+".."+to)
	pack := git(to+"\n^"+from+"\n", "pack-objects", "--revs", "--thin", "--delta-base-offset", "--stdout", "-q")
	if err != nil {
		return nil, 0, err
	}
	move := fmt.Sprintf("%s %s refs/heads/main\x00 report-status side-band-64k ofs-delta agent=bench", from, to)
	commits, err = strconv.Atoi(strings.TrimSpace(count))
	return fmt.Appendf(nil, "%04x%s0000%s", len(move)+4, move, pack), commits, err
}

func (f *floor) post(ctx context.Context, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.own.url+"/git-receive-pack", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-git-receive-pack-request")
	resp, err := f.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	report, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if !bytes.Contains(report, []byte("ok refs/heads/main")) {
		return fmt.Errorf("the server did not take the pack: %s: %q", resp.Status, report)
	}
	return nil
}
