package verify

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// attack is one file of testdata/hostile: a change that must be found and a harmless
// one that looks like it and must pass.
//
// Lines of its comment say what to do (see fleet.do): "base:" before both, "hostile:"
// and "twin:" in one of them, "both:" in both. "want RULE [FILE[:LINE]]" are exactly
// the rules that must be found, and "blocks RULE" that one of its findings must block;
// "warns RULE" are those that may warn about the twin.
// "whole" judges without a base. Files are named base/…, hostile/…, twin/… or both/….
type attack struct {
	name        string
	archive     *txtar.Archive
	wants       []string
	warns       []string
	blocks      []string
	whole       bool
	withKeys    bool
	wrongKeys   bool
	description string
}

func attacks(t *testing.T) []attack {
	t.Helper()
	files, err := filepath.Glob("testdata/hostile/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all []attack
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		a := attack{name: strings.TrimSuffix(filepath.Base(file), ".txtar"), archive: archive}
		for line := range strings.SplitSeq(string(archive.Comment), "\n") {
			verb, rest, _ := strings.Cut(line, " ")
			switch verb {
			case "want":
				a.wants = append(a.wants, rest)
			case "blocks":
				a.blocks = append(a.blocks, rest)
			case "warns":
				a.warns = append(a.warns, rest)
			case "whole":
				a.whole = true
			case "keys":
				a.withKeys, a.wrongKeys = true, rest == "wrong"
			case "#":
				a.description += rest
			}
		}
		if a.description == "" || len(a.wants) == 0 {
			t.Fatalf("%s: no description, or nothing wanted", file)
		}
		all = append(all, a)
	}
	return all
}

// apply runs the lines and writes the files of one side.
func (a attack) apply(f *fleet, side string) {
	f.t.Helper()
	for _, file := range a.archive.Files {
		if name, ok := strings.CutPrefix(file.Name, side+"/"); ok {
			f.files[name] = file.Data
		}
	}
	for line := range strings.SplitSeq(string(a.archive.Comment), "\n") {
		if op, ok := strings.CutPrefix(line, side+": "); ok {
			f.do(op)
		}
	}
}

func TestHostileChanges(t *testing.T) {
	k := newKeys(t)
	seed := newFleet(t, k)
	all := attacks(t)
	if len(all) < 40 {
		t.Errorf("only %d attacks", len(all))
	}
	for _, a := range all {
		t.Run(a.name, func(t *testing.T) {
			base := seed.clone()
			base.t = t
			a.apply(base, "base")
			judge := func(side string) *Report {
				head := base.clone()
				a.apply(head, "both")
				a.apply(head, side)
				identities := ""
				if a.withKeys {
					identities = k.identity
				}
				if a.wrongKeys && side == "hostile" {
					identities = k.strangerID
				}
				if a.whole {
					return check(t, nil, head, identities)
				}
				return check(t, base, head, identities)
			}
			a.compare(t, judge("hostile"))
			for _, f := range judge("twin").Findings {
				if f.Level != Warning || !slices.Contains(a.warns, f.Rule) {
					t.Errorf("the twin: %s", line(f))
				}
			}
		})
	}
}

// compare wants exactly the rules that the attack names, each at least once.
func (a attack) compare(t *testing.T, r *Report) {
	t.Helper()
	got := map[string]bool{}
	for _, f := range r.Findings {
		got[f.Rule] = true
	}
	for _, rule := range a.blocks {
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Rule == rule && f.Level == Blocking }) {
			t.Errorf("%s does not block", rule)
		}
	}
	want := map[string]bool{}
	for _, w := range a.wants {
		rule, place, _ := strings.Cut(w, " ")
		want[rule] = true
		file, lineText, _ := strings.Cut(place, ":")
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool {
			return f.Rule == rule && (file == "" || f.File == file) && (lineText == "" || fmt.Sprint(f.Line) == lineText)
		}) {
			t.Errorf("not found: %s", w)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("rules %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	if t.Failed() {
		for _, f := range r.Findings {
			t.Log(line(f))
		}
	}
}

func line(f Finding) string {
	return fmt.Sprintf("%s:%d: %s (%s): %s", f.File, f.Line, f.Rule, f.Level, f.What)
}

// TestEveryRuleIsAttacked keeps the corpus whole. The rule left out needs a seal that
// berth never makes; TestCredentialFlaw has it.
func TestEveryRuleIsAttacked(t *testing.T) {
	attacked := map[string]bool{ruleCredential: true}
	for _, a := range attacks(t) {
		for _, w := range a.wants {
			rule, _, _ := strings.Cut(w, " ")
			attacked[rule] = true
		}
	}
	for _, r := range Rules() {
		if !attacked[r.ID] {
			t.Errorf("no attack for %s", r.ID)
		}
	}
}

// TestCleanFleet has nothing to find, as a whole and as a change of everything.
func TestCleanFleet(t *testing.T) {
	k := newKeys(t)
	f := newFleet(t, k)
	empty := &fleet{t: t, keys: k, files: map[string][]byte{"berth.yaml": f.files["berth.yaml"]}}
	for name, r := range map[string]*Report{
		"whole": check(t, nil, f, k.identity), "as a change": check(t, empty, f, ""), "no change": check(t, f, f, ""),
	} {
		for _, found := range r.Findings {
			t.Errorf("%s: %s", name, line(found))
		}
	}
	if r := check(t, nil, f, ""); r.Sealed != 6 || len(r.Projects) != 2 {
		t.Errorf("%d sealed files in %v", r.Sealed, r.Projects)
	}
}
