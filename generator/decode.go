package generator

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxDocument bounds what is parsed at all.
const maxDocument = 256 << 10

// decoder reads one YAML document into a struct and notes every deviation from
// the struct's json tags, and where each field stands.
type decoder struct {
	collector
}

// decode fills the struct that into points to and leaves problems in d. It
// reports whether there was a mapping to read at all; fields that have a
// problem keep their zero value.
func (d *decoder) decode(doc []byte, into any) bool {
	root := d.parse(doc)
	if root == nil || !d.plain(root) {
		return false
	}
	if root.Kind != yaml.MappingNode {
		d.addAt(root.Line, "", "", "the document is %s, not a mapping", kindOf(root))
		return false
	}
	d.structure(root, "", reflect.ValueOf(into).Elem())
	return true
}

// parse returns the content of the only document.
func (d *decoder) parse(doc []byte) *yaml.Node {
	if len(doc) > maxDocument {
		d.addAt(0, "", "", "the file has %d bytes; at most %d are read", len(doc), maxDocument)
		return nil
	}
	if i := invalidUTF8(doc); i >= 0 {
		d.addAt(1+bytes.Count(doc[:i], []byte("\n")), "", "save the file as UTF-8", "the file is not UTF-8 at byte %d", i)
		return nil
	}
	var root, next yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(doc))
	if err := in.Decode(&root); errors.Is(err, io.EOF) {
		d.addAt(0, "", "", "the file is empty")
		return nil
	} else if err != nil {
		d.syntax(err)
		return nil
	}
	if err := in.Decode(&next); err == nil {
		d.addAt(next.Line, "", "keep one document per file", "a second document begins here")
		return nil
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
		return nil
	}
	return root.Content[0]
}

func invalidUTF8(doc []byte) int {
	for i := 0; i < len(doc); {
		r, n := utf8.DecodeRune(doc[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// syntax turns an error of the YAML parser into a problem with its line.
func (d *decoder) syntax(err error) {
	reason := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if number, rest, ok := strings.Cut(strings.TrimPrefix(reason, "line "), ": "); ok {
		if n, err := strconv.Atoi(number); err == nil {
			line, reason = n, rest
		}
	}
	d.addAt(line, "", "", "not valid YAML: %s", reason)
}

// plain refuses anchors, aliases, merge keys and explicit tags anywhere, so
// that what a reviewer reads is what is meant and nothing can be multiplied.
func (d *decoder) plain(n *yaml.Node) bool {
	before := len(d.problems)
	const hint = "write the value out"
	switch {
	case n.Kind == yaml.AliasNode:
		d.addAt(n.Line, "", hint, "aliases are not allowed")
	case n.Anchor != "":
		d.addAt(n.Line, "", hint, "anchors are not allowed")
	case n.Style&yaml.TaggedStyle != 0:
		d.addAt(n.Line, "", "quote the value to make it a string", "tags are not allowed")
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!merge":
		d.addAt(n.Line, "", hint, "merge keys are not allowed")
	}
	for _, child := range n.Content {
		d.plain(child)
	}
	return len(d.problems) == before
}

// value decodes n into v by v's type.
func (d *decoder) value(n *yaml.Node, field string, v reflect.Value) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		d.fail(n, field, "remove the field or give it a value", "has no value")
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, field, v.Elem())
	case reflect.Struct:
		if d.want(n, yaml.MappingNode, field) {
			d.structure(n, field, v)
		}
	case reflect.Slice:
		if d.want(n, yaml.SequenceNode, field) {
			d.list(n, field, v)
		}
	case reflect.Map:
		if d.want(n, yaml.MappingNode, field) {
			d.stringMap(n, field, v)
		}
	case reflect.Int32:
		if d.want(n, yaml.ScalarNode, field) {
			d.integer(n, field, v)
		}
	default:
		if d.want(n, yaml.ScalarNode, field) {
			d.text(n, field, v, false)
		}
	}
}

// fail notes a problem with a field's form; what the field means is then not
// looked at any more.
func (d *decoder) fail(n *yaml.Node, field, hint, reason string, args ...any) {
	d.broken[field] = true
	d.addAt(n.Line, field, hint, reason, args...)
}

func (d *decoder) want(n *yaml.Node, kind yaml.Kind, field string) bool {
	if n.Kind == kind {
		return true
	}
	d.fail(n, field, "", "is %s, not %s", kindOf(n), kindOf(&yaml.Node{Kind: kind}))
	return false
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

func (d *decoder) integer(n *yaml.Node, field string, v reflect.Value) {
	i, err := strconv.ParseInt(n.Value, 10, 32)
	if n.ShortTag() != "!!int" || err != nil || !plainDigits(n.Value) {
		d.fail(n, field, "write it in plain digits, without quotes", "is not a whole number that fits 32 bits")
		return
	}
	v.SetInt(i)
}

// plainDigits says that every YAML reader takes the whole number for the same. One that
// begins with a zero is octal to some.
func plainDigits(number string) bool {
	digits := strings.TrimPrefix(number, "-")
	return number == "0" || madeOf(digits, func(r rune) bool { return r >= '0' && r <= '9' }) && digits[0] != '0'
}

// text decodes a string; with numbers, a bare number counts as its own text.
func (d *decoder) text(n *yaml.Node, field string, v reflect.Value, numbers bool) {
	tag := n.ShortTag()
	number := tag == "!!int" || tag == "!!float"
	if tag != "!!str" && (!numbers || !number) {
		d.fail(n, field, "put it in quotes", "must be a string, and YAML reads this as %s", tagName(tag))
		return
	}
	if tag == "!!int" && !plainDigits(n.Value) {
		d.fail(n, field, "write it in plain digits", "is a number in a form that YAML readers take for different ones")
		return
	}
	v.SetString(n.Value)
}

func tagName(tag string) string {
	switch tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	case "!!null":
		return "nothing"
	}
	return tag
}

func (d *decoder) list(n *yaml.Node, field string, v reflect.Value) {
	items := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, child := range n.Content {
		at := field + "[" + strconv.Itoa(i) + "]"
		d.at.lines[at] = child.Line
		d.value(child, at, items.Index(i))
	}
	v.Set(items)
}

func (d *decoder) stringMap(n *yaml.Node, field string, v reflect.Value) {
	numbers := v.Type() == reflect.TypeFor[Quantities]()
	entries := reflect.MakeMap(v.Type())
	for keyNode, child := range d.pairs(n, field) {
		key := keyNode.Value
		at := entry(field, key)
		d.at.lines[at] = keyNode.Line
		item := reflect.New(v.Type().Elem()).Elem()
		if child.Kind == yaml.ScalarNode && child.ShortTag() == "!!null" {
			d.fail(child, at, `write "" for an empty value`, "has no value")
		} else if d.want(child, yaml.ScalarNode, at) {
			d.text(child, at, item, numbers)
		}
		entries.SetMapIndex(reflect.ValueOf(key), item)
	}
	v.Set(entries)
}

// structure decodes a mapping into a struct, field by field.
func (d *decoder) structure(n *yaml.Node, field string, v reflect.Value) {
	fields := fieldsOf(v)
	for key, child := range d.pairs(n, field) {
		at := join(field, key.Value)
		target, known := fields[key.Value]
		if !known {
			hint := ""
			if len(d.problems) < maxProblems {
				hint = unknownHint(key.Value, fields)
			}
			d.addAt(key.Line, at, hint, "unknown field")
			continue
		}
		d.at.lines[at] = key.Line
		d.value(child, at, target)
	}
}

// pairs yields a mapping's keys and values once each, and notes duplicates and
// keys that are not strings.
func (d *decoder) pairs(n *yaml.Node, field string) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		seen := make(map[string]int, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
				d.addAt(key.Line, field, "put it in quotes", "a key is not a string")
				continue
			}
			if line, twice := seen[key.Value]; twice {
				d.addAt(key.Line, join(field, key.Value), "remove one of the two", "is set twice, first in line %d", line)
				continue
			}
			seen[key.Value] = key.Line
			if !yield(key, n.Content[i+1]) {
				return
			}
		}
	}
}

// fieldsOf returns the settable fields of a struct by json name.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		if name := jsonName(v.Type().Field(i)); name != "" {
			fields[name] = v.Field(i)
		}
	}
	return fields
}

// jsonName returns a field's name in YAML; "" when it has none.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// join appends a field's name to a path, and entry a map's key. Both shorten
// and escape it: in a wrong document it can be anything.
func join(field, key string) string {
	if field == "" {
		return escape(key)
	}
	return field + "." + escape(key)
}

func entry(field, key string) string { return field + "[" + escape(key) + "]" }

func escape(key string) string {
	quoted := strconv.Quote(key[:min(len(key), 64)])
	return quoted[1 : len(quoted)-1]
}

// unknownHint proposes the known field that is meant, or lists what is known.
func unknownHint(key string, fields map[string]reflect.Value) string {
	switch strings.ToLower(key) {
	case "token", "password", "secret", "credential", "credentials":
		return "a token never stands in this file; hand it over beside it"
	}
	return suggest(key, sortedKeys(fields), "known here: ")
}
