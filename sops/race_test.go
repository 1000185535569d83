//go:build race

package sops

// sampled thins out the longest sweep under the race detector, which makes
// elliptic curves about thirty times slower. "go test" without it does it all.
const sampled = 16
