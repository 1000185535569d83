package review

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/internal/build"
	"github.com/berth-gitops/berth/internal/verify"
)

// built is one object on one cluster.
type built struct {
	cluster, environment  string // no environment: the platform half
	kind, namespace, name string
	data                  map[string]any
}

func (b built) label() string {
	if b.namespace == "" {
		return b.kind + "/" + b.name
	}
	return b.kind + "/" + b.namespace + "/" + b.name
}

// build builds both halves of every environment; false when one of them does not build.
func (s *side) build(id string) bool {
	folders := map[string]string{} // platform halves → cluster
	for _, t := range s.plan.Targets {
		if !s.add(t.Overlay, t.Cluster, t.Environment) {
			return false
		}
		folders[path.Dir(t.Tenant)] = t.Cluster
	}
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		if !s.add(folder, folders[folder], "") {
			return false
		}
		entry := "fleet/" + folders[folder] + "/" + id + ".yaml"
		doc, err := fs.ReadFile(s.tree, entry)
		if err != nil {
			return false
		}
		all, plain := verify.Written(doc)
		if !plain {
			return false
		}
		maps.Copy(s.objects, keyed(all, folders[folder], ""))
		s.entries = append(s.entries, entry)
	}
	return true
}

func (s *side) add(folder, cluster, environment string) bool {
	stream, err := build.Kustomize(s.tree, folder)
	if err != nil {
		return false
	}
	all, err := verify.Documents(stream)
	if err != nil {
		return false
	}
	maps.Copy(s.objects, keyed(all, cluster, environment))
	return true
}

// keyed gives objects by what they are on their cluster.
func keyed(all []map[string]any, cluster, environment string) map[string]built {
	out := map[string]built{}
	for _, o := range all {
		b := built{cluster: cluster, environment: environment, data: o}
		b.kind, _ = o["kind"].(string)
		meta, _ := o["metadata"].(map[string]any)
		b.name, _ = meta["name"].(string)
		b.namespace, _ = meta["namespace"].(string)
		version, _ := o["apiVersion"].(string)
		group, _, _ := strings.Cut(version, "/")
		out[strings.Join([]string{cluster, group, b.kind, b.namespace, b.name}, "\x00")] = b
	}
	return out
}

// objects compares what the two sides apply.
func (r *reviewer) objects(p *Project, was, is *side) {
	keys := maps.Clone(was.objects)
	maps.Copy(keys, is.objects)
	gone := map[string]bool{} // namespaces
	for key, b := range was.objects {
		if _, stays := is.objects[key]; !stays && b.kind == "Namespace" {
			gone[b.cluster+" "+b.name] = true
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(keys), func(a, b string) int {
		return cmp.Or(cmp.Compare(keys[a].cluster, keys[b].cluster), cmp.Compare(keys[a].label(), keys[b].label()), cmp.Compare(a, b))
	}) {
		before, had := was.objects[key]
		after, has := is.objects[key]
		switch {
		case !has:
			p.Objects = append(p.Objects, object(before, "deleted"))
			r.deletion(before, gone, p.ID == "")
		case !had:
			p.Objects = append(p.Objects, object(after, "created"))
		case !reflect.DeepEqual(before.data, after.data):
			p.Objects = append(p.Objects, r.changed(before, after))
		}
		r.images(cmp.Or(p.ID, "platform"), before, after)
		if !gone[before.cluster+" "+before.namespace] {
			r.privileges(before, after)
		}
	}
}

func object(b built, action string) Object {
	return Object{Cluster: b.cluster, Name: phrase("%s", b.label()), Action: action}
}

// deletion forecasts what goes with an object; platform says that it is of the
// platform's own.
func (r *reviewer) deletion(b built, gone map[string]bool, platform bool) {
	var text Phrase
	switch {
	case b.kind == "Namespace" && b.name == generator.PlatformNamespace:
		text = phrase("Namespace %s on %s and everything in it, the platform key and every project's key included", b.name, b.cluster)
	case platform && b.isFlux():
		text = pruning(b)
	case b.kind == "Namespace":
		text = phrase("Namespace %s on %s and everything in it, volumes included", b.name, b.cluster)
	case gone[b.cluster+" "+b.namespace], b.namespace == generator.PlatformNamespace && !platform:
		return // goes with its namespace, or is berth's own machinery
	case b.kind == "PersistentVolumeClaim":
		text = phrase("%s on %s, and its data with it", b.label(), b.cluster)
	default:
		text = phrase("%s on %s", b.label(), b.cluster)
	}
	r.review.Deletions = append(r.review.Deletions, text)
}

// changed lists the values of an object that differ.
func (r *reviewer) changed(before, after built) Object {
	o := object(after, "changed")
	if after.kind == "Secret" || before.kind == "Secret" {
		o.Note = "a Secret: its values are not shown"
		return o
	}
	for _, b := range []built{before, after} {
		if text, err := yaml.Marshal(b.data); err != nil || r.secretive.Holds(text) {
			o.Note = "it holds what looks like a secret, so its values are not shown"
			return o
		}
	}
	compareValues("", before.data, after.data, &o.Fields)
	return o
}

// compareValues walks two values side by side. Lists of named items are compared name
// by name.
func compareValues(at string, before, after any, out *[]FieldChange) {
	if reflect.DeepEqual(before, after) {
		return
	}
	a, aMap := before.(map[string]any)
	b, bMap := after.(map[string]any)
	x, xNamed := named(before)
	y, yNamed := named(after)
	join := func(k string) string { return strings.TrimPrefix(at+"."+k, ".") }
	switch {
	case (aMap || before == nil) && (bMap || after == nil) && len(a)+len(b) > 0:
	case (xNamed || before == nil) && (yNamed || after == nil):
		a, b = x, y
		if was, is := order(before, y), order(after, x); !slices.Equal(was, is) {
			*out = append(*out, FieldChange{Path: phrase("%s", at), Before: quote(strings.Join(order(before, x), ", ")), After: quote(strings.Join(order(after, y), ", "))})
		}
		join = func(k string) string { return at + "[" + k + "]" }
	default:
		was, is := apart(value(before), value(after))
		*out = append(*out, FieldChange{Path: phrase("%s", at), Before: quote(was), After: quote(is)})
		return
	}
	for _, k := range sortedUnion(a, b) {
		compareValues(join(k), a[k], b[k], out)
	}
}

// named gives the items of a list by their names, if each has one of its own.
func named(v any) (map[string]any, bool) {
	items, ok := v.([]any)
	if !ok || len(items) == 0 {
		return nil, false
	}
	out := map[string]any{}
	for _, item := range items {
		m, _ := item.(map[string]any)
		name, _ := m["name"].(string)
		if name == "" || out[name] != nil {
			return nil, false
		}
		out[name] = item
	}
	return out, true
}

// order lists the names of a named list that are among some.
func order(list any, among map[string]any) []string {
	var names []string
	items, _ := list.([]any)
	for _, item := range items {
		m, _ := item.(map[string]any)
		if name, _ := m["name"].(string); among[name] != nil {
			names = append(names, name)
		}
	}
	return names
}

// value is a value as text; "" for one that is not there.
func value(v any) string {
	if v == nil {
		return ""
	}
	if s, ok := v.(string); ok && s != "" {
		return s
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// quote shows a value on one line; nothing for one that is not there.
func quote(s string) Phrase {
	if s == "" {
		return ""
	}
	return phrase("%s", s)
}

// apart leaves out what two long values begin with alike, so that what differs is shown.
func apart(a, b string) (string, string) {
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	const context = 40
	if max(len(a), len(b)) <= maxName || same <= context {
		return a, b
	}
	return "…" + strings.ToValidUTF8(a[same-context:], ""), "…" + strings.ToValidUTF8(b[same-context:], "")
}

// images notes containers that run another image.
func (r *reviewer) images(id string, before, after built) {
	was, is := verify.Images(before.data), verify.Images(after.data)
	for _, container := range slices.Sorted(maps.Keys(is)) {
		if was[container] == is[container] {
			continue
		}
		where := fmt.Sprintf("%s %s", id, after.environment)
		note := ""
		if !strings.Contains(is[container], "@sha256:") {
			note = " (no digest: what it is can change without a commit)"
		}
		if was[container] == "" {
			r.review.Images = append(r.review.Images, phrase("%s: %s", where, is[container])+Phrase(note))
			continue
		}
		r.review.Images = append(r.review.Images, phrase("%s: %s → %s", where, was[container], is[container])+Phrase(note))
	}
}
