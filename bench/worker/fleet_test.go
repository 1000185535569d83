package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestMouldKeepsTheShape(t *testing.T) {
	platform, _, key, err := newPlatform()
	if err != nil {
		t.Fatal(err)
	}
	files, err := render(platform, key, sampleID)
	if err != nil {
		t.Fatal(err)
	}
	const id = "another-sample"
	if len(id) != len(sampleID) {
		t.Fatal("the lengths must be equal for this test")
	}
	sealed := 0
	for name, data := range files {
		if !isSealed(name) {
			continue
		}
		sealed++
		var copied bytes.Buffer
		newMould(data).fill(&copied, id, func() byte { return 'x' })
		got := copied.String()
		if len(got) != len(data) {
			t.Errorf("%s: %d bytes became %d", name, len(data), len(got))
		}
		if strings.Contains(got, sampleID) || !strings.Contains(got, id) {
			t.Errorf("%s: not under the other name:\n%s", name, got)
		}
		if strings.Count(got, "\n") != bytes.Count(data, []byte("\n")) || !strings.Contains(got, "ENC[AES256_GCM,data:xxx") {
			t.Errorf("%s: not of the same shape:\n%s", name, got)
		}
	}
	if sealed != 6 {
		t.Errorf("%d sealed files, want three secrets and three keys", sealed)
	}
}

func TestProjectIDsAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for n := range 10_000 {
		if id := projectID(n); seen[id] {
			t.Fatalf("%s twice", id)
		} else {
			seen[id] = true
		}
	}
}

func TestFleetVersionIsStable(t *testing.T) {
	first, err := fleetVersion()
	if err != nil {
		t.Fatal(err)
	}
	second, err := fleetVersion()
	if err != nil || first != second {
		t.Errorf("%s, then %s, %v", first, second, err)
	}
}
