package stand

import (
	"context"
	"fmt"
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Follow waits until Kustomizations have applied a commit, and says when each did. It watches, where the other proofs ask again and again: with
// hundreds of Kustomizations that would take more than Flux itself.
func (s *Stand) Follow(ctx context.Context, commit string, names []string, limit time.Duration) (map[string]time.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	applied, waiting := map[string]time.Time{}, map[string]bool{}
	for _, name := range names {
		waiting[name] = true
	}
	for len(waiting) > 0 {
		if err := s.follow(ctx, commit, waiting, applied); err != nil {
			return nil, fmt.Errorf("%d of %d Kustomizations have applied %s: %w", len(applied), len(names), commit, err)
		}
	}
	return applied, nil
}

// follow is one watch; the API server ends them now and then.
func (s *Stand) follow(ctx context.Context, commit string, waiting map[string]bool, applied map[string]time.Time) error {
	events, err := s.Client.Watch(ctx, &kustomizev1.KustomizationList{}, client.InNamespace(Namespace))
	if err != nil {
		return err
	}
	defer events.Stop()
	alive := time.NewTicker(time.Second)
	defer alive.Stop()
	for len(waiting) > 0 {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-alive.C:
			for _, p := range s.processes() {
				if err := p.Ended(); err != nil {
					return err
				}
			}
		case event, open := <-events.ResultChan():
			if !open {
				return nil
			}
			k, ok := event.Object.(*kustomizev1.Kustomization)
			if !ok || event.Type == watch.Deleted {
				continue
			}
			if waiting[k.Name] && hasApplied(k, commit) {
				applied[k.Name] = time.Now()
				delete(waiting, k.Name)
			}
		}
	}
	return nil
}

func hasApplied(k *kustomizev1.Kustomization, commit string) bool {
	return strings.HasSuffix(k.Status.LastAppliedRevision, commit) && meta.IsStatusConditionTrue(k.Status.Conditions, fluxmeta.ReadyCondition)
}
