package main

import (
	"slices"
	"sync"
	"testing"
)

// TestOnce: a server that says the same at every try is heard once.
func TestOnce(t *testing.T) {
	var told []string
	tell := once(func(line string) { told = append(told, line) })
	for range 10 {
		for _, line := range []string{"cannot lock ref", "another git process runs"} {
			tell(line)
		}
	}
	if want := []string{"cannot lock ref", "another git process runs"}; !slices.Equal(told, want) {
		t.Errorf("got %q", told)
	}
	var work sync.WaitGroup
	for range 10 {
		work.Go(func() { tell("at the same time") })
	}
	work.Wait()
	if len(told) != 3 {
		t.Errorf("got %q", told)
	}
}
