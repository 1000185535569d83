package stand

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/berth-gitops/berth/e2e/components"
	"github.com/berth-gitops/berth/e2e/process"
)

// FluxNamespace is where flux bootstrap puts the controllers.
const FluxNamespace = "flux-system"

// flux is source-controller and kustomize-controller, run as host processes
// with the rights that `flux install` gives them and the flags that lock
// tenants down.
type flux struct {
	dir, logs  string
	bin        *components.Binaries
	concurrent int    // of kustomize-controller; 0 is the program's own default
	tmp        string // the controllers' temporary folder

	source, kustomize *process.Process
}

// install puts CRDs, namespace and rights into the cluster, as flux install does.
func (f *flux) install(ctx context.Context, c client.Client) error {
	if err := f.applyCRDs(ctx, c); err != nil {
		return err
	}
	for _, obj := range fluxObjects() {
		if err := c.Create(ctx, obj); err != nil {
			return fmt.Errorf("installing %T %s: %w", obj, obj.GetName(), err)
		}
	}
	return nil
}

func (f *flux) applyCRDs(ctx context.Context, c client.Client) error {
	files, err := filepath.Glob(filepath.Join(f.bin.CRDs, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no CRDs in %s: %w", f.bin.CRDs, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(data, &crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := c.Create(ctx, &crd); err != nil {
			return fmt.Errorf("installing %s: %w", file, err)
		}
		name := crd.Name
		err = eventually(ctx, Patience, nil, func(ctx context.Context) error {
			var got apiextensionsv1.CustomResourceDefinition
			if err := c.Get(ctx, client.ObjectKey{Name: name}, &got); err != nil {
				return err
			}
			for _, cond := range got.Status.Conditions {
				if cond.Type == apiextensionsv1.Established && cond.Status == apiextensionsv1.ConditionTrue {
					return nil
				}
			}
			return fmt.Errorf("CRD %s is not established", name)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fluxObjects are the objects of `flux install` that the two controllers need:
// kustomize-controller is cluster-admin and impersonates from there.
func fluxObjects() []client.Object {
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: name} }
	account := func(name string) *corev1.ServiceAccount {
		return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: FluxNamespace}}
	}
	subject := func(name string) rbacv1.Subject {
		return rbacv1.Subject{Kind: rbacv1.ServiceAccountKind, Name: name, Namespace: FluxNamespace}
	}
	role := func(name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name}
	}
	all := []string{"*"}
	return []client.Object{
		&corev1.Namespace{ObjectMeta: meta(FluxNamespace)},
		account("source-controller"),
		account("kustomize-controller"),
		&rbacv1.ClusterRole{ObjectMeta: meta("crd-controller-flux-system"), Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"source.toolkit.fluxcd.io"}, Resources: all, Verbs: all},
			{APIGroups: []string{"kustomize.toolkit.fluxcd.io"}, Resources: all, Verbs: all},
			{APIGroups: []string{""}, Resources: []string{"namespaces", "secrets", "configmaps", "serviceaccounts"}, Verbs: []string{"get", "list", "watch"}},
			{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create", "patch"}},
			{APIGroups: []string{""}, Resources: []string{"configmaps", "configmaps/status"}, Verbs: all},
			{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: all},
			{APIGroups: []string{""}, Resources: []string{"serviceaccounts/token"}, Verbs: []string{"create"}},
			{NonResourceURLs: []string{"/livez/ping"}, Verbs: []string{"head"}},
		}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: meta("crd-controller-flux-system"), RoleRef: role("crd-controller-flux-system"),
			Subjects: []rbacv1.Subject{subject("source-controller"), subject("kustomize-controller")}},
		&rbacv1.ClusterRoleBinding{ObjectMeta: meta("cluster-reconciler-flux-system"), RoleRef: role("cluster-admin"),
			Subjects: []rbacv1.Subject{subject("kustomize-controller")}},
	}
}

// start runs both controllers and waits until they are ready.
func (f *flux) start(ctx context.Context, k *kube, c client.Client) error {
	ports, err := process.FreePorts(3)
	if err != nil {
		return err
	}
	artifacts := filepath.Join(f.dir, "artifacts")
	if err := os.MkdirAll(artifacts, 0o755); err != nil {
		return err
	}
	common := func(health int) []string {
		return []string{
			"--watch-all-namespaces=true", "--enable-leader-election=false",
			"--metrics-addr=127.0.0.1:0", "--health-addr=" + process.Loopback(health), "--events-addr=",
			"--interval-jitter-percentage=0", "--min-retry-delay=500ms", "--max-retry-delay=5s",
			"--kube-api-qps=500", "--kube-api-burst=1000",
		}
	}
	f.source, err = f.run(ctx, k, c, f.bin.SourceController, "source-controller", append(common(ports[0]),
		"--storage-path="+artifacts, "--storage-addr="+process.Loopback(ports[2]), "--storage-adv-addr="+process.Loopback(ports[2])))
	if err != nil {
		return err
	}
	args := append(common(ports[1]), "--requeue-dependency=2s",
		"--no-cross-namespace-refs=true", "--no-remote-bases=true", "--default-service-account=default") // lockdown
	if f.concurrent > 0 {
		args = append(args, "--concurrent="+strconv.Itoa(f.concurrent))
	}
	f.kustomize, err = f.run(ctx, k, c, f.bin.KustomizeController, "kustomize-controller", args)
	if err != nil {
		return err
	}
	return eventually(ctx, Patience, f.processes(), func(ctx context.Context) error {
		for _, port := range ports[:2] {
			if err := healthy(ctx, http.DefaultClient, "http://"+process.Loopback(port)+"/readyz"); err != nil {
				return err
			}
		}
		return nil
	})
}

// run starts one controller with a token of its own ServiceAccount.
func (f *flux) run(ctx context.Context, k *kube, c client.Client, program, name string, args []string) (*process.Process, error) {
	request := &authenticationv1.TokenRequest{}
	day := int64(24 * 60 * 60)
	request.Spec.ExpirationSeconds = &day
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: FluxNamespace}}
	if err := c.SubResource("token").Create(ctx, account, request); err != nil {
		return nil, fmt.Errorf("getting a token for %s: %w", name, err)
	}
	kubeconfig := filepath.Join(f.dir, name+".kubeconfig")
	if err := writeKubeconfig(kubeconfig, k.admin, request.Status.Token); err != nil {
		return nil, err
	}
	home := filepath.Join(f.dir, name)
	tmp := filepath.Join(f.tmp, name)
	for _, dir := range []string{home, tmp} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	cmd := process.Command(program, args...)
	cmd.Dir = home
	cmd.Env = []string{"KUBECONFIG=" + kubeconfig, "RUNTIME_NAMESPACE=" + FluxNamespace, "HOME=" + home, "TMPDIR=" + tmp, "PATH=" + os.Getenv("PATH")}
	return process.Start(f.logs, cmd)
}

func (f *flux) processes() []*process.Process {
	var all []*process.Process
	for _, p := range []*process.Process{f.kustomize, f.source} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

func (f *flux) stop() {
	for _, p := range f.processes() {
		p.Kill()
	}
}
