package gitrepo

import (
	"context"
	"io"
	"strconv"
	"strings"
)

// Filters of partial fetches (git-rev-list(1), --filter).
const (
	filterNone    = ""
	filterExact   = "tree:0" // only the objects asked for
	filterTopDirs = "tree:2" // the root, its files, and the listing of its folders
)

// fetchRequest asks for objects.
type fetchRequest struct {
	wants   []Hash
	haves   []Hash // commits whose whole history the server may leave out
	shallow []Hash // commits whose parents we do not have
	depth   int    // of the history; 0: all of it
	filter  string
}

// fetch asks for a pack and hands the stream to use.
func (r *remote) fetch(ctx context.Context, q fetchRequest, use func(io.Reader) error) error {
	c, caps, _, err := r.session(ctx, false)
	if err != nil {
		return err
	}
	defer c.close()
	switch {
	case !caps.partial():
		q.filter = filterNone
	case caps.flat && q.filter == filterTopDirs:
		q.filter = filterExact // the trees come by id when they are read
	}
	body := q.encodeV0(caps)
	if caps.v2 {
		body = q.encodeV2(caps)
	}
	p, err := c.exchange(body)
	if err != nil {
		return readFailure(c, err)
	}
	stream, err := packSection(p, caps)
	if err != nil {
		return readFailure(c, err)
	}
	if err := use(stream); err != nil {
		return readFailure(c, err)
	}
	return nil
}

func (q fetchRequest) encodeV2(caps *capabilities) []byte {
	req := caps.command("fetch")
	req = appendPkt(req, "no-progress\n")
	req = appendPkt(req, "ofs-delta\n")
	req = appendPkt(req, "thin-pack\n")
	for _, h := range q.wants {
		req = appendPkt(req, "want "+h.String()+"\n")
	}
	req = q.appendDepth(req, caps)
	for _, h := range q.haves {
		req = appendPkt(req, "have "+h.String()+"\n")
	}
	req = appendPkt(req, "done\n")
	return append(req, pktFlush...)
}

func (q fetchRequest) encodeV0(caps *capabilities) []byte {
	use := []string{"side-band-64k", "ofs-delta", "thin-pack", "no-progress", "shallow"}
	if q.filter != "" {
		use = append(use, "filter")
	}
	var asked []string
	for _, name := range use {
		if caps.has(name) {
			asked = append(asked, name)
		}
	}
	extra := " " + strings.Join(asked, " ")
	var req []byte
	for _, h := range q.wants {
		req = appendPkt(req, "want "+h.String()+extra+"\n")
		extra = ""
	}
	req = q.appendDepth(req, caps)
	req = append(req, pktFlush...)
	for _, h := range q.haves {
		req = appendPkt(req, "have "+h.String()+"\n")
	}
	return appendPkt(req, "done\n")
}

func (q fetchRequest) appendDepth(req []byte, caps *capabilities) []byte {
	if caps.shallow {
		for _, h := range q.shallow {
			req = appendPkt(req, "shallow "+h.String()+"\n")
		}
		if q.depth > 0 {
			req = appendPkt(req, "deepen "+strconv.Itoa(q.depth)+"\n")
		}
	}
	if q.filter != "" {
		req = appendPkt(req, "filter "+q.filter+"\n")
	}
	return req
}

// packSection skips to the pack in the answer to a fetch. Which commits came
// without parents does not matter: no history is ever walked past them.
func packSection(p *pktReader, caps *capabilities) (io.Reader, error) {
	for {
		line, t, err := p.next()
		if err != nil {
			return nil, cutShort(err)
		}
		if t != pktData {
			continue
		}
		if !caps.v2 && len(line) > 0 && line[0] <= 3 {
			return &sideband{p: p, first: line}, nil
		}
		text := strings.TrimSuffix(string(line), "\n")
		if msg, ok := strings.CutPrefix(text, "ERR "); ok {
			return nil, classify(p.words(msg))
		}
		switch {
		case caps.v2 && text == "packfile":
			return &sideband{p: p}, nil
		case !caps.v2 && (text == "NAK" || strings.HasPrefix(text, "ACK ")) && !caps.has("side-band-64k"):
			return p.r, nil
		}
	}
}
