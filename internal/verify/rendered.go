package verify

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/berth-gitops/berth/generator"
)

// checkRendered compares what the spec renders with what Head holds. was is the same
// for Base, nil when there is none.
//
// A file that differs although its digest is right was written by another version of
// berth, or by somebody who can compute a digest. It is taken for the first when the
// change touched neither it nor its spec, or when Base differs from its own rendering in
// the same way.
func (c *checker) checkRendered(want, was map[string][]byte) error {
	drifted := false
	var absent []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !isFile(c.Head, name) {
			if info, err := lstat(c.Head, name); isMissing(err) || err == nil && info.IsDir() {
				absent = append(absent, name)
			}
			continue
		}
		f, err := c.read(entry{path: name})
		if err != nil {
			return err
		}
		if f == nil || bytes.Equal(f.data, want[name]) {
			continue
		}
		pristine, err := c.checkDiffering(f, want[name], was[name])
		if err != nil {
			return err
		}
		drifted = drifted || pristine
	}
	for _, name := range absent {
		before, err := c.base(name)
		switch {
		case err != nil:
			return err
		case c.Base == nil && drifted, c.Base != nil && before == nil && was[name] != nil:
			c.add(ruleOutdated, name, 0, "this version of berth writes it, and it is not there")
		default:
			c.add(ruleMissing, name, 0, "is not there")
		}
	}
	return nil
}

// checkDiffering finds out why a file is not what its spec renders. pristine says that
// its digest is right.
func (c *checker) checkDiffering(f *file, want, was []byte) (pristine bool, err error) {
	generated, pristine := generator.Generated(f.data)
	switch {
	case !generated:
		c.add(ruleEdited, f.path, 1, "does not begin with berth's header")
		return false, nil
	case !pristine:
		c.add(ruleEdited, f.path, 0, "its header is not berth's own, or the digest there not that of the content")
		return false, nil
	}
	same, err := c.sameDrift(f.path, f.data, want, was)
	switch {
	case err != nil:
		return true, err
	case c.Base != nil && !same && c.changed(f.path):
		c.add(ruleNotRendered, f.path, 0, "this change wrote it, and its spec renders something else")
	case c.Base != nil && !same && !bytes.Equal(want, was):
		c.add(ruleNotRendered, f.path, 0, "this change makes its spec render something else, and left the file as it was")
	default:
		c.add(ruleOutdated, f.path, 0, "is not what this version of berth renders")
	}
	return true, nil
}

// sameDrift says that whatever sets got apart from want sets the base's file apart
// from its own rendering, too.
func (c *checker) sameDrift(name string, got, want, was []byte) (bool, error) {
	before, err := c.base(name)
	if err != nil || before == nil || was == nil {
		return false, err
	}
	now, ok := drift(got, want)
	then, thenOK := drift(before, was)
	if !ok || !thenOK {
		return false, nil
	}
	for at, d := range now {
		if then[at] != d {
			return false, nil
		}
	}
	return true, nil
}

// drift lists the values in which two YAML files differ, those of a first, by where they
// stand; not ok when one of them does not parse. A value that is not there is empty.
func drift(a, b []byte) (out map[location][2]string, ok bool) {
	x, y := flatten(a), flatten(b)
	if x == nil || y == nil {
		return nil, false
	}
	out = map[location][2]string{}
	for at, v := range x {
		if y[at] != v {
			out[at] = [2]string{v, y[at]}
		}
	}
	for at, v := range y {
		if _, ok := x[at]; !ok {
			out[at] = [2]string{"", v}
		}
	}
	return out, true
}

// location is the hash of an object and a path in it, which takes the same memory however
// long the keys are.
type location [sha256.Size]byte

// at is a step below l. kind keeps the key "1" apart from the second item of a list.
func (l location) at(kind byte, step string) location {
	return sha256.Sum256(append(append(l[:], kind), step...))
}

// flatten gives every value of a YAML stream by its object and path, empty lists and
// mappings included. Text that is YAML itself, as a patch is, is taken apart as well. It
// is nil for what does not parse, or has more values than one file may have.
func flatten(doc []byte) map[location]string {
	docs, bad := parseYAML(doc)
	if bad != nil {
		return nil
	}
	out := map[location]string{}
	seen := map[string]int{}
	for _, d := range docs {
		meta := field(d, "metadata")
		object := fmt.Sprintf("%q/%q/%q", text(field(d, "kind")), text(field(meta, "namespace")), text(field(meta, "name")))
		flattenNode(location{}.at('o', fmt.Sprintf("%s:%d", object, seen[object])), d, out)
		seen[object]++
	}
	if len(out) > maxNodes {
		return nil
	}
	return out
}

func flattenNode(at location, n *yaml.Node, out map[location]string) {
	n = deref(n)
	switch {
	case len(out) > maxNodes:
	case n.Kind == yaml.MappingNode && len(n.Content) > 0:
		for i := 0; i+1 < len(n.Content); i += 2 {
			flattenNode(at.at('.', text(n.Content[i])), n.Content[i+1], out)
		}
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0:
		for i, item := range n.Content {
			flattenNode(at.at('[', strconv.Itoa(i)), item, out)
		}
	default:
		if strings.Contains(n.Value, "\n") {
			if docs, bad := parseYAML([]byte(n.Value)); bad == nil && len(docs) == 1 && docs[0].Kind == yaml.MappingNode {
				flattenNode(at.at('|', ""), docs[0], out)
				return
			}
		}
		out[at] = n.Tag + " " + n.Value
	}
}
