package generator

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"
)

// template is a Kustomize base, read and looked through.
type template struct {
	name   string
	digest string
	// files are the base's files as they are, by path inside the folder.
	files map[string][]byte
	// kustomization is what kustomization.yaml says.
	kustomization map[string]any
	// containerPorts are those of the container called app.
	containerPorts []containerPort
	// hasService says that there is a Service called app with a port called http.
	hasService bool
	// hasAccount says that there is a ServiceAccount called app.
	hasAccount bool
}

// templateNames lists the folders of bases.
func templateNames(bases fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(bases, ".")
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && checkFolder(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// readTemplate reads and checks one base. The fault is about the template, the
// error about reading it.
func readTemplate(bases fs.FS, name string) (*template, *fault, error) {
	t := &template{name: name, files: map[string][]byte{}}
	err := fs.WalkDir(bases, name, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		doc, err := fs.ReadFile(bases, p)
		t.files[strings.TrimPrefix(p, name+"/")] = doc
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read template %s: %w", name, err)
	}
	t.digest = digestOf(t.files)
	return t, t.inspect(), nil
}

// digestOf is a SHA-256 over the names and contents of files, each with its
// length in front.
func digestOf(files map[string][]byte) string {
	h := sha256.New()
	part := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(b))))
		h.Write(b)
	}
	for _, name := range sortedKeys(files) {
		part([]byte(name))
		part(files[name])
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// inspect finds the objects that overlays patch.
func (t *template) inspect() *fault {
	if _, ok := t.files[kustomizationFile]; !ok {
		return &fault{"has no " + kustomizationFile, "a template is a Kustomize base"}
	}
	if err := yaml.Unmarshal(t.files[kustomizationFile], &t.kustomization); err != nil {
		return notYAML(kustomizationFile)
	}
	found := false
	for _, name := range sortedKeys(t.files) {
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" {
			return &fault{"has a file that is not YAML: " + name, "a template holds .yaml files only"}
		}
		if name == kustomizationFile {
			continue
		}
		deployment, f := t.inspectFile(name)
		if f != nil {
			return f
		}
		found = found || deployment
	}
	if !found {
		return &fault{"has no Deployment called app with a container called app and the image app", "see the package comment of templates"}
	}
	return nil
}

func notYAML(file string) *fault { return &fault{"has a file that is not valid YAML: " + file, ""} }

// templateObject is what overlays need to know of an object of a base.
type templateObject struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Ports    []struct{ Name string } // a Service's
		Template struct {
			Spec struct {
				Containers []struct {
					Name, Image string
					Ports       []containerPort
				}
			}
		}
	}
}

type containerPort struct {
	Name          string
	ContainerPort int32 `yaml:"containerPort"`
	Protocol      corev1.Protocol
}

// inspectFile goes through the objects of a file; deployment says that the one that
// overlays patch is among them.
func (t *template) inspectFile(name string) (deployment bool, _ *fault) {
	in := yaml.NewDecoder(bytes.NewReader(t.files[name]))
	for {
		var o templateObject
		err := in.Decode(&o)
		var mismatch *yaml.TypeError
		switch {
		case errors.Is(err, io.EOF):
			return deployment, nil
		case errors.As(err, &mismatch):
			return false, &fault{"has an object that Kubernetes would refuse: " + name, ""}
		case err != nil:
			return false, notYAML(name)
		}
		deployment = t.note(o) || deployment
	}
}

// note keeps what one object means for overlays; it says whether it is the Deployment
// that they patch.
func (t *template) note(o templateObject) bool {
	if o.Metadata.Name != AppName {
		return false
	}
	switch o.Kind {
	case "ServiceAccount":
		t.hasAccount = true
	case "Service":
		for _, p := range o.Spec.Ports {
			t.hasService = t.hasService || p.Name == portName
		}
	case "Deployment":
		for _, c := range o.Spec.Template.Spec.Containers {
			if c.Name == AppName && c.Image == AppName {
				t.containerPorts = c.Ports
				return true
			}
		}
	}
	return false
}

// base renders projects/<id>/base/: the template's files, and its
// kustomization.yaml with the template's digest and the project's label.
func (t *template) base(id string, files map[string][]byte) error {
	source := "template " + t.name
	for name, doc := range t.files {
		files[baseFolder(id)+name] = withHeader(source, doc)
	}
	metadata, _ := t.kustomization["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	k := with(t.kustomization, "metadata", with(metadata, "annotations", with(annotations, AnnotationTemplate, t.name+"@"+t.digest)))
	labels, _ := k["labels"].([]any)
	k["labels"] = append(labels, map[string]any{"pairs": map[string]any{LabelProject: id}, "includeTemplates": true})
	doc, err := documents(k)
	if err != nil {
		return fmt.Errorf("template %s: %w", t.name, err)
	}
	files[baseFolder(id)+kustomizationFile] = withHeader(source, doc)
	return nil
}

// with returns m with one more entry.
func with(m map[string]any, key string, value any) map[string]any {
	if m == nil {
		m = map[string]any{}
	}
	m[key] = value
	return m
}
