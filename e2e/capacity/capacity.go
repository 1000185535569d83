// Package capacity measures how a control plane bears many environments: how
// long a push takes to be applied, and what that costs Flux's controllers.
//
// [Grow] brings a stand to a size, [Measure] changes one project there.
package capacity

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-gitops/berth/e2e/stand"
)

// PerProject is how many environments each project has.
const PerProject = 3

func environments() []string { return []string{"development", "staging", "production"} }

// ID is the name of the i-th project.
func ID(i int) string { return fmt.Sprintf("load-%03d", i) }

func args(i int, more ...string) []string {
	return append([]string{"create", "project", ID(i)}, more...)
}

// Grow adds projects until there are so many environments, and returns how long
// Flux took to apply the new ones, from its fetch to the last of them ready.
// Each project has a pull secret.
func Grow(ctx context.Context, s *stand.Stand, have, want int) (time.Duration, error) {
	for i := have / PerProject; i < want/PerProject; i++ {
		create := args(i, "--owner", "load", "--image", "registry.example.com/load/app:v1", "--port", "8080",
			"--registry", "registry.example.com", "--username", "load", "--password-stdin")
		for _, env := range environments() {
			create = append(create, "--env", env)
		}
		if _, err := s.Do(ctx, "a-token-of-some-length\n", create...); err != nil {
			return 0, err
		}
	}
	begin := time.Now()
	commit, err := s.Tip(ctx)
	if err != nil {
		return 0, err
	}
	if err := s.Sync(ctx, commit); err != nil {
		return 0, err
	}
	_, err = quiet(ctx, s, commit, want)
	return time.Since(begin), err
}

// A Change is what one changed project costs.
type Change struct {
	// Applied and Quiet are from the push to the project's last environment, and
	// to everything reconciled.
	Applied, Quiet time.Duration
	// Kustomize, Source and API are what Flux's controllers and the API server
	// used for it: CPU time until quiet, memory at the end.
	Kustomize, Source, API stand.Usage
	// Disturbed names objects of other projects that changed; there should be none.
	Disturbed []string
}

// Measure gives one project a new image and waits until Flux has looked at all.
// Flux takes them in the order of their names, so rounds change projects at
// different places of the alphabet.
func Measure(ctx context.Context, s *stand.Stand, size, round, rounds int) (*Change, error) {
	changed := (2*round + 1) * (size / PerProject) / (2 * rounds)
	before, err := versions(ctx, s)
	if err != nil {
		return nil, err
	}
	kustomize, source, api := s.Usage()
	image := fmt.Sprintf("registry.example.com/load/app:round-%d-%d", size, round)
	if _, err := s.Do(ctx, "", args(changed, "--image", image)...); err != nil {
		return nil, err
	}
	begin := time.Now()
	commit, err := s.Tip(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Sync(ctx, commit); err != nil {
		return nil, err
	}
	var names []string
	for _, env := range environments() {
		names = append(names, "project-"+ID(changed)+"-"+env)
	}
	if err := s.Ready(ctx, commit, names...); err != nil {
		return nil, err
	}
	c := &Change{Applied: time.Since(begin)}
	if c.Quiet, err = quiet(ctx, s, commit, size); err != nil {
		return nil, err
	}
	c.Quiet = time.Since(begin)
	c.Kustomize, c.Source, c.API = s.Usage()
	c.Kustomize.CPU -= kustomize.CPU
	c.Source.CPU -= source.CPU
	c.API.CPU -= api.CPU
	after, err := versions(ctx, s)
	if err != nil {
		return nil, err
	}
	c.Disturbed = disturbed(before, after, "project-"+ID(changed)+"-")
	return c, nil
}

// quiet waits until every Kustomization has applied the commit.
func quiet(ctx context.Context, s *stand.Stand, commit string, size int) (time.Duration, error) {
	begin := time.Now()
	want := size + size/PerProject + 1 // environments, tenants, root
	err := s.Eventually(ctx, time.Hour, func(ctx context.Context) error {
		var all kustomizev1.KustomizationList
		if err := s.Client.List(ctx, &all, client.InNamespace(stand.Namespace)); err != nil {
			return err
		}
		done := 0
		for _, k := range all.Items {
			if strings.HasSuffix(k.Status.LastAppliedRevision, commit) && meta.IsStatusConditionTrue(k.Status.Conditions, fluxmeta.ReadyCondition) {
				done++
			}
		}
		if done < want {
			return fmt.Errorf("%d of %d Kustomizations have applied %s", done, want, commit)
		}
		return nil
	})
	return time.Since(begin), err
}

// versions maps every object that berth makes in the namespaces of projects to
// its resourceVersion.
func versions(ctx context.Context, s *stand.Stand) (map[string]string, error) {
	found := map[string]string{}
	for _, kind := range []schema.GroupVersionKind{
		{Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "Service"}, {Version: "v1", Kind: "LimitRange"},
		{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"},
	} {
		var list metav1.PartialObjectMetadataList
		list.SetGroupVersionKind(kind)
		if err := s.Client.List(ctx, &list); err != nil {
			return nil, err
		}
		for _, obj := range list.Items {
			if strings.HasPrefix(obj.Namespace, "project-load-") {
				found[obj.Namespace+"/"+kind.Kind+"/"+obj.Name] = obj.ResourceVersion
			}
		}
	}
	generations, err := deployments(ctx, s)
	maps.Copy(found, generations)
	return found, err
}

// deployments maps them to their generation: their status changes while pods
// that nothing runs come and go.
func deployments(ctx context.Context, s *stand.Stand) (map[string]string, error) {
	var list metav1.PartialObjectMetadataList
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"})
	if err := s.Client.List(ctx, &list); err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, obj := range list.Items {
		if strings.HasPrefix(obj.Namespace, "project-load-") {
			found[obj.Namespace+"/Deployment/"+obj.Name] = fmt.Sprint(obj.UID, obj.Generation)
		}
	}
	return found, nil
}

// disturbed lists what changed outside of one project.
func disturbed(before, after map[string]string, except string) []string {
	var names []string
	for name, version := range before {
		if !strings.HasPrefix(name, except) && after[name] != version {
			names = append(names, name)
		}
	}
	return names
}

// Ignore sets the GitRepository's spec.ignore, to try out what Flux need not
// unpack.
func Ignore(ctx context.Context, s *stand.Stand, patterns string) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"ignore": patterns}})
	if err != nil {
		return err
	}
	_, err = s.Kubectl(ctx, "", "patch", "gitrepository", stand.Namespace, "--namespace", stand.Namespace,
		"--type=merge", "--patch", string(patch))
	return err
}
