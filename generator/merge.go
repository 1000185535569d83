package generator

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"

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
// stay where its values do, and when no value changes its bytes are returned as
// they are. The error is [Problems] when want is invalid or prior cannot be
// read.
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

// merge edits prior's nodes until they say what want points to.
func merge(file string, prior []byte, want any) ([]byte, error) {
	fresh := nodeOf(reflect.ValueOf(want))
	if prior == nil {
		return encode(fresh, style{indent: 2, compact: true})
	}
	had := reflect.New(reflect.TypeOf(want).Elem())
	d := newDecoder(file)
	d.decode(prior, had.Interface())
	if err := d.err(); err != nil {
		return nil, err
	}
	if equal(fresh, nodeOf(had)) {
		return prior, nil
	}
	var root yaml.Node
	if err := yaml.Unmarshal(prior, &root); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	edit(root.Content[0], fresh)
	return encode(&root, style{indent: 2, compact: true})
}

type style struct {
	indent  int
	compact bool
}

func encode(n *yaml.Node, s style) ([]byte, error) {
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

// nodeOf turns a value into nodes, fields in the order of the struct, leaving
// out what is empty and may be.
func nodeOf(v reflect.Value) *yaml.Node {
	switch v.Kind() {
	case reflect.Pointer:
		return nodeOf(v.Elem())
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			name := jsonName(f)
			if name == "" || strings.HasSuffix(f.Tag.Get("json"), ",omitempty") && omit(v.Field(i)) {
				continue
			}
			n.Content = append(n.Content, scalar("!!str", name), nodeOf(v.Field(i)))
		}
		return n
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		if v.Len() == 0 {
			n.Style = yaml.FlowStyle
		}
		for i := range v.Len() {
			n.Content = append(n.Content, nodeOf(v.Index(i)))
		}
		return n
	case reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		if v.Len() == 0 {
			n.Style = yaml.FlowStyle
		}
		byName := map[string]string{}
		for _, key := range v.MapKeys() {
			byName[key.String()] = v.MapIndex(key).String()
		}
		for _, key := range sortedKeys(byName) {
			n.Content = append(n.Content, scalar("!!str", key), scalar("!!str", byName[key]))
		}
		return n
	case reflect.Int32:
		return scalar("!!int", strconv.FormatInt(v.Int(), 10))
	}
	return scalar("!!str", v.String())
}

// omit says that a field says nothing. An empty list or map that is not nil
// says something: none at all instead of the default.
func omit(v reflect.Value) bool {
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if !omit(v.Field(i)) {
				return false
			}
		}
		return true
	}
	return v.IsZero()
}

// scalar returns a node for a value; the encoder quotes it where it has to.
func scalar(tag, value string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
	if tag == "!!str" {
		n.SetString(value)
	}
	return n
}

// equal compares what two nodes say.
func equal(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || len(a.Content) != len(b.Content) || a.Kind == yaml.ScalarNode && a.Value != b.Value {
		return false
	}
	if a.Kind == yaml.MappingNode {
		for i := 0; i < len(a.Content); i += 2 {
			other := lookup(b, a.Content[i].Value)
			if other == nil || !equal(a.Content[i+1], other) {
				return false
			}
		}
		return true
	}
	for i := range a.Content {
		if !equal(a.Content[i], b.Content[i]) {
			return false
		}
	}
	return true
}

func lookup(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// edit changes n until it says what want says, keeping what agrees.
func edit(n, want *yaml.Node) {
	switch {
	case n.Kind != want.Kind:
		comments(want, n)
		*n = *want
	case n.Kind == yaml.MappingNode:
		editMapping(n, want)
	case n.Kind == yaml.SequenceNode:
		editList(n, want)
	case n.Value != want.Value:
		comments(want, n)
		*n = *want
	}
}

func comments(to, from *yaml.Node) {
	to.HeadComment, to.LineComment, to.FootComment = from.HeadComment, from.LineComment, from.FootComment
}

// editMapping keeps prior's order; new keys go behind the key that is before
// them in want.
func editMapping(n, want *yaml.Node) {
	var content []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if value := lookup(want, n.Content[i].Value); value != nil {
			edit(n.Content[i+1], value)
			content = append(content, n.Content[i], n.Content[i+1])
		}
	}
	at := 0
	for i := 0; i+1 < len(want.Content); i += 2 {
		found := -1
		for j := 0; j < len(content); j += 2 {
			if content[j].Value == want.Content[i].Value {
				found = j
			}
		}
		if found < 0 {
			content = append(content[:at:at], append([]*yaml.Node{want.Content[i], want.Content[i+1]}, content[at:]...)...)
			found = at
		}
		at = found + 2
	}
	if n.Content = content; len(content) == 0 {
		n.Style = yaml.FlowStyle
	}
}

// editList matches items by their name, or by their whole text when they have
// none. Named items keep prior's order; for others the order has a meaning, so
// it is want's.
func editList(n, want *yaml.Node) {
	prior := map[string]*yaml.Node{}
	for _, item := range n.Content {
		prior[itemKey(item)] = item
	}
	wanted := map[string]*yaml.Node{}
	var content []*yaml.Node
	for _, item := range want.Content {
		wanted[itemKey(item)] = item
		old := prior[itemKey(item)]
		if old == nil {
			content = append(content, item)
			continue
		}
		edit(old, item)
		content = append(content, old)
	}
	if len(want.Content) > 0 && want.Content[0].Kind == yaml.MappingNode {
		content = keepOrder(n.Content, content, wanted)
	}
	if n.Content = content; len(content) == 0 {
		n.Style = yaml.FlowStyle
	}
}

// keepOrder puts what was there first, in its old order.
func keepOrder(prior, content []*yaml.Node, wanted map[string]*yaml.Node) []*yaml.Node {
	var ordered []*yaml.Node
	kept := map[*yaml.Node]bool{}
	for _, item := range prior {
		if wanted[itemKey(item)] != nil {
			ordered = append(ordered, item)
			kept[item] = true
		}
	}
	for _, item := range content {
		if !kept[item] {
			ordered = append(ordered, item)
		}
	}
	return ordered
}

func itemKey(item *yaml.Node) string {
	if item.Kind == yaml.ScalarNode {
		return item.Value
	}
	if name := lookup(item, "name"); name != nil {
		return name.Value
	}
	return ""
}
