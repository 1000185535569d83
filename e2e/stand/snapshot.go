package stand

import (
	"context"
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A Snapshot has every object that Flux has applied, as
// <Kustomization>/<kind>/<namespace>/<name>, with a mark that changes when
// somebody writes to it.
type Snapshot map[string]string

// snapshotKinds are the kinds that berth makes. The mark of an object is its
// resourceVersion; where the cluster's own controllers write a status, it is
// what berth writes, the spec.
func snapshotKinds() map[schema.GroupVersionKind]bool {
	return map[schema.GroupVersionKind]bool{
		{Version: "v1", Kind: "Namespace"}:                                           false,
		{Version: "v1", Kind: "LimitRange"}:                                          false,
		{Version: "v1", Kind: "Secret"}:                                              false,
		{Version: "v1", Kind: "Service"}:                                             false,
		{Version: "v1", Kind: "ServiceAccount"}:                                      false,
		{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}:                 false,
		{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"}:           false,
		{Group: "rbac.authorization.k8s.io", Version: "v1", Kind: "RoleBinding"}:     false,
		{Version: "v1", Kind: "ResourceQuota"}:                                       true,
		{Group: "apps", Version: "v1", Kind: "Deployment"}:                           true,
		{Group: "kustomize.toolkit.fluxcd.io", Version: "v1", Kind: "Kustomization"}: true,
	}
}

// Snapshot looks at them all.
func (s *Stand) Snapshot(ctx context.Context) (Snapshot, error) {
	const applier = "kustomize.toolkit.fluxcd.io/name"
	found := Snapshot{}
	for kind, hasStatus := range snapshotKinds() {
		var list unstructured.UnstructuredList
		list.SetGroupVersionKind(kind)
		if err := s.Client.List(ctx, &list, client.HasLabels{applier}); err != nil {
			return nil, err
		}
		for _, o := range list.Items {
			mark := o.GetResourceVersion()
			if hasStatus {
				spec, err := json.Marshal(o.Object["spec"])
				if err != nil {
					return nil, err
				}
				mark = string(o.GetUID()) + string(spec)
			}
			found[o.GetLabels()[applier]+"/"+kind.Kind+"/"+o.GetNamespace()+"/"+o.GetName()] = mark
		}
	}
	return found, nil
}

// Changed names what a later snapshot lacks, has differently or has besides.
func (s Snapshot) Changed(later Snapshot) []string {
	var names []string
	for name, mark := range s {
		if now, there := later[name]; !there || now != mark {
			names = append(names, name)
		}
	}
	for name := range later {
		if _, there := s[name]; !there {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
