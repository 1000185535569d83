package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// workflow is what a workflow of GitHub, Gitea or Forgejo may say here: an unknown key is
// an error.
type workflow struct {
	Name string
	On   struct {
		Target *struct{ Branches []string } `yaml:"pull_request_target"`
	}
	Permissions map[string]string
	Concurrency struct {
		Group  string
		Cancel bool `yaml:"cancel-in-progress"`
	}
	Jobs map[string]struct {
		RunsOn  string `yaml:"runs-on"`
		Timeout int    `yaml:"timeout-minutes"`
		Steps   []struct {
			Name, Uses, Run string
			With, Env       map[string]string
		}
	}
}

// pipeline is the same for GitLab.
type pipeline map[string]struct {
	Image         string
	Interruptible bool
	ResourceGroup string `yaml:"resource_group"`
	Timeout       string
	Rules         []struct{ If string }
	Variables     map[string]string
	Script        []string
}

var (
	ciPermissions = map[string]map[string]string{
		"github": {"contents": "read", "pull-requests": "write"},
		"gitea":  {},
	}
	fetching = regexp.MustCompile(`\b(git|gh|glab|tea|curl|wget)\s`)
	secret   = regexp.MustCompile(`secrets\.|\.token|TOKEN`)
)

func strictly(text string, v any) error {
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	return d.Decode(v)
}

// ciFaults says what makes an example unfit to judge pull requests of hostile authors, and
// returns the script that judges.
func ciFaults(forge, text string) (faults []string, script string) {
	fault := func(bad bool, what string) {
		if bad {
			faults = append(faults, what)
		}
	}
	run := func(commands string) {
		fault(strings.Contains(commands, "${{"), "an expression is pasted into a script")
		fault(fetching.MatchString(commands), "a script fetches something by itself")
	}
	if forge == "gitlab" {
		var p pipeline
		if err := strictly(text, &p); err != nil {
			return []string{err.Error()}, ""
		}
		job := p["berth"]
		fault(len(p) != 1, "there are other jobs")
		fault(len(job.Rules) != 1 || job.Rules[0].If !=
			`$CI_PIPELINE_SOURCE == "merge_request_event" && $CI_MERGE_REQUEST_TARGET_BRANCH_NAME == $CI_DEFAULT_BRANCH`, "it runs for something else")
		fault(job.Variables["GIT_STRATEGY"] != "none", "the merge request is checked out")
		fault(!job.Interruptible || !strings.Contains(job.ResourceGroup, "$CI_MERGE_REQUEST_IID"), "two runs can race")
		fault(job.Timeout == "", "no time limit")
		fault(secret.MatchString(fmt.Sprint(job.Variables)), "the whole job has the token")
		script = strings.Join(job.Script, "\n")
		run(script)
		return faults, script
	}
	var w workflow
	if err := strictly(text, &w); err != nil {
		return []string{err.Error()}, ""
	}
	fault(w.On.Target == nil || !slices.Equal(w.On.Target.Branches, []string{"main"}), "it runs for something else")
	fault(w.Permissions == nil || !maps.Equal(w.Permissions, ciPermissions[forge]), "its token may do something else")
	fault(!w.Concurrency.Cancel || !strings.Contains(w.Concurrency.Group, ".event.number }}"), "two runs can race")
	fault(len(w.Jobs) != 1, "there are other jobs")
	for _, job := range w.Jobs {
		fault(job.Timeout == 0, "no time limit")
		for _, step := range job.Steps {
			fault(step.Uses != "" && !strings.HasPrefix(step.Uses, "actions/setup-go@"), "it uses "+step.Uses)
			run(step.Run)
			if strings.Contains(step.Run, "berth review") {
				script = step.Run
				continue
			}
			fault(secret.MatchString(fmt.Sprint(step.Env, step.With)), "a step has a token that it does not need")
		}
	}
	return faults, script
}

func ciExample(t *testing.T, forge string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../examples/ci", forge, "berth.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestCIExamples: the examples give a hostile pull request nothing, and every flag in them
// is one that the commands have.
func TestCIExamples(t *testing.T) {
	for _, forge := range []string{"github", "gitlab", "gitea"} {
		faults, script := ciFaults(forge, ciExample(t, forge))
		for _, f := range faults {
			t.Errorf("%s: %s", forge, f)
		}
		commands := 0
		root := newRootCommand(&globals{ui: newUI(streams{})})
		for line := range strings.Lines(script) {
			line, found := strings.CutPrefix(strings.TrimSpace(line), "berth ")
			line, _, _ = strings.Cut(line, " ||")
			if !found {
				continue
			}
			commands++
			words := strings.Fields(strings.NewReplacer(`"`, "", "$CI_MERGE_REQUEST_IID", "7", "$NUMBER", "7").Replace(line))
			cmd, rest, err := root.Find(words)
			if err != nil || cmd == root {
				t.Errorf("%s: berth %s: %v", forge, line, err)
			} else if err := cmd.ParseFlags(rest); err != nil {
				t.Errorf("%s: berth %s: %v", forge, line, err)
			}
		}
		if commands != 2 {
			t.Errorf("%s runs berth %d times, want review and verify", forge, commands)
		}
	}
}

// TestCIFaults: an example that is spoiled is found.
func TestCIFaults(t *testing.T) {
	for _, tt := range []struct{ forge, old, new, want string }{
		{"github", "  pull_request_target:", "  pull_request:", "pull_request not found"},
		{"gitea", "  pull_request_target:", "  push:\n  pull_request_target:", "push not found"},
		{"github", "    branches: [main]\n", "", "something else"},
		{"gitea", "[main]", "[main, dev]", "something else"},
		{"github", "contents: read", "contents: write", "may do something else"},
		{"github", "permissions:", "permissions:\n  id-token: write", "may do something else"},
		{"gitea", "permissions: {}", "permissions: {issues: write}", "may do something else"},
		{"gitea", "permissions: {}\n", "", "may do something else"},
		{"github", "cancel-in-progress: true", "cancel-in-progress: false", "race"},
		{"gitea", "${{ github.event.number }}", "all", "race"},
		{"github", "    timeout-minutes: 20\n", "", "no time limit"},
		{"github", "    steps:\n", "    env:\n      GITHUB_TOKEN: ${{ github.token }}\n    steps:\n", "env not found"},
		{"github", "    - name: Verify", "    - uses: actions/checkout@v5\n    - name: Verify", "uses actions/checkout@v5"},
		{"github", "    - name: Verify", "    - run: git clone \"$FORK\" .\n    - name: Verify", "fetches"},
		{"gitea", "berth review", "gh pr checkout 7\n        berth review", "fetches"},
		{"github", `"$HEAD" --comment`, `"$HEAD" ${{ github.event.pull_request.title }} --comment`, "pasted into a script"},
		{"gitea", "    - run: go install", "    - env:\n        T: ${{ secrets.BERTH_TOKEN }}\n      run: go install", "does not need"},
		{"github", "1.26\"\n", "1.26\"\n        token: ${{ github.token }}\n", "does not need"},
		{"gitlab", "== \"merge_request_event\"", "== \"push\"", "something else"},
		{"gitlab", " && $CI_MERGE_REQUEST_TARGET_BRANCH_NAME == $CI_DEFAULT_BRANCH", "", "something else"},
		{"gitlab", "GIT_STRATEGY: none", "GIT_STRATEGY: fetch", "checked out"},
		{"gitlab", "interruptible: true", "interruptible: false", "race"},
		{"gitlab", "berth-$CI_MERGE_REQUEST_IID", "berth", "race"},
		{"gitlab", "  timeout: 20m\n", "", "no time limit"},
		{"gitlab", "  script:\n", "  script:\n  - git fetch origin\n", "fetches"},
		{"gitlab", "BERTH_FORGE: gitlab", "GITLAB_TOKEN: $BERTH_TOKEN", "the whole job has the token"},
	} {
		text := ciExample(t, tt.forge)
		if !strings.Contains(text, tt.old) {
			t.Errorf("%s has no %q", tt.forge, tt.old)
			continue
		}
		faults, _ := ciFaults(tt.forge, strings.Replace(text, tt.old, tt.new, 1))
		if !strings.Contains(strings.Join(faults, "\n"), tt.want) {
			t.Errorf("%s with %q for %q: %q, want %q", tt.forge, tt.new, tt.old, faults, tt.want)
		}
	}
}

// TestCIScripts runs the scripts with a berth that prints what a hostile pull request makes
// it print. Both commands run, each can fail the job, and no line is a command to the
// runner of GitHub or Gitea: it takes those from both streams, in no order between them.
func TestCIScripts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("runners are taken to be Linux")
	}
	programs := t.TempDir()
	const berth = "#!/bin/sh\necho '::add-mask::blocking'\necho \"+ ##[add-mask]$1\" >&2\n[ $1 = review ] && exit $REVIEW\nexit $VERIFY\n"
	for name, text := range map[string]string{"berth": berth, "go": "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(programs, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	stopped := regexp.MustCompile(`(?s)^::stop-commands::([0-9a-f-]{36})\n(.*)\n::([0-9a-f-]{36})::\n$`)
	tokens := map[string]bool{}
	for _, forge := range []string{"github", "gitlab", "gitea"} {
		_, script := ciFaults(forge, ciExample(t, forge))
		for _, tt := range []struct{ review, verify, want int }{{0, 0, 0}, {1, 0, 1}, {3, 3, 3}, {0, 3, 3}, {1, 3, 3}} {
			cmd := exec.Command("sh", "-e", "-c", script)
			cmd.Env = []string{
				"PATH=" + programs + ":" + os.Getenv("PATH"),
				fmt.Sprintf("REVIEW=%d", tt.review), fmt.Sprintf("VERIFY=%d", tt.verify),
			}
			var out, errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Run(); err != nil {
				if _, ok := errors.AsType[*exec.ExitError](err); !ok {
					t.Fatal(err)
				}
			}
			if got := cmd.ProcessState.ExitCode(); got != tt.want {
				t.Errorf("%s: review ends with %d and verify with %d: exit status %d, want %d", forge, tt.review, tt.verify, got, tt.want)
			}
			if all := out.String() + errs.String(); !strings.Contains(all, "]review") || !strings.Contains(all, "]verify") {
				t.Errorf("%s: review ends with %d: not both were run:\n%s", forge, tt.review, all)
			}
			if forge == "gitlab" {
				continue
			}
			m := stopped.FindStringSubmatch(out.String())
			if m == nil || m[1] != m[3] || errs.Len() > 0 || tokens[m[1]] {
				t.Errorf("%s: the runner obeys:\n%s%s", forge, out.String(), errs.String())
				continue
			}
			tokens[m[1]] = true
		}
	}
}
