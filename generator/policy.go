package generator

import (
	"fmt"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// policies are the ValidatingAdmissionPolicies of a cluster with their
// bindings. They are static, run inside the API server and fail closed.
func policies(cluster string) []any {
	var objects []any
	for _, p := range []*admissionv1.ValidatingAdmissionPolicy{podPolicy(), servicePolicy(), kustomizationPolicy(cluster), platformPolicy()} {
		objects = append(objects, p, binding(p.Name))
	}
	return objects
}

func policy(name string, spec admissionv1.ValidatingAdmissionPolicySpec) *admissionv1.ValidatingAdmissionPolicy {
	fail := admissionv1.Fail
	spec.FailurePolicy = &fail
	return &admissionv1.ValidatingAdmissionPolicy{
		TypeMeta:   policyType("ValidatingAdmissionPolicy"),
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       spec,
	}
}

func binding(name string) *admissionv1.ValidatingAdmissionPolicyBinding {
	return &admissionv1.ValidatingAdmissionPolicyBinding{
		TypeMeta:   policyType("ValidatingAdmissionPolicyBinding"),
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        name,
			ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}
}

func policyType(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: kind}
}

// onWrite matches some operations on resources of one group in any version.
func onWrite(group string, operations []admissionv1.OperationType, resources ...string) admissionv1.NamedRuleWithOperations {
	return admissionv1.NamedRuleWithOperations{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: operations,
		Rule: admissionv1.Rule{
			APIGroups:   []string{group},
			APIVersions: []string{"*"},
			Resources:   resources,
		},
	}}
}

func createOrUpdate() []admissionv1.OperationType {
	return []admissionv1.OperationType{admissionv1.Create, admissionv1.Update}
}

func deny(expression, message string) admissionv1.Validation {
	return admissionv1.Validation{Expression: expression, Message: message}
}

// podPolicy keeps pods of projects from reading the pull secret; the kubelet
// reads it for them. Flux writes the Secret and a pod is the only way to read
// it that everyone who can write below projects/ has. Nor may they have a
// priority that Kubernetes keeps for itself and yet gives to everyone.
func podPolicy() *admissionv1.ValidatingAdmissionPolicy {
	validations := []admissionv1.Validation{deny(volumesWithout(PullSecretName),
		PullSecretName+" is for pulling images; a pod may not mount it")}
	for _, list := range []string{"containers", "initContainers", "ephemeralContainers"} {
		validations = append(validations, deny(containersWithout(list, PullSecretName),
			PullSecretName+" is for pulling images; "+list+" may not take it into their environment"))
	}
	validations = append(validations, deny("!object.spec.?priorityClassName.orValue('').startsWith('system-')",
		"a priority of the system's own would drive other projects' pods from the nodes"))
	return policy("berth-pods", admissionv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: inProjects(onWrite("", createOrUpdate(), "pods", "pods/ephemeralcontainers")),
		MatchConditions: []admissionv1.MatchCondition{{
			// A pod on its way out only loses finalizers; a debug container
			// can be added even then.
			Name:       "not-leaving",
			Expression: "has(request.subResource) || !has(object.metadata.deletionTimestamp)",
		}},
		Validations: validations,
	})
}

// servicePolicy keeps Services of projects inside their namespace. With an external
// address a Service takes the traffic that others send there; through one that is only a
// name an ingress controller, which every project lets in, reaches other projects' pods.
func servicePolicy() *admissionv1.ValidatingAdmissionPolicy {
	return policy("berth-services", admissionv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: inProjects(onWrite("", createOrUpdate(), "services")),
		MatchConditions:  []admissionv1.MatchCondition{notLeaving()},
		Validations: []admissionv1.Validation{
			deny("object.spec.?externalIPs.orValue([]).size() == 0",
				"a Service may not take externalIPs: it would get the traffic of others"),
			deny("object.spec.?type.orValue('') != 'ExternalName'",
				"a Service may not be an ExternalName: an ingress controller would reach other namespaces through it"),
		},
	})
}

// inProjects matches rules in the namespaces of projects.
func inProjects(rules ...admissionv1.NamedRuleWithOperations) *admissionv1.MatchResources {
	return &admissionv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: LabelProject, Operator: metav1.LabelSelectorOpExists},
		}},
		ResourceRules: rules,
	}
}

// notLeaving lets finalizers be taken off what is being deleted.
func notLeaving() admissionv1.MatchCondition {
	return admissionv1.MatchCondition{
		Name:       "not-leaving",
		Expression: "!has(object.metadata.deletionTimestamp) || oldObject == null || object.spec != oldObject.spec",
	}
}

// volumesWithout is true of a pod none of whose volumes shows the Secret to a
// container or hands all of it to a driver.
func volumesWithout(secret string) string {
	return fmt.Sprintf(`object.spec.?volumes.orValue([]).all(v,
  v.?secret.?secretName.orValue('') != '%[1]s' &&
  v.?csi.?nodePublishSecretRef.?name.orValue('') != '%[1]s' &&
  v.?flexVolume.?secretRef.?name.orValue('') != '%[1]s' &&
  v.?projected.?sources.orValue([]).all(s, s.?secret.?name.orValue('') != '%[1]s'))`, secret)
}

// containersWithout is true of a pod none of whose containers in list takes
// the Secret into its environment.
func containersWithout(list, secret string) string {
	return fmt.Sprintf(`object.spec.?%[1]s.orValue([]).all(c,
  c.?env.orValue([]).all(e, e.?valueFrom.?secretKeyRef.?name.orValue('') != '%[2]s') &&
  c.?envFrom.orValue([]).all(e, e.?secretRef.?name.orValue('') != '%[2]s'))`, list, secret)
}

// kustomizationPolicy ties what a Flux Kustomization in PlatformNamespace may
// do to its name. It binds everyone, so that nobody who may write there can
// point one project at another's path or key.
func kustomizationPolicy(cluster string) *admissionv1.ValidatingAdmissionPolicy {
	decryption := "object.spec.?decryption"
	secret := decryption + ".?secretRef.?name.orValue('')"
	return policy("berth-kustomizations", admissionv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: &admissionv1.MatchResources{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: PlatformNamespace}},
			ResourceRules: []admissionv1.NamedRuleWithOperations{
				onWrite("kustomize.toolkit.fluxcd.io", createOrUpdate(), "kustomizations"),
			},
		},
		MatchConditions: []admissionv1.MatchCondition{notLeaving()},
		Variables: []admissionv1.Variable{
			{Name: "name", Expression: "object.metadata.name"},
			{Name: "isProject", Expression: isProjectName("variables.name")},
			{Name: "isTenant", Expression: `variables.name.matches('^tenant-[a-z0-9]([a-z0-9-]*[a-z0-9])?$')`},
			{Name: "isRoot", Expression: "variables.name == '" + RootKustomization + "'"},
			{Name: "environment", Expression: "variables.isProject ? variables.name.substring(variables.name.lastIndexOf('-') + 1) : ''"},
			{Name: "id", Expression: "variables.isProject ? " + projectOf("variables.name") + " : " +
				"variables.isTenant ? variables.name.substring(7) : ''"},
			{Name: "path", Expression: "variables.isProject ? './projects/' + variables.id + '/overlays/' + variables.environment : " +
				"variables.isTenant ? './tenants/" + cluster + "/' + variables.id : './fleet/" + cluster + "'"},
			{Name: "account", Expression: "variables.isProject ? variables.name : '" + PlatformAccount + "'"},
			{Name: "target", Expression: "variables.isProject ? variables.name : ''"},
			{Name: "key", Expression: "variables.isProject ? 'sops-' + variables.id : variables.isTenant ? '" + PlatformKeySecret + "' : ''"},
		},
		Validations: []admissionv1.Validation{
			deny("variables.isProject || variables.isTenant || variables.isRoot",
				"only project-<id>-<env>, tenant-<id> and "+RootKustomization+" may stand in "+PlatformNamespace),
			deny("!(variables.id in ['age', 'berth', 'kustomization'])", "this project id is reserved"),
			deny("object.spec.?path.orValue('') == variables.path", "spec.path must follow from the name"),
			deny("object.spec.?serviceAccountName.orValue('') == variables.account", "spec.serviceAccountName must follow from the name"),
			deny("object.spec.?targetNamespace.orValue('') == variables.target", "spec.targetNamespace must follow from the name"),
			deny("!has(object.spec.decryption) || (object.spec.decryption.provider == 'sops' && "+
				"variables.key != '' && "+secret+" == variables.key && !has(object.spec.decryption.serviceAccountName))",
				"spec.decryption must use the key that follows from the name"),
			deny("object.spec.sourceRef.kind == 'GitRepository' && object.spec.sourceRef.name == '"+GitRepository+"' && "+
				"object.spec.sourceRef.?namespace.orValue('"+PlatformNamespace+"') == '"+PlatformNamespace+"'",
				"spec.sourceRef must be the GitRepository "+GitRepository),
			deny("request.userInfo.username != '"+platformUser+"' || "+
				appliedBy("variables.isProject ? 'tenant-' + variables.id : variables.isTenant ? '"+RootKustomization+"' : ''"),
				"a project's Kustomization may only come from its own tenant-<id>, and that from "+RootKustomization),
			deny(none("object.spec", "commonMetadata", "components", "images", "kubeConfig", "namePrefix", "nameSuffix", "patches", "postBuild"),
				"a Kustomization here may not change what it builds, or apply it elsewhere"),
		},
	})
}

// platformUser is the ServiceAccount berth as the API server sees it.
const platformUser = "system:serviceaccount:" + PlatformNamespace + ":" + PlatformAccount

// isProjectName is true of a name of the form project-<id>-<env>.
func isProjectName(name string) string {
	return name + `.matches('^project-[a-z0-9]([a-z0-9-]*[a-z0-9])?-[a-z0-9]{1,16}$')`
}

// projectOf is the id in such a name.
func projectOf(name string) string {
	return name + ".substring(8, " + name + ".lastIndexOf('-'))"
}

// appliedBy is true of an object that the named Flux Kustomization applies. Flux
// labels what it applies with its own name, whatever the object's file says.
func appliedBy(kustomization string) string {
	return "object.metadata.?labels[?'kustomize.toolkit.fluxcd.io/name'].orValue('') == (" + kustomization + ")"
}

// none is true of an object that has none of the fields.
func none(object string, fields ...string) string {
	terms := make([]string, len(fields))
	for i, f := range fields {
		terms[i] = "!has(" + object + "." + f + ")"
	}
	return strings.Join(terms, " && ")
}

// platformPolicy narrows what the ServiceAccount berth may touch, further than
// RBAC can: namespaces of projects with the labels that podPolicy selects by,
// what is in them, and in PlatformNamespace the objects of projects only. So a
// file slipped into tenants/ cannot replace the platform's key or Git
// credential, nor reach the namespaces of others, other projects' included.
func platformPolicy() *admissionv1.ValidatingAdmissionPolicy {
	every := append(createOrUpdate(), admissionv1.Delete)
	written := "request.operation == 'DELETE' || request.resource.resource != "
	return policy("berth-platform", admissionv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{
			onWrite("", every, "configmaps", "limitranges", "namespaces", "resourcequotas", "secrets", "serviceaccounts"),
			onWrite("networking.k8s.io", every, "networkpolicies"),
			onWrite("rbac.authorization.k8s.io", every, "rolebindings"),
		}},
		MatchConditions: []admissionv1.MatchCondition{{
			Name:       "berth",
			Expression: "request.userInfo.username == '" + platformUser + "'",
		}},
		Variables: []admissionv1.Variable{
			{Name: "resource", Expression: "request.resource.resource"},
			{Name: "target", Expression: "variables.resource == 'namespaces' ? request.name : request.namespace"},
			{Name: "name", Expression: "variables.resource == 'serviceaccounts' ? request.name : variables.target"},
			{Name: "owner", Expression: "variables.resource == 'configmaps' ? '" + RootKustomization + "' : " +
				"variables.resource == 'secrets' && request.name.startsWith('sops-') ? 'tenant-' + request.name.substring(5) : " +
				isProjectName("variables.name") + " ? 'tenant-' + " + projectOf("variables.name") + " : ''"},
		},
		Validations: []admissionv1.Validation{
			deny("variables.resource in ['configmaps', 'secrets', 'serviceaccounts'] || variables.target.startsWith('project-')",
				PlatformAccount+" may only touch namespaces called project-<id>-<env> and what is in them"),
			deny("variables.resource != 'configmaps' || request.name == '"+fleetMarkerName+"'",
				PlatformAccount+" may only touch the ConfigMap "+fleetMarkerName),
			deny("variables.resource != 'serviceaccounts' || request.name.startsWith('project-')",
				PlatformAccount+" may only touch the ServiceAccounts of projects"),
			deny("variables.resource != 'secrets' || (request.name.startsWith('sops-') && request.name != '"+PlatformKeySecret+"')",
				PlatformAccount+" may only touch the key Secrets of projects"),
			deny("request.operation == 'DELETE' || "+appliedBy("variables.owner"),
				"an object of a project may only come from that project's own tenant-<id>"),
			deny(written+"'namespaces' || object.metadata.name == 'project-' + "+
				"object.metadata.?labels[?'"+LabelProject+"'].orValue('') + '-' + object.metadata.?labels[?'"+LabelEnvironment+"'].orValue('')",
				"the labels "+LabelProject+" and "+LabelEnvironment+" must follow from the namespace's name"),
			deny(written+"'rolebindings' || (object.roleRef.kind == 'ClusterRole' && object.roleRef.name == '"+ProjectRole+"' && "+
				"object.?subjects.orValue([]).all(s, s.kind == 'ServiceAccount' && s.?namespace.orValue('') == '"+PlatformNamespace+"' && "+
				"s.name == object.metadata.namespace))",
				"a RoleBinding of "+PlatformAccount+" must give "+ProjectRole+" to the namespace's own ServiceAccount"),
		},
	})
}
