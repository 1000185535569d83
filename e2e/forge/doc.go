// Package forge proves pull requests on a real forge: Gitea, built from its
// own source, on loopback. Package gitea starts it.
package forge
