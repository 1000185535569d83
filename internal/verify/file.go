package verify

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Limits of one YAML file; the second bounds what aliases grow to.
const (
	maxDepth = 64
	maxNodes = 100_000
)

// file is one file of Head, read once.
type file struct {
	path string
	data []byte
	docs []*yaml.Node // the top of each YAML document; nil for what is not YAML
}

// read reads a file and notes what keeps it from being read: then it returns nil.
func (c *checker) read(e entry) (*file, error) {
	if f, ok := c.files[e.path]; ok {
		return f, nil
	}
	f, err := c.readNew(e)
	c.files[e.path] = f
	return f, err
}

func (c *checker) readNew(e entry) (*file, error) {
	switch {
	case e.mode&fs.ModeSymlink != 0:
		if isOurs(e.path) {
			c.add(ruleSymlink, e.path, 0, "is a symbolic link")
		}
		return nil, nil
	case e.mode&fs.ModeIrregular != 0:
		if isOurs(e.path) {
			c.add(ruleModule, e.path, 0, "is a submodule")
		}
		return nil, nil
	}
	info, err := lstat(c.Head, e.path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFileSize {
		if isOurs(e.path) {
			c.add(ruleTooLarge, e.path, 0, "has %d bytes", info.Size())
		}
		return nil, nil
	}
	data, err := fs.ReadFile(c.Head, e.path)
	if err != nil {
		return nil, err
	}
	c.report.Files++
	f := &file{path: e.path, data: data}
	c.parse(f)
	return f, nil
}

// parse reads f as YAML where its name or its place says that it may be.
func (c *checker) parse(f *file) {
	named := slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(f.path)) || path.Base(f.path) == "Kustomization"
	if named && isOurs(f.path) && (!utf8.Valid(f.data) || bytes.HasPrefix(f.data, []byte("\ufeff")) || bytes.IndexByte(f.data, 0) >= 0) {
		c.add(ruleYAML, f.path, 0, "is not plain UTF-8 text")
	}
	docs, bad := parseYAML(f.data)
	if bad == nil {
		f.docs = docs
		return
	}
	if named && isOurs(f.path) || bad.rule == ruleYAMLBomb && isOurs(f.path) {
		c.add(bad.rule, f.path, bad.line, "%s", bad.what)
	}
}

// flaw is why a text is not YAML that may be looked at.
type flaw struct {
	rule, what string
	line       int
}

// parseYAML reads a stream of documents and refuses what is not plain: duplicate
// keys, and aliases that grow too large. Empty documents are left out.
func parseYAML(data []byte) ([]*yaml.Node, *flaw) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var docs []*yaml.Node
	for {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			return nil, &flaw{ruleYAML, "does not parse", lineOf(err)}
		}
		if len(doc.Content) == 0 {
			continue
		}
		m := measure{sizes: map[*yaml.Node]int{}}
		if size := m.size(doc.Content[0], 0); size > maxNodes {
			return nil, &flaw{ruleYAMLBomb, "grows to more than 100,000 values, is nested more than 64 deep, or contains itself", doc.Content[0].Line}
		}
		if m.twice != nil {
			return nil, &flaw{ruleYAML, "has the same key twice", m.twice.Line}
		}
		docs = append(docs, doc.Content[0])
		if len(docs) > maxFiles {
			return nil, &flaw{ruleYAMLBomb, "has more than 1,000 documents", doc.Line}
		}
	}
}

// lineOf takes the line out of a parser's error, whose words may quote the file.
func lineOf(err error) int {
	_, after, ok := strings.Cut(err.Error(), "line ")
	n := 0
	for i := 0; ok && i < len(after) && i < 7 && after[i] >= '0' && after[i] <= '9'; i++ {
		n = n*10 + int(after[i]-'0')
	}
	return n
}

// measure counts values as they are once aliases are written out.
type measure struct {
	sizes map[*yaml.Node]int // of anchors; negative while they are being counted
	twice *yaml.Node         // a key that stands twice
}

func (m *measure) size(n *yaml.Node, depth int) int {
	if depth > maxDepth {
		return maxNodes + 1
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Anchor != "" {
		if size, ok := m.sizes[n]; ok {
			if size < 0 {
				return maxNodes + 1
			}
			return size
		}
		m.sizes[n] = -1
	}
	total := 1
	keys := map[string]bool{}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Kind == yaml.ScalarNode {
			if keys[child.Value] {
				m.twice = child
			}
			keys[child.Value] = true
		}
		if total += m.size(child, depth+1); total > maxNodes {
			total = maxNodes + 1
			break
		}
	}
	if n.Anchor != "" {
		m.sizes[n] = total
	}
	return total
}

// deref follows an alias.
func deref(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// field returns a mapping's value, also one that a merge key brings; nil when there
// is none.
func field(mapping *yaml.Node, name string) *yaml.Node { return fieldWithin(mapping, name, 0) }

func fieldWithin(mapping *yaml.Node, name string, depth int) *yaml.Node {
	mapping = deref(mapping)
	if mapping == nil || mapping.Kind != yaml.MappingNode || depth > maxDepth {
		return nil
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := deref(mapping.Content[i]), deref(mapping.Content[i+1])
		if key.Value == name {
			return value
		}
		if key.Tag == "!!merge" {
			merged = append(merged, value)
			if value.Kind == yaml.SequenceNode {
				merged = append(merged[:len(merged)-1], value.Content...)
			}
		}
	}
	for _, m := range merged {
		if found := fieldWithin(m, name, depth+1); found != nil {
			return found
		}
	}
	return nil
}

// text returns the text of a scalar, "" for anything else.
func text(n *yaml.Node) string {
	if n = deref(n); n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// visit calls fn for n and everything in it, aliases written out. Text that is YAML
// itself, as inline patches are, is visited too, under the line of the text.
func visit(n *yaml.Node, fn func(*yaml.Node)) { visitWithin(n, 0, 0, fn) }

const maxInline = 2 // levels of YAML in YAML

func visitWithin(n *yaml.Node, line, level int, fn func(*yaml.Node)) {
	n = deref(n)
	if line > 0 {
		moved := *n
		moved.Line = line
		fn(&moved)
	} else {
		fn(n)
	}
	for _, child := range n.Content {
		visitWithin(child, line, level, fn)
	}
	if n.Kind != yaml.ScalarNode || level == maxInline || !strings.Contains(n.Value, ":") || len(n.Value) < 8 {
		return
	}
	docs, bad := parseYAML([]byte(n.Value))
	if bad != nil {
		return
	}
	for _, doc := range docs {
		if doc.Kind != yaml.ScalarNode {
			visitWithin(doc, max(line, n.Line), level+1, fn)
		}
	}
}
