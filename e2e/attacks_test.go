package e2e

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Proof 5: every attack of the threat model is tried on the real cluster. An
// attack counts as stopped only when the very same commit succeeds once its
// defence is taken away: otherwise the test would prove nothing.

// The writers of the threat model.
const (
	ownProject    = "own project"
	allProjects   = "all of `projects/`"
	platformPaths = "platform paths"
)

// An attack is a commit by somebody who may write some paths of the repository.
type attack struct {
	id     string // of the project that it goes through
	writer string
	what   string // in words, for the table
	by     defence

	prepare func(t *testing.T, a scene)                        // before the commit; may be nil
	commit  func(a scene) error                                // what the attacker changes in his work tree; nil for nothing
	seen    func(ctx context.Context, a scene) (string, error) // how it shows that he failed; an error until it does
	hit     func(ctx context.Context, a scene) error           // nil once he has succeeded
}

// A scene is where an attack plays.
type scene struct {
	dir    string  // the attacker's work tree, while he commits
	self   project // the project that he writes
	victim project // whose token he wants
	quay   project // a bystander, whose platform half he wants
	commit string  // that of the attack, when it is made
}

func (a scene) namespace() string     { return a.self.namespace("dev") }
func (a scene) overlay() string       { return a.self.overlay(a.dir, "dev") }
func (a scene) kustomization() string { return filepath.Join(a.overlay(), "kustomization.yaml") }
func (a scene) sealed() string        { return filepath.Join(a.overlay(), "ghcr-secret.sops.yaml") }
func (a scene) tenantFile() string    { return filepath.Join(a.self.tenant(a.dir), "dev.yaml") }
func (a scene) victimSealed() string {
	return filepath.Join(a.victim.overlay(a.dir, "dev"), "ghcr-secret.sops.yaml")
}

// fill puts the namespaces into a manifest.
func (a scene) fill(manifest string) string {
	return strings.NewReplacer("SELF", a.namespace(), "VICTIM", a.victim.namespace("dev"), "QUAY", a.quay.namespace("dev")).Replace(manifest)
}

// An outcome is one row of the table in docs/attacks.md.
type outcome struct {
	attack
	words   string   // how the cluster refused, or that it did not
	verify  []string // the rules by which `berth verify` blocks the same commit
	control bool     // the attack succeeded without its defence
}

var only = flag.String("attack", "", "try only the attacks whose id matches this `expression`")

func TestAttacks(t *testing.T) {
	alice, mallory := newUser("alice"), newUser("mallory")
	victim, quay := create(t, alice, "shop", "dev"), create(t, alice, "quay", "dev")
	attacks := slices.Concat(ownProjectAttacks(), allProjectsAttacks(), platformAttacks())
	attacks = slices.DeleteFunc(attacks, func(a attack) bool { return !regexp.MustCompile(*only).MatchString(a.id) })
	scenes := make([]scene, len(attacks))
	var all []project
	for i, a := range attacks {
		owner := mallory
		if a.writer == allProjects {
			owner = newUser("owner-of-" + a.id) // the project is the victim's own
		}
		scenes[i] = scene{self: newProject(owner, a.id, "dev"), victim: victim, quay: quay}
		all = append(all, scenes[i].self)
	}
	createTogether(t, all...)
	for i, a := range attacks {
		if a.prepare != nil {
			a.prepare(t, scenes[i])
		}
	}
	peace := settle(t, append(all, victim, quay)...)
	if found := findings(t); len(found) > 0 {
		t.Fatalf("berth verify blocks what berth itself wrote: %v", found)
	}

	commit, err := fleet.Edit(t.Context(), "Every attack at once", func(dir string) error {
		for i, a := range attacks {
			scenes[i].dir = dir
			if a.commit == nil {
				continue
			}
			if err := a.commit(scenes[i]); err != nil {
				return fmt.Errorf("%s: %w", a.id, err)
			}
		}
		return nil
	})
	must(t, err)
	must(t, fleet.Sync(t.Context(), commit))
	begin := time.Now()
	found := findings(t, "--base", peace)

	outcomes := make([]outcome, len(attacks))
	for i, a := range attacks {
		scenes[i].commit = commit
		outcomes[i] = outcome{attack: a, verify: found.of(a.id)}
		t.Run(a.id, func(t *testing.T) {
			outcomes[i].words = a.watch(t, begin, scenes[i])
			if len(outcomes[i].verify) == 0 && a.commit != nil {
				t.Error("berth verify lets the commit pass")
			}
		})
	}
	must(t, fleet.Ready(t.Context(), commit, append(victim.names(), quay.names()...)...)) // nobody was stopped by all this

	takeDefencesAway(t, attacks, scenes)
	begin = time.Now()
	for i, a := range attacks {
		if a.by == noDefence {
			continue
		}
		t.Run("control/"+a.id, func(t *testing.T) {
			eventuallySince(t, begin, func(ctx context.Context) error { return a.hit(ctx, scenes[i]) })
			outcomes[i].control = true
		})
	}
	outcomes = append(outcomes, recipientAttacks(t, victim)...)
	if *only == "" && !t.Failed() {
		checkTable(t, "attacks.md", attackTable(outcomes))
	}
}

// watch waits until the cluster has dealt with the attack, and wants it to have
// failed; or, where the cluster has no defence, to have succeeded.
func (a attack) watch(t *testing.T, begin time.Time, here scene) string {
	t.Helper()
	if a.by == noDefence {
		eventuallySince(t, begin, func(ctx context.Context) error { return a.hit(ctx, here) })
		return "gets through"
	}
	var words string
	eventuallySince(t, begin, func(ctx context.Context) (err error) {
		words, err = a.seen(ctx, here)
		return err
	})
	if a.hit(t.Context(), here) == nil {
		t.Errorf("the attack succeeds, although the cluster says %q", words)
	}
	return words
}

// attackTable is docs/attacks.md.
func attackTable(outcomes []outcome) string {
	var out strings.Builder
	out.WriteString(attackIntroduction)
	for _, writer := range []string{ownProject, allProjects, platformPaths} {
		fmt.Fprintf(&out, "\n## Who may write: %s\n\n", writer)
		out.WriteString("| attack | what stops it | seen on the cluster | `berth verify` | without the defence |\n|---|---|---|---|---|\n")
		for _, o := range outcomes {
			if o.writer != writer {
				continue
			}
			control := "–"
			if o.control {
				control = "succeeds " + o.by.takenAway()
			}
			verify := "–"
			if len(o.verify) > 0 {
				verify = "`" + strings.Join(o.verify, "`, `") + "`"
			}
			fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", o.what, o.by, cell(o.words), verify, control)
		}
	}
	return out.String()
}

const attackIntroduction = `# Attacks, and what stops them

<!-- Written by the end-to-end tests (cd e2e && go test -run TestAttacks -update). Do not edit. -->

Each row was tried on a real API server with Flux's own controllers, which run
with ` + "`--no-cross-namespace-refs --no-remote-bases --default-service-account=default`" + `.
The last column is the control: the very same commit, with only that defence
taken away. ` + "`berth verify`" + ` looked at the same commit with public keys alone: the
column names the [rules](rules.md) by which it blocks it, besides ` + "`edited`" + `, which every
hand edit of a generated file breaks. Where the cluster cannot refuse, a reader of the
repository must: ` + "`berth verify`" + ` in CI, code owners.

The writers are those of the threat model in the README.
`

// cell keeps a text inside one cell of a Markdown table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}
