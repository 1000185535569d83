package generator

import "slices"

// ParseProject reads a project.yaml. file is its path from the repository's
// root, or whatever name problems should carry; when it has the form
// projects/<id>/project.yaml, the project must have that id.
//
// The document must be UTF-8, at most 256 KiB and one plain YAML mapping:
// unknown or duplicate fields, wrong types, anchors, aliases, merge keys and
// tags are refused. The error is [Problems] and lists everything that is
// wrong. Whether the project fits a platform is for [Generator.Plan] to say.
func ParseProject(file string, doc []byte) (*Project, error) {
	p, err := ReadProject(file, doc)
	if err == nil {
		err = p.Flaws()
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// ReadProject is [ParseProject] for a project that goes on to [Generator.Plan], which
// fails with its flaws and with what else it finds. The error is only for what cannot be
// read at all.
func ReadProject(file string, doc []byte) (*Project, error) {
	d := newDecoder(file)
	var p Project
	if !d.decode(doc, &p) {
		return nil, d.err()
	}
	validateProject(&p, &d.collector)
	p.at, p.flaws, p.broken = d.at, d.problems, d.broken
	return &p, nil
}

// Flaws are what [ReadProject] found wrong, or nil.
func (p *Project) Flaws() error {
	c := collector{problems: slices.Clone(p.flaws)}
	return c.err()
}

// ParsePlatform reads berth.yaml under the same rules as [ParseProject].
func ParsePlatform(file string, doc []byte) (*Platform, error) {
	d := newDecoder(file)
	var p Platform
	if d.decode(doc, &p) {
		validatePlatform(&p, &d.collector)
	}
	p.at = d.at
	if err := d.err(); err != nil {
		return nil, err
	}
	return &p, nil
}

func newDecoder(file string) *decoder {
	return &decoder{collector{
		at:     position{file: file, lines: map[string]int{}},
		broken: map[string]bool{},
	}}
}
