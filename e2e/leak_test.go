package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var base64Run = regexp.MustCompile(`[A-Za-z0-9+/_-]{16,}={0,2}`)

// holds looks for a token in data, in plain and in base64 of any depth.
func holds(data []byte, token string) bool {
	if bytes.Contains(data, []byte(token)) {
		return true
	}
	for _, run := range base64Run.FindAll(data, -1) {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			plain, err := encoding.DecodeString(string(bytes.TrimRight(run, "=")))
			if err == nil && holds(plain, token) {
				return true
			}
		}
	}
	return false
}

// tokenIn is nil when a Secret or ConfigMap of a namespace holds the token:
// what a project's ServiceAccount may write and its pods may read.
func tokenIn(ctx context.Context, namespace, token string) error {
	var secrets corev1.SecretList
	var configs corev1.ConfigMapList
	for _, list := range []client.ObjectList{&secrets, &configs} {
		if err := fleet.Client.List(ctx, list, client.InNamespace(namespace)); err != nil {
			return err
		}
	}
	for _, s := range secrets.Items {
		for _, value := range s.Data {
			if holds(value, token) {
				return nil
			}
		}
	}
	for _, c := range configs.Items {
		for _, value := range c.Data {
			if holds([]byte(value), token) {
				return nil
			}
		}
	}
	return fmt.Errorf("the token is nowhere in %s", namespace)
}

func TestHolds(t *testing.T) {
	const token = "ghp_marked"
	once := base64.StdEncoding.EncodeToString([]byte(`{"auth":"` + token + `"}`))
	twice := base64.URLEncoding.EncodeToString([]byte("auth: " + once))
	for _, text := range []string{token, "x" + token, "data: " + once, `"` + twice + `"`} {
		if !holds([]byte(text), token) {
			t.Errorf("not found in %q", text)
		}
	}
	if holds([]byte(once), "ghp_other") {
		t.Error("finds what is not there")
	}
}
