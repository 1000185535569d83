package e2e

import (
	"context"
	"fmt"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The API server itself checks the policies' expressions against the types
// that they are about, Flux's CRDs included.
func TestPolicyTypes(t *testing.T) {
	for _, name := range []string{"berth-pods", "berth-services", "berth-kustomizations", "berth-platform"} {
		var policy admissionv1.ValidatingAdmissionPolicy
		eventually(t, func(ctx context.Context) error {
			if err := fleet.Client.Get(ctx, client.ObjectKey{Name: name}, &policy); err != nil {
				return err
			}
			if policy.Status.TypeChecking == nil || policy.Status.ObservedGeneration != policy.Generation {
				return fmt.Errorf("%s is not checked yet", name)
			}
			return nil
		})
		for _, warning := range policy.Status.TypeChecking.ExpressionWarnings {
			t.Errorf("%s: %s: %s", name, warning.FieldRef, warning.Warning)
		}
	}
}
