package verify

import (
	"slices"
	"strings"

	"github.com/berth-gitops/berth/generator"
)

// checkPods looks at the pod template of a workload.
func (c *checker) checkPods(t generator.Target, file string, o object) {
	spec, ok := podSpec(o)
	if !ok {
		return
	}
	if where := readsSecret(spec, generator.PullSecretName); where != "" {
		c.add(ruleReadsPullSecret, file, 0, "%s takes %s into %s", o, generator.PullSecretName, where)
	}
	for _, what := range podFlaws(spec, podSecurity(c.Policy, t.Cluster)) {
		c.add(rulePodSecurity, file, 0, "%s: %s", o, what)
	}
}

// checkNeighbours finds what reaches out of a namespace by means that every project has.
func (c *checker) checkNeighbours(file string, o object) {
	if spec, ok := podSpec(o); ok && strings.HasPrefix(spec.text("priorityClassName"), "system-") {
		c.add(ruleNeighbours, file, 0, "%s takes a priority class of the system's", o)
	}
	c.checkAnnotations(file, o)
	switch o.groupKind() {
	case "Service":
		if o.at("spec", "loadBalancerIP") != nil {
			c.add(ruleNeighbours, file, 0, "%s takes a loadBalancerIP", o)
		}
		if o.at("spec", "externalIPs") != nil {
			c.add(ruleNeighbours, file, 0, "%s takes externalIPs", o)
		}
		if o.text("spec", "type") == "ExternalName" {
			c.add(ruleNeighbours, file, 0, "%s is an ExternalName", o)
		}
	case "Ingress.networking.k8s.io":
		c.checkIngress(file, o)
	}
}

// checkIngress keeps an Ingress to the hosts that its rules name, which checkHosts
// compares.
func (c *checker) checkIngress(file string, o object) {
	if o.at("spec", "defaultBackend") != nil {
		c.add(ruleNeighbours, file, 0, "%s has a default backend", o)
	}
	hosts := map[string]bool{}
	for _, rule := range list(o.at("spec", "rules")) {
		hosts[rule.text("host")] = true
		if host := rule.text("host"); host == "" || strings.HasPrefix(host, "*") {
			c.add(ruleNeighbours, file, 0, "%s has the host %q", o, clip(host))
		}
		for _, p := range list(rule.at("http", "paths")) {
			if strings.ContainsAny(p.text("path"), "`'\"") {
				c.add(ruleNeighbours, file, 0, "%s has a path with a quotation mark, which may end in another rule of the ingress controller's", o)
			}
		}
	}
	for _, tls := range list(o.at("spec", "tls")) {
		names, _ := tls["hosts"].([]any)
		for _, v := range names {
			if host, _ := v.(string); !hosts[host] {
				c.add(ruleNeighbours, file, 0, "%s has a certificate for the host %q, which none of its rules has", o, clip(host))
			}
		}
	}
}

// podSpec returns the pod spec of a workload.
func podSpec(o object) (object, bool) {
	fields := []string{"spec", "template", "spec"}
	if o.kind() == "CronJob" {
		fields = []string{"spec", "jobTemplate", "spec", "template", "spec"}
	}
	spec, ok := o.at(fields...).(map[string]any)
	return spec, ok
}

// readsSecret says in words where a pod takes a Secret, or "".
func readsSecret(spec object, secret string) string {
	for _, volume := range list(spec["volumes"]) {
		for source, v := range volume {
			if source != "name" && holdsText(v, secret) {
				return "a volume"
			}
		}
	}
	for _, container := range containers(spec) {
		for _, env := range list(container["env"]) {
			if env.text("valueFrom", "secretKeyRef", "name") == secret {
				return "an environment variable"
			}
		}
		for _, env := range list(container["envFrom"]) {
			if env.text("secretRef", "name") == secret {
				return "the environment"
			}
		}
	}
	return ""
}

// holdsText says that a value is, or has in it, exactly this text.
func holdsText(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return v == text
	case map[string]any:
		for _, item := range v {
			if holdsText(item, text) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return holdsText(item, text) })
	}
	return false
}

// list returns the mappings of a list.
func list(v any) []object {
	items, _ := v.([]any)
	var out []object
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func containers(spec object) []object {
	return slices.Concat(list(spec["containers"]), list(spec["initContainers"]), list(spec["ephemeralContainers"]))
}

// podFlaws lists what a Pod Security Standard refuses
// (kubernetes.io/docs/concepts/security/pod-security-standards). It knows the fields
// that are in use; the cluster has the last word.
func podFlaws(spec object, level string) []string {
	if level == "privileged" {
		return nil
	}
	var flaws []string
	for _, name := range []string{"hostNetwork", "hostPID", "hostIPC"} {
		if spec[name] == true {
			flaws = append(flaws, name)
		}
	}
	for _, volume := range list(spec["volumes"]) {
		if volume["hostPath"] != nil {
			flaws = append(flaws, "a hostPath volume")
		}
	}
	pod, _ := spec["securityContext"].(map[string]any)
	flaws = append(flaws, contextFlaws(pod)...)
	for _, container := range containers(spec) {
		own, _ := container["securityContext"].(map[string]any)
		flaws = append(flaws, contextFlaws(own)...)
		for _, port := range list(container["ports"]) {
			if n, ok := port["hostPort"].(float64); ok && n != 0 {
				flaws = append(flaws, "a hostPort")
			}
		}
		if level == "restricted" {
			flaws = append(flaws, restrictedFlaws(pod, own)...)
		}
	}
	slices.Sort(flaws)
	return slices.Compact(flaws)
}

// contextFlaws lists what the level baseline refuses in a securityContext.
func contextFlaws(context object) []string {
	var flaws []string
	if context["privileged"] == true {
		flaws = append(flaws, "a privileged container")
	}
	added, _ := context.at("capabilities", "add").([]any)
	for _, capability := range added {
		if name, _ := capability.(string); !slices.Contains(baselineCapabilities(), name) {
			flaws = append(flaws, "the capability "+clip(name))
		}
	}
	if context.text("seccompProfile", "type") == "Unconfined" {
		flaws = append(flaws, "no seccomp profile")
	}
	if mount := context.text("procMount"); mount != "" && mount != "Default" {
		flaws = append(flaws, "an unmasked /proc")
	}
	if strings.EqualFold(context.text("appArmorProfile", "type"), "Unconfined") {
		flaws = append(flaws, "no AppArmor profile")
	}
	if context.at("windowsOptions", "hostProcess") == true {
		flaws = append(flaws, "a Windows host process")
	}
	for _, sysctl := range list(context["sysctls"]) {
		if name := sysctl.text("name"); !slices.Contains(safeSysctls(), name) {
			flaws = append(flaws, "the sysctl "+clip(name))
		}
	}
	if options, _ := context["seLinuxOptions"].(map[string]any); options != nil {
		types := []string{"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
		o := object(options)
		if !slices.Contains(types, o.text("type")) || o.text("user")+o.text("role") != "" {
			flaws = append(flaws, "an SELinux label of its own")
		}
	}
	return flaws
}

func safeSysctls() []string {
	return []string{
		"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
		"net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
		"net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
	}
}

func baselineCapabilities() []string {
	return []string{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
		"SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
	}
}

// restrictedFlaws lists what the level restricted asks for besides.
func restrictedFlaws(pod, own object) []string {
	var flaws []string
	either := func(field string) any {
		if v := own.at(field); v != nil {
			return v
		}
		return pod.at(field)
	}
	if either("runAsNonRoot") != true {
		flaws = append(flaws, "runAsNonRoot is not true")
	}
	if own.at("allowPrivilegeEscalation") != false {
		flaws = append(flaws, "allowPrivilegeEscalation is not false")
	}
	dropped, _ := own.at("capabilities", "drop").([]any)
	if !slices.Contains(dropped, any("ALL")) {
		flaws = append(flaws, "not all capabilities are dropped")
	}
	if either("seccompProfile") == nil {
		flaws = append(flaws, "no seccomp profile")
	}
	return flaws
}
