package generator

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	kustomize "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// template is a Kustomize base, read and looked through.
type template struct {
	name   string
	digest string
	// files are the base's files as they are, by path inside the folder.
	files map[string][]byte
	// deployment is the Deployment called app; containerPorts are its app
	// container's.
	containerPorts []corev1.ContainerPort
	// service is the port called http of the Service called app.
	hasService bool
	// hasAccount says that there is a ServiceAccount called app.
	hasAccount bool
}

// templateNames lists the folders of bases.
func templateNames(bases fs.FS) []string {
	entries, err := fs.ReadDir(bases, ".")
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && checkLabel(e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	return names
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
	found := false
	for _, name := range sortedKeys(t.files) {
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" {
			return &fault{"has a file that is not YAML: " + name, "a template holds .yaml files only"}
		}
		for _, doc := range splitDocuments(t.files[name]) {
			deployment, f := t.inspectObject(name, doc)
			if f != nil {
				return f
			}
			found = found || deployment
		}
	}
	if !found {
		return &fault{"has no Deployment called app with a container called app and the image app", "see the package comment of templates"}
	}
	return nil
}

// splitDocuments cuts a YAML stream at its document separators.
func splitDocuments(stream []byte) []string {
	return strings.Split("\n"+string(stream), "\n---")
}

// inspectObject notes what one object means for overlays; deployment says
// that it is the one they patch.
func (t *template) inspectObject(file, doc string) (deployment bool, _ *fault) {
	var head struct {
		Kind     string   `json:"kind"`
		Metadata Metadata `json:"metadata"`
	}
	if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
		return false, &fault{"has a file that is not valid YAML: " + file, ""}
	}
	if head.Metadata.Name != AppName {
		return false, nil
	}
	switch head.Kind {
	case "ServiceAccount":
		t.hasAccount = true
	case "Service":
		var s corev1.Service
		if err := yaml.Unmarshal([]byte(doc), &s); err != nil {
			return false, &fault{"has a Service that Kubernetes would refuse: " + file, ""}
		}
		for _, p := range s.Spec.Ports {
			t.hasService = t.hasService || p.Name == portName
		}
	case "Deployment":
		var d appsv1.Deployment
		if err := yaml.Unmarshal([]byte(doc), &d); err != nil {
			return false, &fault{"has a Deployment that Kubernetes would refuse: " + file, ""}
		}
		for _, c := range d.Spec.Template.Spec.Containers {
			if c.Name == AppName && c.Image == AppName {
				t.containerPorts = c.Ports
				return true, nil
			}
		}
	}
	return false, nil
}

// base renders projects/<id>/base/: the template's files, and its
// kustomization.yaml with the template's digest and the project's label.
func (t *template) base(id string, files map[string][]byte) error {
	source := "template " + t.name
	for name, doc := range t.files {
		files[baseFolder(id)+name] = withHeader(source, doc)
	}
	var k map[string]any
	if err := yaml.Unmarshal(t.files[kustomizationFile], &k); err != nil {
		return fmt.Errorf("template %s: %s: %w", t.name, kustomizationFile, err)
	}
	metadata, _ := k["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	k["metadata"] = with(metadata, "annotations", with(annotations, AnnotationTemplate, t.name+"@"+t.digest))
	labels, _ := k["labels"].([]any)
	k["labels"] = append(labels, kustomize.Label{Pairs: map[string]string{LabelProject: id}, IncludeTemplates: true})
	doc, err := yaml.Marshal(k)
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
