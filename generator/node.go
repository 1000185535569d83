package generator

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// nodeOf turns a value into YAML nodes, fields in the order of their struct,
// without those that are empty and may be left out.
func nodeOf(v reflect.Value) *yaml.Node {
	switch v.Kind() {
	case reflect.Pointer:
		return nodeOf(v.Elem())
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			optional := strings.HasSuffix(f.Tag.Get("json"), ",omitempty")
			name := jsonName(f)
			if name == "" || optional && saysNothing(v.Field(i)) {
				continue
			}
			n.Content = append(n.Content, textNode(name), nodeOf(v.Field(i)))
		}
		return inline(n)
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		for i := range v.Len() {
			n.Content = append(n.Content, nodeOf(v.Index(i)))
		}
		return inline(n)
	case reflect.Map:
		entries := map[string]string{}
		for _, key := range v.MapKeys() {
			entries[key.String()] = v.MapIndex(key).String()
		}
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range sortedKeys(entries) {
			n.Content = append(n.Content, textNode(key), textNode(entries[key]))
		}
		return inline(n)
	case reflect.Int32:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.FormatInt(v.Int(), 10)}
	}
	return textNode(v.String())
}

// inline writes what is empty as {} or [].
func inline(n *yaml.Node) *yaml.Node {
	if len(n.Content) == 0 {
		n.Style = yaml.FlowStyle
	}
	return n
}

// saysNothing is true of a field to leave out. An empty list or map that is
// not nil says something: none at all, instead of the default.
func saysNothing(v reflect.Value) bool {
	if v.Kind() != reflect.Struct {
		return v.IsZero()
	}
	for i := range v.NumField() {
		if !saysNothing(v.Field(i)) {
			return false
		}
	}
	return true
}

// textNode is a string, quoted when any YAML reader could take it for
// something else.
func textNode(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	unclear := n.Style == 0 && ambiguous(s)
	// A block that begins with space needs an indentation indicator, which not
	// every version of the library gets right.
	indented := n.Style == yaml.LiteralStyle && strings.ContainsAny(s[:1], " \t\n")
	if unclear || indented {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// ambiguous says that some reader of YAML could take s for something else than text, or
// nearly: a boolean, or what begins like a number and may be one, a date or a time.
func ambiguous(s string) bool {
	s = strings.ToLower(s)
	switch s {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "<<", "=":
		return true
	}
	return s != "" && strings.Contains("+-.0123456789", s[:1]) && strings.Trim(s, "0123456789abcdefxo_+-.:tzin ") == ""
}

// equalNodes compares what two nodes say, whatever the order of fields. Items
// that have names may stand in any order too.
func equalNodes(a, b *yaml.Node) bool {
	if a.Kind != b.Kind || len(a.Content) != len(b.Content) {
		return false
	}
	switch a.Kind {
	case yaml.ScalarNode:
		return a.Value == b.Value
	case yaml.MappingNode:
		for i := 0; i+1 < len(a.Content); i += 2 {
			other := lookup(b, a.Content[i].Value)
			if other == nil || !equalNodes(a.Content[i+1], other) {
				return false
			}
		}
		return true
	}
	for i, item := range a.Content {
		other := b.Content[i]
		if item.Kind == yaml.MappingNode {
			other = itemLike(b, item)
		}
		if other == nil || !equalNodes(item, other) {
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

// itemLike returns the item of a list that is about the same thing.
func itemLike(list, item *yaml.Node) *yaml.Node {
	for _, other := range list.Content {
		if itemName(other) == itemName(item) {
			return other
		}
	}
	return nil
}

// itemName is what tells list items apart: their name, or their text when they
// are strings.
func itemName(item *yaml.Node) string {
	if item.Kind != yaml.MappingNode {
		return item.Value
	}
	if name := lookup(item, "name"); name != nil {
		return name.Value
	}
	return ""
}

// editNode changes n until it says what want says. Nodes that agree stay as
// they are, with their comments; others take over the old one's comments.
func editNode(n, want *yaml.Node) {
	switch {
	case n.Kind == want.Kind && n.Kind == yaml.MappingNode:
		editMapping(n, want)
	case n.Kind == want.Kind && n.Kind == yaml.SequenceNode:
		editList(n, want)
	case n.Kind != want.Kind || n.Value != want.Value:
		quoted := n.Style & (yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle)
		want.HeadComment, want.LineComment, want.FootComment = n.HeadComment, n.LineComment, n.FootComment
		*n = *want
		if n.Tag == "!!str" && n.Style == 0 {
			n.Style = quoted
		}
	}
}

// editMapping keeps the old order; a new key goes behind the key that stands
// before it in want.
func editMapping(n, want *yaml.Node) {
	var content []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if value := lookup(want, n.Content[i].Value); value != nil {
			editNode(n.Content[i+1], value)
			moveComment(n.Content[i], n.Content[i+1])
			content = append(content, n.Content[i], n.Content[i+1])
		}
	}
	next := 0
	for i := 0; i+1 < len(want.Content); i += 2 {
		at := -1
		for j := 0; j < len(content); j += 2 {
			if content[j].Value == want.Content[i].Value {
				at = j
			}
		}
		if at < 0 {
			at = next
			content = slices.Insert(content, at, want.Content[i], want.Content[i+1])
		}
		next = at + 2
	}
	fill(n, content)
}

// moveComment keeps the comment behind a value that became a block.
func moveComment(key, value *yaml.Node) {
	if value.Kind != yaml.ScalarNode && value.Style&yaml.FlowStyle == 0 && key.LineComment == "" {
		key.LineComment, value.LineComment = value.LineComment, ""
	}
}

// editList keeps the order of items with names. That of strings has a meaning,
// so it becomes want's.
func editList(n, want *yaml.Node) {
	named := len(want.Content) > 0 && want.Content[0].Kind == yaml.MappingNode
	var content []*yaml.Node
	if named {
		for _, old := range n.Content {
			if item := itemLike(want, old); item != nil {
				editNode(old, item)
				content = append(content, old)
			}
		}
	}
	for _, item := range want.Content {
		old := itemLike(n, item)
		switch {
		case old == nil:
			content = append(content, item)
		case !named:
			content = append(content, old)
		}
	}
	fill(n, content)
}

// fill gives a mapping or list its new content, in block form when it had been
// empty.
func fill(n *yaml.Node, content []*yaml.Node) {
	if len(n.Content) == 0 {
		n.Style &^= yaml.FlowStyle
	}
	n.Content = content
	inline(n)
}
