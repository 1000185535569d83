//go:build !race

package sops

const sampled = 1
