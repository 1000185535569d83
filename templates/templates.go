// Package templates holds the Kustomize bases that projects are made from, one
// folder each:
//
//	web     a Deployment, its Service and ServiceAccount
//	worker  a Deployment and its ServiceAccount, no Service
//
// A base is complete, valid YAML: `kustomize build templates/web` works as it
// is. What a project decides enters through the overlays that the generator
// package writes, so a base needs only this much: a Deployment called app with
// a container called app, whose image is app. A Service called app, with a port
// called http, makes the template fit for a host name. Every container port
// called http follows the project's port.
package templates

import "embed"

// FS has one folder per template, as generator.New takes it.
//
//go:embed web worker
var FS embed.FS
