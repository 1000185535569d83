package generator

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kustomize "sigs.k8s.io/kustomize/api/types"
)

// portName is the name of the port that serves HTTP.
const portName = "http"

// overlay renders the workload half of an environment.
func (e *environment) overlay(files map[string][]byte) error {
	folder := overlayFolder(e.id, e.spec.Name)
	k := &kustomize.Kustomization{
		TypeMeta:  kustomizationType(),
		Namespace: e.namespace,
		Resources: []string{"../../base"},
		Images:    []kustomize.Image{imageOf(e.image)},
	}
	if e.pull != nil {
		k.Resources = append(k.Resources, pullSecretFile)
	}
	if e.spec.Host != "" {
		k.Resources = append(k.Resources, ingressFile)
		doc, err := documents(e.ingress())
		if err != nil {
			return err
		}
		files[folder+ingressFile] = withHeader(e.source, doc)
	}
	for _, name := range e.components {
		k.Components = append(k.Components, "../../components/"+name)
	}
	if e.replicas != nil {
		k.Replicas = []kustomize.Replica{{Name: AppName, Count: int64(*e.replicas)}}
	}
	var err error
	if k.Patches, err = e.patches(); err != nil {
		return err
	}
	doc, err := documents(k)
	if err != nil {
		return fmt.Errorf("%s: %w", folder+kustomizationFile, err)
	}
	files[folder+kustomizationFile] = withHeader(e.source, doc)
	return nil
}

// imageOf replaces the template's placeholder. The reference keeps the user's
// spelling, without a default registry. A tag that is missing is written out,
// which says the same: kustomize would print a bare name such as 1e3 as a
// number.
func imageOf(ref string) kustomize.Image {
	image := kustomize.Image{Name: AppName}
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return image // refused by validation before
	}
	rest := ref
	if d, ok := named.(reference.Digested); ok {
		image.Digest = d.Digest().String()
		rest = rest[:len(rest)-len("@"+image.Digest)]
	}
	if t, ok := named.(reference.Tagged); ok {
		image.NewTag = t.Tag()
		rest = rest[:len(rest)-len(":"+image.NewTag)]
	}
	if image.Digest == "" && image.NewTag == "" {
		image.NewTag = "latest"
	}
	image.NewName = rest
	return image
}

// The patches are small structs of their own: Kubernetes' types would print
// fields that are not meant, such as an empty strategy.
type (
	objectPatch struct {
		APIVersion       string                        `json:"apiVersion"`
		Kind             string                        `json:"kind"`
		Metadata         metadataPatch                 `json:"metadata"`
		ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
		Spec             *workloadPatch                `json:"spec,omitempty"`
	}
	metadataPatch struct {
		Name   string            `json:"name,omitempty"`
		Labels map[string]string `json:"labels,omitempty"`
	}
	workloadPatch struct {
		Template podPatch `json:"template"`
	}
	podPatch struct {
		Metadata metadataPatch `json:"metadata"`
		Spec     podSpecPatch  `json:"spec"`
	}
	podSpecPatch struct {
		ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
		SecurityContext  *corev1.PodSecurityContext    `json:"securityContext,omitempty"`
		Containers       []containerPatch              `json:"containers"`
	}
	containerPatch struct {
		Name            string                       `json:"name"`
		ImagePullPolicy corev1.PullPolicy            `json:"imagePullPolicy,omitempty"`
		Env             []corev1.EnvVar              `json:"env,omitempty"`
		Ports           []portPatch                  `json:"ports,omitempty"`
		Resources       *corev1.ResourceRequirements `json:"resources,omitempty"`
		SecurityContext *corev1.SecurityContext      `json:"securityContext,omitempty"`
	}
	// portPatch is a port, or the directive that says that the patch's list
	// takes the place of the template's: ports merge by number otherwise.
	portPatch struct {
		Directive     string          `json:"$patch,omitempty"`
		Name          string          `json:"name,omitempty"`
		ContainerPort int32           `json:"containerPort,omitempty"`
		Protocol      corev1.Protocol `json:"protocol,omitempty"`
	}
)

// patches returns the strategic merge patches of an environment.
func (e *environment) patches() ([]kustomize.Patch, error) {
	patches := []*objectPatch{{
		APIVersion: "apps/v1",
		Kind:       "Deployment",
		Metadata:   metadataPatch{Name: AppName, Labels: e.label()},
		Spec:       &workloadPatch{podPatch{Metadata: metadataPatch{Labels: e.label()}, Spec: e.podPatch()}},
	}}
	if e.pull != nil && e.template.hasAccount {
		patches = append(patches, &objectPatch{
			APIVersion:       "v1",
			Kind:             "ServiceAccount",
			Metadata:         metadataPatch{Name: AppName},
			ImagePullSecrets: e.pullSecrets(),
		})
	}
	out := make([]kustomize.Patch, len(patches))
	for i, p := range patches {
		doc, err := documents(p)
		if err != nil {
			return nil, fmt.Errorf("patch of %s: %w", e.namespace, err)
		}
		out[i] = kustomize.Patch{Patch: string(doc)}
	}
	return out, nil
}

func (e *environment) label() map[string]string {
	return map[string]string{LabelEnvironment: e.spec.Name}
}

func (e *environment) pullSecrets() []corev1.LocalObjectReference {
	if e.pull == nil {
		return nil
	}
	return []corev1.LocalObjectReference{{Name: PullSecretName}}
}

func (e *environment) podPatch() podSpecPatch {
	app := containerPatch{Name: AppName, Env: e.envVars(), Ports: e.ports(), Resources: requirements(e.resources)}
	if e.pull != nil {
		// A private image in a node's cache would be there for every tenant.
		app.ImagePullPolicy = corev1.PullAlways
	}
	pod := podSpecPatch{ImagePullSecrets: e.pullSecrets()}
	if e.podSecurity == "restricted" {
		yes := true
		pod.SecurityContext = &corev1.PodSecurityContext{RunAsNonRoot: &yes}
		app.SecurityContext = &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
	}
	pod.Containers = []containerPatch{app}
	return pod
}

func (e *environment) envVars() []corev1.EnvVar {
	var vars []corev1.EnvVar
	for _, name := range sortedKeys(e.env) {
		vars = append(vars, corev1.EnvVar{Name: name, Value: plainText(e.env[name])})
	}
	return vars
}

// plainText writes a variable's value so that the kubelet, which takes $(NAME)
// for a reference and $$ for $, makes of it what it was. Doubling every $ does;
// values without either are left alone.
func plainText(value string) string {
	if !strings.Contains(value, "$$") && !strings.Contains(value, "$(") {
		return value
	}
	return strings.ReplaceAll(value, "$", "$$")
}

// ports gives the port called http the project's number and keeps the
// template's other ports.
func (e *environment) ports() []portPatch {
	if e.port == 0 {
		return nil
	}
	ports := []portPatch{{Directive: "replace"}, {Name: portName, ContainerPort: e.port}}
	for _, p := range e.template.containerPorts {
		if p.Name != portName {
			ports = append(ports, portPatch{Name: p.Name, ContainerPort: p.ContainerPort, Protocol: p.Protocol})
		}
	}
	return ports
}

// requirements converts validated resources; nil when there are none.
func requirements(r *Resources) *corev1.ResourceRequirements {
	if r == nil || len(r.Requests)+len(r.Limits) == 0 {
		return nil
	}
	return &corev1.ResourceRequirements{Requests: resourceList(r.Requests), Limits: resourceList(r.Limits)}
}

// resourceList converts validated quantities; nil when there are none.
func resourceList(q Quantities) corev1.ResourceList {
	if len(q) == 0 {
		return nil
	}
	list := corev1.ResourceList{}
	for name, value := range q {
		list[corev1.ResourceName(name)] = resource.MustParse(value)
	}
	return list
}

// ingress routes the environment's host to the app's Service.
func (e *environment) ingress() *networkingv1.Ingress {
	prefix := networkingv1.PathTypePrefix
	in := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "Ingress"},
		ObjectMeta: metav1.ObjectMeta{Name: AppName, Namespace: e.namespace, Labels: e.labels()},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			Host: e.spec.Host,
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{
					Path:     "/",
					PathType: &prefix,
					Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
						Name: AppName,
						Port: networkingv1.ServiceBackendPort{Name: portName},
					}},
				}},
			}},
		}}},
	}
	if e.cluster.IngressClass != "" {
		in.Spec.IngressClassName = &e.cluster.IngressClass
	}
	return in
}
