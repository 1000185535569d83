package stand

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxmeta "github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Namespace is berth's own namespace on the cluster.
const Namespace = "flux-projects"

// Repository is the bare GitOps repository on disk.
func (s *Stand) Repository() string { return filepath.Join(s.repositories(), "fleet.git") }

// GitURL is the same repository as berth writes and Flux reads it.
func (s *Stand) GitURL() string {
	if s.ssh != nil {
		return s.ssh.URL("fleet.git")
	}
	return "http://" + s.git.Addr().String() + "/fleet.git"
}

// Git runs git in the bare repository.
func (s *Stand) Git(ctx context.Context, args ...string) (string, error) {
	return gitOutput(ctx, s.Repository(), args...)
}

// Tip is the commit that main points to.
func (s *Stand) Tip(ctx context.Context) (string, error) {
	return gitOutput(ctx, s.Repository(), "rev-parse", "main")
}

// Edit commits what edit does to a work tree of main, as a person with write
// access would, and pushes it. It starts over when somebody else was faster.
// It returns the commit.
func (s *Stand) Edit(ctx context.Context, message string, edit func(dir string) error) (string, error) {
	for {
		dir, err := os.MkdirTemp(s.Dir, "edit-")
		if err != nil {
			return "", err
		}
		commit, err := s.editOnce(ctx, dir, message, edit)
		_ = os.RemoveAll(dir)
		if !errors.Is(err, errMoved) {
			return commit, err
		}
	}
}

var errMoved = errors.New("main has moved")

func (s *Stand) editOnce(ctx context.Context, dir, message string, edit func(string) error) (string, error) {
	if err := CommitTo(ctx, s.Repository(), dir, message, edit); err != nil {
		return "", err
	}
	return gitOutput(ctx, dir, "rev-parse", "HEAD")
}

// CommitTo clones a repository into an empty folder, edits the work tree of main
// there, commits and pushes.
func CommitTo(ctx context.Context, repository, dir, message string, edit func(dir string) error) error {
	if err := runGit(ctx, "", "clone", "--quiet", repository, dir); err != nil {
		return err
	}
	if err := edit(dir); err != nil {
		return err
	}
	for _, args := range [][]string{{"add", "--all"}, {"commit", "--quiet", "--allow-empty", "-m", message}} {
		if err := runGit(ctx, dir, args...); err != nil {
			return err
		}
	}
	err := runGit(ctx, dir, "push", "--quiet", "origin", "HEAD:main")
	if err != nil && (strings.Contains(err.Error(), "[rejected]") || strings.Contains(err.Error(), "[remote rejected]")) {
		return errMoved
	}
	return err
}

// Fetch asks Flux to fetch now.
func (s *Stand) Fetch(ctx context.Context) error { return s.Reconcile(ctx, source()) }

func source() *sourcev1.GitRepository {
	return &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Name: Namespace, Namespace: Namespace}}
}

// Sync makes Flux fetch now, and waits until it holds the commit or one after it.
func (s *Stand) Sync(ctx context.Context, commit string) error {
	if err := s.Fetch(ctx); err != nil {
		return err
	}
	repo := source()
	return s.Eventually(ctx, Patience, func(ctx context.Context) error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(repo), repo); err != nil {
			return err
		}
		if repo.Status.Artifact == nil {
			return fmt.Errorf("the GitRepository has no artifact: %s", conditions(repo.Status.Conditions))
		}
		return s.includes(ctx, repo.Status.Artifact.Revision, commit)
	})
}

// includes is nil when a Flux revision (main@sha1:…) is the commit or comes after it.
func (s *Stand) includes(ctx context.Context, revision, commit string) error {
	_, have, ok := strings.Cut(revision, "sha1:")
	if ok && (have == commit || s.follows(ctx, have, commit)) {
		return nil
	}
	return fmt.Errorf("at revision %q, not yet at %s", revision, commit)
}

// follows says whether a commit comes after another. Everybody asks that again
// and again while he waits, so the answers are kept.
func (s *Stand) follows(ctx context.Context, have, commit string) bool {
	pair := [2]string{have, commit}
	if after, known := s.order.Load(pair); known {
		return after.(bool)
	}
	after := runGit(ctx, s.Repository(), "merge-base", "--is-ancestor", commit, have) == nil
	if ctx.Err() == nil {
		s.order.Store(pair, after)
	}
	return after
}

// Reconcile asks Flux to look at an object now.
func (s *Stand) Reconcile(ctx context.Context, obj client.Object) error {
	patch := map[string]any{"metadata": map[string]any{"annotations": map[string]string{
		fluxmeta.ReconcileRequestAnnotation: time.Now().Format(time.RFC3339Nano),
	}}}
	data, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return s.Client.Patch(ctx, obj, client.RawPatch(types.MergePatchType, data))
}

// Kustomization reads one of flux-projects.
func (s *Stand) Kustomization(ctx context.Context, name string) (*kustomizev1.Kustomization, error) {
	var k kustomizev1.Kustomization
	err := s.Client.Get(ctx, client.ObjectKey{Namespace: Namespace, Name: name}, &k)
	return &k, err
}

// Settled returns the Ready condition of a Kustomization once Flux has tried the
// commit (or a later one) there, and an error before. Flux does not count a path
// that is not there as a try, so that failure is returned for any commit.
func (s *Stand) Settled(ctx context.Context, name, commit string) (metav1.Condition, error) {
	k, err := s.Kustomization(ctx, name)
	if err != nil {
		return metav1.Condition{}, err
	}
	ready := meta.FindStatusCondition(k.Status.Conditions, fluxmeta.ReadyCondition)
	if ready != nil && ready.Reason == fluxmeta.ArtifactFailedReason {
		return *ready, nil
	}
	if err := s.includes(ctx, k.Status.LastAttemptedRevision, commit); err != nil {
		return metav1.Condition{}, fmt.Errorf("%s %w: %s", name, err, conditions(k.Status.Conditions))
	}
	if ready == nil || ready.Status == metav1.ConditionUnknown || ready.ObservedGeneration != k.Generation {
		return metav1.Condition{}, fmt.Errorf("%s is at work: %s", name, conditions(k.Status.Conditions))
	}
	return *ready, nil
}

// Ready waits until Kustomizations have applied the commit or a later one.
func (s *Stand) Ready(ctx context.Context, commit string, names ...string) error {
	for _, name := range names {
		err := s.Eventually(ctx, Patience, func(ctx context.Context) error {
			k, err := s.Kustomization(ctx, name)
			if err != nil {
				return err
			}
			if err := s.includes(ctx, k.Status.LastAppliedRevision, commit); err != nil {
				return fmt.Errorf("%s %w: %s", name, err, conditions(k.Status.Conditions))
			}
			if !meta.IsStatusConditionTrue(k.Status.Conditions, fluxmeta.ReadyCondition) {
				return fmt.Errorf("%s: %s", name, conditions(k.Status.Conditions))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// conditions words them for an error.
func conditions(all []metav1.Condition) string {
	var parts []string
	for _, c := range all {
		parts = append(parts, fmt.Sprintf("%s=%s %s: %s", c.Type, c.Status, c.Reason, c.Message))
	}
	return strings.Join(parts, "; ")
}
