package main

import (
	"fmt"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/sops"
	"github.com/berth-gitops/berth/templates"
)

// spec is the project.yaml of every project here: three environments on three
// clusters, so three pull secrets and three project keys.
func spec(id string) []byte {
	return fmt.Appendf(nil, `apiVersion: berth/v1alpha1
kind: Project
metadata:
  name: %[1]s
spec:
  owner: owner-of-%[1]s
  image: ghcr.io/owner-of-%[1]s/%[1]s:v1.4.2
  port: 8080
  pullSecret: {registry: ghcr.io, username: owner-of-%[1]s}
  environments:
  - name: development
    cluster: dev
  - name: staging
    cluster: stage
  - name: production
    cluster: prod
    replicas: 3
    host: %[1]s.example.com
    env: {LOG_LEVEL: info}
`, id)
}

// token has the length and the alphabet of GitHub's.
func token() *sops.Token {
	t := sops.NewToken("ghp_0123456789abcdefghijklmnopqrstuvwxyz")
	return &t
}

func plan(platform *generator.Platform, id string) (*generator.Plan, []byte, error) {
	doc := spec(id)
	project, err := generator.ParseProject(generator.ProjectPath(id), doc)
	if err != nil {
		return nil, nil, err
	}
	plan, err := generator.New(templates.FS).Plan(platform, project)
	return plan, doc, err
}

// render returns every file of a project as berth commits it, sealed ones included.
func render(platform *generator.Platform, key *sops.Key, id string) (map[string][]byte, error) {
	plan, doc, err := plan(platform, id)
	if err != nil {
		return nil, err
	}
	files := plan.Files
	files[generator.ProjectPath(id)] = doc
	sealer := sops.NewSealer(key, nil)
	recipients := map[string]string{}
	for _, k := range plan.Keys {
		seal, err := sealer.ProjectKey(nil, sops.KeyRequest{
			Path: k.Path, Name: k.Name, Namespace: k.Namespace, Project: k.Project, Owner: k.Owner, Recipients: k.Recipients,
		})
		if err != nil {
			return nil, err
		}
		files[k.Path], recipients[k.Cluster] = seal.Data, seal.Recipient
	}
	for _, s := range plan.Secrets {
		seal, err := sealer.PullSecret(nil, sops.SecretRequest{
			Path: s.Path, Name: s.Name, Namespace: s.Namespace, Project: s.Project, Environment: s.Environment, Owner: s.Owner,
			Registry: s.Registry, Username: s.Username, Recipient: recipients[s.Cluster],
		}, token())
		if err != nil {
			return nil, err
		}
		files[s.Path] = seal.Data
	}
	return files, nil
}
