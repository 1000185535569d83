package gitrepo

import "strings"

// capabilities is what the server can do for a reader.
type capabilities struct {
	v2      bool
	filter  bool // partial fetches
	flat    bool // but no filter of trees by depth other than 0
	anyWant bool // any object by its id
	shallow bool
	raw     string // v0: the list, space separated
	agent   bool
	format  bool // v2: wants to hear object-format=sha1
}

// ref is one name that the server listed.
type ref struct {
	name   string
	id     Hash
	peeled Hash   // of an annotated tag, else zero
	target string // of a symbolic ref
	unborn bool   // a symbolic ref to a branch that does not exist yet
}

func (c *capabilities) partial() bool { return c.filter && c.anyWant }

// readAdvert reads what a service says first: its capabilities and, before
// protocol v2, all refs.
func readAdvert(p *pktReader) (*capabilities, []ref, error) {
	line, t, err := p.line()
	if err != nil {
		return nil, nil, err
	}
	if line == "version 2" {
		caps, err := readV2Capabilities(p)
		return caps, nil, err
	}
	caps := &capabilities{}
	var refs []ref
	for first := true; t == pktData; first = false {
		if line == "version 1" {
			if line, _, err = p.line(); err != nil {
				return nil, nil, cutShort(err)
			}
		}
		if first {
			line, caps.raw, _ = strings.Cut(line, "\x00")
			caps.readV0()
		}
		if refs, err = appendV0Ref(refs, line, p.words); err != nil {
			return nil, nil, err
		}
		if line, t, err = p.line(); err != nil {
			return nil, nil, cutShort(err)
		}
	}
	caps.addSymrefs(refs)
	if caps.sha256() {
		return nil, nil, failf(ErrNotFound, "the repository uses SHA-256 object ids, which are not supported")
	}
	return caps, refs, nil
}

func readV2Capabilities(p *pktReader) (*capabilities, error) {
	caps := &capabilities{v2: true, anyWant: true}
	for {
		line, t, err := p.line()
		if err != nil {
			return nil, cutShort(err)
		}
		if t != pktData {
			return caps, nil
		}
		key, value, _ := strings.Cut(line, "=")
		switch key {
		case "agent":
			caps.agent = true
		case "object-format":
			caps.format = true
			if value != "sha1" {
				return nil, failf(ErrNotFound, "the repository uses %s object ids, which are not supported", printable(value))
			}
		case "fetch":
			for _, f := range strings.Fields(value) {
				caps.filter = caps.filter || f == "filter"
				caps.shallow = caps.shallow || f == "shallow"
			}
		}
	}
}

func (c *capabilities) has(name string) bool {
	for _, f := range strings.Fields(c.raw) {
		if key, _, _ := strings.Cut(f, "="); key == name {
			return true
		}
	}
	return false
}

func (c *capabilities) readV0() {
	c.filter = c.has("filter")
	c.shallow = c.has("shallow")
	c.anyWant = c.has("allow-reachable-sha1-in-want")
	c.agent = c.has("agent")
}

func (c *capabilities) sha256() bool { return strings.Contains(c.raw, "object-format=sha256") }

func (c *capabilities) addSymrefs(refs []ref) {
	for _, f := range strings.Fields(c.raw) {
		if s, ok := strings.CutPrefix(f, "symref="); ok {
			name, target, _ := strings.Cut(s, ":")
			for i := range refs {
				if refs[i].name == name {
					refs[i].target = target
				}
			}
		}
	}
}

func appendV0Ref(refs []ref, line string, words func(string) string) ([]ref, error) {
	id, name, ok := strings.Cut(line, " ")
	h, err := ParseHash(id)
	switch {
	case !ok || err != nil:
		if strings.HasPrefix(line, "shallow ") {
			return refs, nil
		}
		return nil, failf(ErrNetwork, "not a Git server's answer: ref %q", words(line))
	case name == "capabilities^{}":
		return refs, nil // what an empty repository says
	}
	if base, ok := strings.CutSuffix(name, "^{}"); ok {
		if n := len(refs); n > 0 && refs[n-1].name == base {
			refs[n-1].peeled = h
		}
		return refs, nil
	}
	return append(refs, ref{name: name, id: h}), nil
}

func listV2(c conn, caps *capabilities, prefixes []string) ([]ref, error) {
	req := caps.command("ls-refs")
	req = appendPkt(req, "peel\n")
	req = appendPkt(req, "symrefs\n")
	for _, p := range prefixes {
		req = appendPkt(req, "ref-prefix "+p+"\n")
	}
	p, err := c.exchange(append(req, pktFlush...))
	if err != nil {
		return nil, err
	}
	var refs []ref
	for {
		line, t, err := p.line()
		if err != nil {
			return nil, cutShort(err)
		}
		if t != pktData {
			return refs, nil
		}
		ref, err := parseV2Ref(line, p.words)
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
}

// command begins a v2 request.
func (c *capabilities) command(name string) []byte {
	req := appendPkt(nil, "command="+name+"\n")
	if c.agent {
		req = appendPkt(req, "agent=berth\n")
	}
	if c.format {
		req = appendPkt(req, "object-format=sha1\n")
	}
	return append(req, pktDelim...)
}

func parseV2Ref(line string, words func(string) string) (ref, error) {
	f := strings.Split(line, " ")
	if len(f) < 2 {
		return ref{}, failf(ErrNetwork, "not a Git server's answer: ref %q", words(line))
	}
	r := ref{name: f[1]}
	var err error
	if r.unborn = f[0] == "unborn"; !r.unborn {
		if r.id, err = ParseHash(f[0]); err != nil {
			return ref{}, networkError(err)
		}
	}
	for _, attr := range f[2:] {
		if s, ok := strings.CutPrefix(attr, "peeled:"); ok {
			if r.peeled, err = ParseHash(s); err != nil {
				return ref{}, networkError(err)
			}
		}
		if s, ok := strings.CutPrefix(attr, "symref-target:"); ok {
			r.target = s
		}
	}
	return r, nil
}
