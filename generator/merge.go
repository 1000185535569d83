package generator

import (
	"bytes"
	"fmt"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// MarshalProject writes a project as a new project.yaml.
func MarshalProject(p *Project) ([]byte, error) {
	return MergeProject(ProjectPath(p.Metadata.Name), nil, p)
}

// MarshalPlatform writes settings as a new berth.yaml.
func MarshalPlatform(p *Platform) ([]byte, error) { return MergePlatform(PlatformPath, nil, p) }

// MergeProject returns the project.yaml to commit for want. prior is the
// committed file, nil when there is none: its comments, order and formatting
// stay where its values do, and when no value changes its bytes are returned
// as they are. Environments are told apart by name and keep prior's order. The
// error is [Problems] when want is invalid or prior cannot be read.
func MergeProject(file string, prior []byte, want *Project) ([]byte, error) {
	c := &collector{at: position{file: file}}
	validateProject(want, c)
	if err := c.err(); err != nil {
		return nil, err
	}
	return merge(file, prior, want)
}

// MergePlatform does for berth.yaml what [MergeProject] does for project.yaml.
func MergePlatform(file string, prior []byte, want *Platform) ([]byte, error) {
	c := &collector{at: position{file: file}}
	validatePlatform(want, c)
	if err := c.err(); err != nil {
		return nil, err
	}
	return merge(file, prior, want)
}

// merge edits prior's nodes until they say what want, a pointer to a struct,
// says.
func merge(file string, prior []byte, want any) ([]byte, error) {
	fresh := nodeOf(reflect.ValueOf(want))
	if prior == nil {
		return encode(fresh, yamlStyle{indent: 2, compact: true})
	}
	had, err := reread(file, prior, want)
	if err != nil {
		return nil, err
	}
	if equalNodes(had, fresh) {
		return prior, nil
	}
	var root yaml.Node
	if err := yaml.Unmarshal(prior, &root); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	style, before, err := styleOf(prior, &root)
	if err != nil {
		return nil, err
	}
	editNode(root.Content[0], fresh)
	after, err := encode(&root, style)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(prior, []byte("\r\n")) {
		after = bytes.ReplaceAll(after, []byte("\n"), []byte("\r\n"))
	}
	// Encoding loses blank lines and odd spacing; bring them back where that
	// leaves the meaning alone.
	for _, merged := range [][]byte{restore(prior, before, after), after} {
		if now, err := reread(file, merged, want); err == nil && equalNodes(now, nodeOf(reflect.ValueOf(want))) {
			return merged, nil
		}
	}
	return encode(nodeOf(reflect.ValueOf(want)), style)
}

// reread decodes doc into a value of want's type and returns its nodes, so
// that two documents compare by what they mean.
func reread(file string, doc []byte, want any) (*yaml.Node, error) {
	value := reflect.New(reflect.TypeOf(want).Elem())
	d := newDecoder(file)
	d.decode(doc, value.Interface())
	if err := d.err(); err != nil {
		return nil, err
	}
	return nodeOf(value), nil
}

// yamlStyle is how lists and mappings are indented.
type yamlStyle struct {
	indent  int
	compact bool
}

// styleOf finds the style that changes prior the least, and returns prior
// encoded that way.
func styleOf(prior []byte, root *yaml.Node) (yamlStyle, []byte, error) {
	var best yamlStyle
	var closest []byte
	most := -1
	for _, s := range []yamlStyle{{2, true}, {2, false}, {4, false}, {4, true}} {
		doc, err := encode(root, s)
		if err != nil {
			return best, nil, err
		}
		if same := sameLines(prior, doc); same > most {
			best, closest, most = s, doc, same
		}
	}
	return best, closest, nil
}

// sameLines counts the lines of b that a has too, whatever their line breaks.
func sameLines(a, b []byte) int {
	had := map[string]bool{}
	for _, line := range unbroken(lines(a)) {
		had[line] = true
	}
	n := 0
	for _, line := range unbroken(lines(b)) {
		if had[line] {
			n++
		}
	}
	return n
}

func encode(n *yaml.Node, s yamlStyle) ([]byte, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(s.indent)
	if s.compact {
		e.CompactSeqIndent()
	}
	if err := e.Encode(n); err != nil {
		return nil, fmt.Errorf("encode YAML: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("encode YAML: %w", err)
	}
	return out.Bytes(), nil
}
