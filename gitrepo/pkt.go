package gitrepo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// pkt-lines: gitprotocol-common(5). Protocol v2 adds the delimiter.
const (
	pktFlush   = "0000"
	pktDelim   = "0001"
	pktMaxLine = 65520
)

type pktType int

const (
	pktData pktType = iota
	pktIsFlush
	pktIsDelim
	pktIsEnd
)

// appendPkt adds one data line to b.
func appendPkt(b []byte, payload string) []byte {
	return append(fmt.Appendf(b, "%04x", len(payload)+4), payload...)
}

// pktReader reads pkt-lines. A payload is valid until the next call.
type pktReader struct {
	r    *bufio.Reader
	buf  [pktMaxLine]byte
	text int                 // bytes of all lines of text so far
	hide func(string) string // takes secrets out of what is shown; may be nil
}

func newPktReader(r io.Reader) *pktReader { return &pktReader{r: bufio.NewReaderSize(r, 32<<10)} }

// words makes text of the server's fit to be shown.
func (p *pktReader) words(text string) string {
	text = printable(text)
	if p.hide != nil {
		text = p.hide(text)
	}
	return text
}

func (p *pktReader) next() ([]byte, pktType, error) {
	var head [4]byte
	if _, err := io.ReadFull(p.r, head[:]); err != nil {
		return nil, 0, err
	}
	n, err := pktLen(head)
	if err != nil {
		return nil, 0, err
	}
	switch n {
	case 0:
		return nil, pktIsFlush, nil
	case 1:
		return nil, pktIsDelim, nil
	case 2:
		return nil, pktIsEnd, nil
	}
	payload := p.buf[:n-4]
	if _, err := io.ReadFull(p.r, payload); err != nil {
		return nil, 0, cutShort(err)
	}
	return payload, pktData, nil
}

// maxText bounds what a server may say in lines: a million refs and more.
const maxText = 64 << 20

// line is next for lines of text: without the newline, and with the server's
// ERR lines turned into errors.
func (p *pktReader) line() (string, pktType, error) {
	b, t, err := p.next()
	if err != nil || t != pktData {
		return "", t, err
	}
	if p.text += len(b); p.text > maxText {
		return "", t, failf(ErrTooLarge, "the server lists more than %d MiB", maxText>>20)
	}
	s := strings.TrimSuffix(string(b), "\n")
	if msg, ok := strings.CutPrefix(s, "ERR "); ok {
		return "", t, classify(p.words(msg))
	}
	return s, t, nil
}

func pktLen(head [4]byte) (int, error) {
	n := 0
	for _, c := range head {
		d := bytes.IndexByte([]byte("0123456789abcdef"), lower(c))
		if d < 0 {
			return 0, fmt.Errorf("not a Git server's answer: line length %q", head[:])
		}
		n = n<<4 | d
	}
	if n == 3 || n > pktMaxLine {
		return 0, fmt.Errorf("not a Git server's answer: line length %q", head[:])
	}
	return n, nil
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// sideband reads the data channel out of multiplexed lines until the flush.
type sideband struct {
	p        *pktReader
	first    []byte            // a payload already read, or nil
	messages func(line string) // channel 2
	partial  []byte            // of channel 2, until its end of line
	rest     []byte
	done     bool
}

func (s *sideband) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.done {
			return 0, io.EOF
		}
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *sideband) fill() error {
	line, t := s.first, pktData
	if s.first = nil; line == nil {
		var err error
		if line, t, err = s.p.next(); err != nil {
			return cutShort(err)
		}
	}
	if t != pktData {
		s.done = true
		s.say(nil, true)
		return nil
	}
	if len(line) == 0 {
		return nil
	}
	switch line[0] {
	case 1:
		s.rest = line[1:]
	case 2:
		s.say(line[1:], false)
	case 3:
		s.say(nil, true)
		return classify(s.p.words(string(line[1:])))
	default:
		return fmt.Errorf("not a Git server's answer: channel %d", line[0])
	}
	return nil
}

// maxPartial bounds what is kept of a message line that never ends.
const maxPartial = 8 << 10

// say hands on whole lines; one that ends in \r is progress that the next
// line replaces, and is dropped.
func (s *sideband) say(b []byte, end bool) {
	s.partial = append(s.partial, b...)
	if end || len(s.partial) > maxPartial {
		s.partial = append(s.partial, '\n')
	}
	for {
		line, rest, found := bytes.Cut(s.partial, []byte{'\n'})
		if !found {
			return
		}
		s.partial = rest
		line = bytes.TrimRight(line, "\r \t")
		line = line[bytes.LastIndexByte(line, '\r')+1:]
		if text := s.p.words(string(line)); text != "" && s.messages != nil {
			s.messages(text)
		}
	}
}
