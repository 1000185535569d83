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

// Limits of one YAML file; the second bounds what aliases grow to, where a hundred
// bytes of text count as one more value.
const (
	maxDepth = 64
	maxNodes = 100_000
)

// file is one file of Head, read once.
type file struct {
	path string
	data []byte
	docs []*yaml.Node // the top of each YAML document; nil for what is not YAML

	flaws []*flaw // why it is not plain YAML
	noted bool    // in findings
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
		c.unread(ruleSymlink, e.path, "is a symbolic link")
		return nil, nil
	case e.mode&fs.ModeIrregular != 0:
		c.unread(ruleModule, e.path, "is a submodule")
		return nil, nil
	}
	info, err := lstat(c.Head, e.path)
	if err != nil {
		return nil, err
	}
	if !c.spend(e.path, info.Size()) {
		return nil, nil
	}
	if info.Size() > maxFileSize {
		c.unread(ruleTooLarge, e.path, "has %d bytes, and was not looked at", info.Size())
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

// spend says whether a file of that size may be looked at, or gives up.
func (c *checker) spend(name string, size int64) bool {
	if size > maxFileSize {
		size /= 8 // only Git reads it
	}
	if c.report.Incomplete || int64(c.left) < size {
		if !c.report.Incomplete {
			c.giveUp(name, "as many bytes as berth looks at")
		}
		return false
	}
	c.left -= int(size)
	return true
}

// unread notes a file that is not looked into. Below clusters/, where platforms keep
// large files of their own, it blocks when the change brings it, and when it stands for
// what may take berth's own file away.
func (c *checker) unread(rule, name, format string, args ...any) {
	switch {
	case isOurs(name), rule == ruleSymlink && magicLink.MatchString(name),
		isCluster(name) && (c.changed(name) || isKustomization(name, nil)):
		c.add(rule, name, 0, format, args...)
	case isCluster(name), rule == ruleTooLarge:
		c.warn(rule, name, format, args...)
	}
}

// parse reads f as YAML, and notes its flaws where its name says that it is.
func (c *checker) parse(f *file) {
	if !utf8.Valid(f.data) || bytes.HasPrefix(f.data, []byte("\ufeff")) || bytes.IndexByte(f.data, 0) >= 0 {
		f.flaws = append(f.flaws, &flaw{ruleYAML, "is not plain UTF-8 text", 0})
	}
	docs, grown, bad := readYAML(f.data)
	c.grown += grown
	switch {
	case bad != nil:
		f.flaws = append(f.flaws, bad)
	case grown > 0 && c.grown > maxNodes:
		bad = &flaw{ruleYAMLBomb, "grows by its aliases, with the files before it, by more than 100,000 values or 10 MB", 0}
		f.flaws = append(f.flaws, bad)
	case isOurs(f.path) && crowded(docs):
		bad = &flaw{ruleYAMLBomb, "has more than 100,000 values in texts that are YAML", 0}
		f.flaws = append(f.flaws, bad)
	default:
		f.docs = docs
	}
	named := slices.Contains([]string{".yaml", ".yml", ".json"}, path.Ext(f.path)) || path.Base(f.path) == "Kustomization"
	if named && (isOurs(f.path) || isCluster(f.path)) || bad != nil && bad.rule == ruleYAMLBomb {
		c.mustBeYAML(f)
	}
}

// mustBeYAML notes the flaws of a file that somebody reads as YAML. What is not berth's
// blocks only where a change brings it below clusters/.
func (c *checker) mustBeYAML(f *file) {
	if f.noted {
		return
	}
	f.noted = true
	level := Warning
	if isOurs(f.path) || isCluster(f.path) && c.changed(f.path) {
		level = Blocking
	}
	for _, bad := range f.flaws {
		c.addAt(level, bad.rule, f.path, bad.line, "%s", bad.what)
	}
}

// flaw is why a text is not YAML that may be looked at.
type flaw struct {
	rule, what string
	line       int
}

// parseYAML reads a stream of documents and refuses what is not plain: duplicate
// keys, text in base64, and aliases that grow too large. Empty documents are left out.
func parseYAML(data []byte) ([]*yaml.Node, *flaw) {
	docs, _, bad := readYAML(data)
	return docs, bad
}

// readYAML is parseYAML, and says how many values the aliases add.
func readYAML(data []byte) (docs []*yaml.Node, grown int, bad *flaw) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	total := 0
	for {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs, grown, nil
		}
		if err != nil {
			return nil, 0, &flaw{ruleYAML, "does not parse", lineOf(err)}
		}
		if len(doc.Content) == 0 {
			continue
		}
		m := measure{sizes: map[*yaml.Node]int{}}
		if total += m.size(doc.Content[0], 0); total > maxNodes {
			return nil, 0, &flaw{ruleYAMLBomb, "grows to more than 100,000 values or 10 MB, is nested more than 64 deep, or contains itself", doc.Content[0].Line}
		}
		grown += m.grown
		switch {
		case m.twice != nil:
			return nil, 0, &flaw{ruleYAML, "has the same key twice", m.twice.Line}
		case m.binary != nil:
			return nil, 0, &flaw{ruleYAML, "has a text in base64 (!!binary)", m.binary.Line}
		}
		docs = append(docs, doc.Content[0])
		if len(docs) > maxFiles {
			return nil, 0, &flaw{ruleYAMLBomb, "has more than 1,000 documents", doc.Line}
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
	sizes  map[*yaml.Node]int // of anchors; negative while they are being counted
	grown  int                // values that aliases add
	twice  *yaml.Node         // a key that stands twice
	binary *yaml.Node         // a text that is not what it looks like
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
			m.grown += size
			return size
		}
		m.sizes[n] = -1
	}
	total := 1 + len(n.Value)/100
	if n.ShortTag() == "!!binary" {
		m.binary = n
	}
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
// itself, as inline patches are, is visited too, under the line of the text, but for
// what a crowded file has too much of.
func visit(n *yaml.Node, fn func(*yaml.Node)) {
	v := visitor{fn, maxNodes}
	v.visit(n, 0, 0)
}

// visitPlain is visit without the text that is YAML itself.
func visitPlain(n *yaml.Node, fn func(*yaml.Node)) {
	v := visitor{fn: fn}
	v.visit(n, 0, 0)
}

// crowded says that visit leaves something out.
func crowded(docs []*yaml.Node) bool {
	v := visitor{func(*yaml.Node) {}, maxNodes}
	for _, doc := range docs {
		v.visit(doc, 0, 0)
	}
	return v.left == 0
}

const maxInline = 2 // levels of YAML in YAML

type visitor struct {
	fn   func(*yaml.Node)
	left int // values of YAML in YAML that may be visited yet
}

func (v *visitor) visit(n *yaml.Node, line, level int) {
	n = deref(n)
	if level == 0 {
		v.fn(n)
	} else if v.left > 0 {
		v.left--
		moved := *n
		moved.Line = line
		v.fn(&moved)
	}
	for _, child := range n.Content {
		v.visit(child, line, level)
	}
	if n.Kind != yaml.ScalarNode || level == maxInline || v.left == 0 || !strings.Contains(n.Value, ":") || len(n.Value) < 8 {
		return
	}
	docs, bad := parseYAML([]byte(n.Value))
	if bad != nil {
		return
	}
	for _, doc := range docs {
		if doc.Kind != yaml.ScalarNode {
			v.visit(doc, max(line, n.Line), level+1)
		}
	}
}
