package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// document is one YAML document as plain data.
type document map[string]any

// at is the map under a path of keys, made when it is missing.
func (d document) at(keys ...string) document {
	here := d
	for _, key := range keys {
		next, ok := here[key].(map[string]any)
		if !ok {
			next = map[string]any{}
			here[key] = next
		}
		here = next
	}
	return here
}

// push adds to a list.
func (d document) push(key string, values ...any) {
	list, _ := d[key].([]any)
	d[key] = append(list, values...)
}

// readDocument reads a file with one document.
func readDocument(file string) (document, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var d document
	if err := yaml.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return d, nil
}

func writeDocument(file string, d document) error {
	data, err := yaml.Marshal(d)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o600)
}

// change edits a file with one document.
func change(file string, edit func(document)) error {
	d, err := readDocument(file)
	if err != nil {
		return err
	}
	edit(d)
	return writeDocument(file, d)
}

// changeObject edits the one object of a kind in a file of several documents.
func changeObject(file, kind string, edit func(document)) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	parts := bytes.Split(data, []byte("\n---\n"))
	for i, part := range parts {
		var d document
		if err := yaml.Unmarshal(part, &d); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if d["kind"] != kind {
			continue
		}
		edit(d)
		if parts[i], err = yaml.Marshal(d); err != nil {
			return err
		}
		return os.WriteFile(file, bytes.Join(parts, []byte("\n---\n")), 0o600)
	}
	return fmt.Errorf("%s has no %s", file, kind)
}

// replaceIn replaces text in a file; it must be there.
func replaceIn(file, old, text string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !strings.Contains(string(data), old) {
		return fmt.Errorf("%s does not hold %q", file, old)
	}
	return os.WriteFile(file, []byte(strings.ReplaceAll(string(data), old, text)), 0o600)
}

// addResource writes a file beside a kustomization.yaml, which then lists it.
func addResource(folder, name, text string) error {
	if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
		return err
	}
	return change(filepath.Join(folder, "kustomization.yaml"), func(d document) { d.push("resources", name) })
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}
