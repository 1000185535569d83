package sops_test

import (
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/berth-gitops/berth/sops"
)

// What a platform does once, what it does for each project, and what a second
// run does.
func Example() {
	// Once: berth's own key, and the platform key, whose private half goes to
	// the cluster and into a safe.
	key, err := sops.NewKey()
	if err != nil {
		log.Fatal(err)
	}
	platformIdentity, platformRecipient, err := sops.NewIdentity(false)
	if err != nil {
		log.Fatal(err)
	}
	if err := key.Pin(platformRecipient); err != nil {
		log.Fatal(err)
	}

	// For each project: a key of its own, and the pull secret sealed to it.
	sealer := sops.NewSealer(key, nil)
	projectKey, err := sealer.ProjectKey(nil, sops.KeyRequest{
		Path: "tenants/home/shop/project-key.sops.yaml", Name: "sops-shop", Namespace: "flux-projects",
		Project: "shop", Owner: "alice", Recipients: []string{platformRecipient},
	})
	if err != nil {
		log.Fatal(err)
	}
	request := sops.SecretRequest{
		Path: "projects/shop/overlays/production/ghcr-secret.sops.yaml", Name: "ghcr-secret", Namespace: "project-shop-production",
		Project: "shop", Environment: "production", Owner: "alice",
		Registry: "ghcr.io", Username: "alice", Recipient: projectKey.Recipient,
	}
	token := sops.NewToken("the token")
	first, err := sealer.PullSecret(nil, request, &token)
	if err != nil {
		log.Fatal(err)
	}

	// A second run keeps it, with or without the token.
	second, err := sealer.PullSecret(first.Data, request, &token)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("kept:", second.Kept)

	// Anyone can check it; Flux, with the project key, can open it.
	info, err := sops.Verify(request.Path, first.Data, key.PublicKeys(), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Owner, info.Registry, info.Generation)
	identity, err := sops.ProjectIdentity(projectKey.Data, string(platformIdentity))
	if err != nil {
		log.Fatal(err)
	}
	plain, err := sops.Open(first.Data, identity)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(strings.Contains(string(plain), ".dockerconfigjson: eyJhdXRocyI6"))

	// A copy in another place is named as one.
	_, err = sops.Verify("projects/blog/overlays/production/ghcr-secret.sops.yaml", first.Data, key.PublicKeys(), nil)
	var tampered *sops.TamperedError
	if errors.As(err, &tampered) {
		fmt.Println(tampered.Kind)
	}
	// Output:
	// kept: true
	// alice ghcr.io 1
	// true
	// copied
}
