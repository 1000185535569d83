package forge

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-gitops/berth/e2e/forge/gitea"
	"github.com/berth-gitops/berth/gitrepo/forge/forgetest"
)

// platform runs the berth command on a repository of the Gitea.
type platform struct {
	t   *testing.T
	r   *gitea.Repository
	env []string
}

func newPlatform(t *testing.T) *platform {
	dir := t.TempDir()
	r := site.NewRepository(t)
	p := &platform{t: t, r: r, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CONFIG_HOME=" + dir,
		"BERTH_REPO=" + r.Address(), "BERTH_GIT_USERNAME=berth", "BERTH_GIT_PASSWORD=" + r.TokenText(forgetest.Berth),
		"BERTH_FORGE=gitea", "GITEA_TOKEN=" + r.TokenText(forgetest.Berth),
	}}
	p.must("", "init", "--cluster", "home", "--flux-url", "https://git.example.com/f.git")
	return p
}

// outcome is what the command prints about a write.
type outcome struct {
	Changed     bool
	Commit      string
	PullRequest *struct {
		Number  int64
		URL     string
		Outcome string
	}
}

func (p *platform) run(token string, args ...string) (out, errs string, status int) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), program, args...)
	cmd.Env, cmd.Stdin = p.env, strings.NewReader(token)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return string(stdout), stderr.String(), cmd.ProcessState.ExitCode()
}

func (p *platform) must(token string, args ...string) string {
	p.t.Helper()
	out, errs, status := p.run(token, args...)
	if status != 0 {
		p.t.Fatalf("berth %s: exit status %d\n%s%s", strings.Join(args, " "), status, out, errs)
	}
	return out
}

// propose runs a write as a pull request.
func (p *platform) propose(token string, args ...string) outcome {
	p.t.Helper()
	var o outcome
	if err := json.Unmarshal([]byte(p.must(token, append(args, "--pull-request", "-o", "json")...)), &o); err != nil {
		p.t.Fatal(err)
	}
	return o
}

func (o outcome) is(t *testing.T, number int64, what string) {
	t.Helper()
	if o.PullRequest == nil || o.PullRequest.Outcome != what || number != 0 && o.PullRequest.Number != number {
		t.Errorf("pull request %+v, want %d %s", o.PullRequest, number, what)
	}
}

// TestCommandProposes is the life of a pull request as the command line makes it.
func TestCommandProposes(t *testing.T) {
	p := newPlatform(t)
	create := []string{"create", "project", "shop", "--owner", "alice", "--image", "ghcr.io/alice/shop:v1", "--env", "production", "--username", "alice", "--password-stdin"}
	opened := p.propose("ghp_alice", create...)
	opened.is(t, 0, "opened")
	number := opened.PullRequest.Number
	if strings.Contains(p.must("", "get", "projects"), "shop") {
		t.Error("the project is on main before anybody merged it")
	}

	// The same again, with and without the token: nothing is pushed, the seal is kept.
	for _, args := range [][]string{create, create[:len(create)-1]} {
		again := p.propose("ghp_alice", args...)
		again.is(t, number, "unchanged")
		if again.Changed || again.Commit != opened.Commit {
			t.Errorf("the same again: %+v", again)
		}
	}

	// The base moves: planned again on it, still one pull request.
	p.must("", "create", "project", "blog", "--owner", "bob", "--image", "nginx:1.27", "--env", "production")
	moved := p.propose("", create[:len(create)-1]...)
	moved.is(t, number, "updated")
	if !moved.Changed || moved.Commit == opened.Commit {
		t.Errorf("after the base moved: %+v", moved)
	}

	// A review is one comment, kept current.
	head := fmt.Sprintf("refs/pull/%d/head", number)
	for range 2 {
		p.must("", "review", "--base", "main", "--head", head, "--comment", fmt.Sprint(number))
	}
	if comments := p.r.Comments(t, number); len(comments) != 1 || !strings.Contains(comments[0], "ghcr.io/alice/shop:v1") || strings.Contains(comments[0], "ghp_alice") {
		t.Errorf("comments: %q", comments)
	}
	p.must("", "verify", "--base", "main", "--head", head)

	p.r.Merge(t, number)
	merged := p.propose("ghp_alice", create...)
	if merged.Changed || merged.PullRequest != nil {
		t.Errorf("after the merge: %+v", merged)
	}
	if !strings.Contains(p.must("", "get", "projects"), "shop") {
		t.Error("the project is not on main after the merge")
	}
	p.must("", "verify")

	// A change that is taken back closes its pull request.
	p.propose("", "create", "project", "shop", "--image", "ghcr.io/alice/shop:v2").is(t, 0, "opened")
	p.propose("", "create", "project", "shop", "--image", "ghcr.io/alice/shop:v1").is(t, 0, "closed")
	if open := p.r.OpenPulls(t); len(open) != 0 {
		t.Errorf("open: %v", open)
	}

	// A deletion is a pull request, too.
	p.propose("", "delete", "project", "blog", "--yes").is(t, 0, "opened")
	if !strings.Contains(p.must("", "get", "projects"), "blog") {
		t.Error("the project is gone before anybody merged it")
	}

	// What a person pushed to the branch is not berth's to replace.
	p.propose("", "create", "project", "shop", "--image", "ghcr.io/alice/shop:v3").is(t, 0, "opened")
	p.r.Commit(t, "berth/shop")
	if _, errs, status := p.run("", "create", "project", "shop", "--image", "ghcr.io/alice/shop:v4", "--pull-request"); status != 1 || !strings.Contains(errs, "merge, or delete, the branch") {
		t.Errorf("over a person's commit: exit status %d\n%s", status, errs)
	}
}

// TestCommandSaysWhy words what stops a pull request.
func TestCommandSaysWhy(t *testing.T) {
	p := newPlatform(t)
	create := []string{"create", "project", "shop", "--owner", "alice", "--image", "nginx:1.27", "--env", "production", "--pull-request"}
	env := p.env
	for name, test := range map[string]struct{ token, want string }{
		"no token":        {"", "set GITEA_TOKEN or name a file"},
		"bad token":       {"nonsense", "check the forge's token"},
		"read-only token": {p.r.TokenText(forgetest.Reader), "needs write access"},
	} {
		p.env = append(env[:len(env):len(env)], "GITEA_TOKEN="+test.token)
		if _, errs, status := p.run("", create...); status == 0 || !strings.Contains(errs, test.want) || test.token != "" && strings.Contains(errs, test.token) {
			t.Errorf("%s: exit status %d\n%s", name, status, errs)
		}
	}
}

// TestManyMergeInAnyOrder merges many open pull requests in random order: no two projects
// share a file, so none conflicts.
func TestManyMergeInAnyOrder(t *testing.T) {
	const projects = 50
	p := newPlatform(t)
	specs := t.TempDir()
	for i := range projects {
		spec := fmt.Sprintf("apiVersion: berth/v1alpha1\nkind: Project\nmetadata:\n  name: p%d\nspec:\n  owner: alice\n  image: ghcr.io/alice/p%d:v1\n"+
			"  pullSecret: {registry: ghcr.io, username: alice}\n  environments:\n  - name: production\n", i, i)
		if err := os.WriteFile(filepath.Join(specs, fmt.Sprintf("p%d.yaml", i)), []byte(spec), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	credentials := `{"owner":"alice","registry":"ghcr.io","username":"alice","token":"ghp_alice"}`
	p.must(credentials, "create", "project", "-f", specs, "--credentials-stdin", "--pull-request")
	var numbers []int64
	for _, open := range p.r.OpenPulls(t) {
		numbers = append(numbers, open...)
	}
	if len(numbers) != projects {
		t.Fatalf("%d pull requests are open, want %d", len(numbers), projects)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(numbers), func(i, j int) { numbers[i], numbers[j] = numbers[j], numbers[i] })
	for _, number := range numbers {
		p.r.Merge(t, number)
	}
	if out := p.must("", "get", "projects"); strings.Count(out, "ghcr.io/alice/") != projects {
		t.Errorf("after all merges:\n%s", out)
	}
	if out := p.must("", "verify", "-o", "json"); !strings.Contains(out, fmt.Sprintf(`"sealed": %d`, 2*projects)) {
		t.Errorf("verify: %s", out)
	}
}
