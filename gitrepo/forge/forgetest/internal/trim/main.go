// Command trim cuts GitHub's OpenAPI description (13 MB) down to the operations
// that package forge calls, and all that these refer to:
//
//	npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-23.0.2.tgz
//	go run ./gitrepo/forge/forgetest/internal/trim < package/generated/api.github.com.json > gitrepo/forge/forgetest/testdata/api.github.com.json
//
// Texts for people are dropped; schemas are left as they are.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func operations() map[string][]string {
	const repo = "/repos/{owner}/{repo}"
	return map[string][]string{
		"/user":                                       {"get"},
		repo + "/pulls":                               {"get", "post"},
		repo + "/pulls/{pull_number}":                 {"get", "patch"},
		repo + "/issues/{issue_number}/labels":        {"post"},
		repo + "/issues/{issue_number}/labels/{name}": {"delete"},
		repo + "/issues/{issue_number}/comments":      {"get", "post"},
		repo + "/issues/comments/{comment_id}":        {"patch", "delete"},
	}
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "trim:", err)
		os.Exit(1)
	}
}

type object = map[string]any

func run(in io.Reader, out io.Writer) error {
	var doc object
	if err := json.NewDecoder(in).Decode(&doc); err != nil {
		return err
	}
	paths := object{}
	for path, methods := range operations() {
		item, ok := doc["paths"].(object)[path].(object)
		if !ok {
			return fmt.Errorf("the description has no path %s", path)
		}
		kept := object{}
		for _, m := range methods {
			if kept[m], ok = item[m]; !ok {
				return fmt.Errorf("the description has no %s %s", m, path)
			}
		}
		paths[path] = kept
	}
	info := doc["info"].(object)
	t := trimmer{source: doc, components: object{}}
	trimmed := object{
		"openapi": doc["openapi"],
		"info":    object{"title": info["title"], "version": info["version"], "license": info["license"]},
		"paths":   t.clean(paths, true),
	}
	if t.err != nil {
		return t.err
	}
	trimmed["components"] = t.components
	enc := json.NewEncoder(out)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false)
	return enc.Encode(trimmed)
}

type trimmer struct {
	source, components object
	err                error
}

// clean copies a value without texts for people, and takes along what it
// refers to. Examples are data, where no key is a keyword.
func (t *trimmer) clean(v any, keywords bool) any {
	switch v := v.(type) {
	case []any:
		copied := make([]any, len(v))
		for i := range v {
			copied[i] = t.clean(v[i], keywords)
		}
		return copied
	case object:
		if ref, ok := v["$ref"].(string); ok && keywords {
			t.take(ref)
			return object{"$ref": ref}
		}
		copied := object{}
		for key, value := range v {
			if keywords && t.drop(key, v) {
				continue
			}
			_, composite := value.(object) // the one example of an operation is called "default"
			data := slices.Contains([]string{"example", "value", "enum"}, key) || key == "default" && !composite
			copied[key] = t.clean(value, keywords && !data)
		}
		if _, isResponse := v["content"]; keywords && isResponse && v["description"] != nil {
			copied["description"] = "" // required in a response
		}
		return copied
	}
	return v
}

func (t *trimmer) drop(key string, in object) bool {
	if strings.HasPrefix(key, "x-") {
		return true
	}
	_, text := in[key].(string)
	switch key {
	case "description":
		_, response := in["headers"]
		return text && !response && len(in) > 1
	case "summary", "operationId":
		return text
	case "externalDocs", "tags", "title":
		return text || key != "title" && in["responses"] != nil
	}
	return false
}

// take copies #/components/<kind>/<name>.
func (t *trimmer) take(ref string) {
	parts := strings.Split(strings.TrimPrefix(ref, "#/components/"), "/")
	if len(parts) != 2 {
		t.err = fmt.Errorf("%s is not a reference to a component", ref)
		return
	}
	kind, name := parts[0], parts[1]
	group, ok := t.components[kind].(object)
	if !ok {
		group = object{}
		t.components[kind] = group
	}
	if _, done := group[name]; done {
		return
	}
	group[name] = nil // schemas refer to themselves
	component, ok := t.source["components"].(object)[kind].(object)[name]
	if !ok {
		t.err = fmt.Errorf("the description lacks %s", ref)
		return
	}
	group[name] = t.clean(component, true)
}
