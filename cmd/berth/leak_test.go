package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The tokens are marked, so that a search cannot find anything else.
const (
	firstToken  = "ghp_Leak7Canary0firstTokenOfAlice42"
	secondToken = "ghp_Leak7Canary1secondTokenOfAlice4"
	brokenToken = "ghp_Leak7Canary2with\nalinebreak"
	canary      = "Leak7Canary"
)

// TestTokenLeaksNowhere runs the life of a project, failures included, and then looks
// for the tokens in all that was printed, stored, left behind or visible to other
// processes.
func TestTokenLeaksNowhere(t *testing.T) {
	w := newWatched(t)
	w.berth("", 0, "init", "--cluster", "home", "--flux-url", "https://git.example.com/f.git")
	create := []string{"create", "project", "shop", "--owner", "alice", "--image", "ghcr.io/alice/shop:v1",
		"--env", "development", "--env", "production", "--username", "alice", "--password-stdin"}
	w.berth(firstToken, 0, create...)
	w.berth(firstToken, 0, create...)
	w.berth(firstToken, 0, append(create, "-o", "json")...)
	w.berth(secondToken, 3, "diff", "shop", "--password-stdin")
	w.berth(secondToken, 3, "diff", "shop", "--password-stdin", "-o", "yaml")
	w.berth(secondToken, 0, "create", "project", "shop", "--password-stdin")

	tokenFile := filepath.Join(w.secrets, "token")
	write(t, tokenFile, firstToken+"\n")
	w.berth("", 0, "create", "project", "shop", "--password-file", tokenFile)
	w.env = append(w.env, "BERTH_PASSWORD="+secondToken)
	w.berth("", 0, "create", "project", "shop")
	w.env = w.env[:len(w.env)-1]

	// What fails must not say what it failed with.
	w.berth(brokenToken, 2, "create", "project", "shop", "--password-stdin")
	w.berth(firstToken, 1, "create", "project", "shop", "--owner", "bob", "--password-stdin")
	w.berth(firstToken, 2, "create", "project", "shop", "--port", "0", "--env", "a-b", "--password-stdin")
	w.berth(firstToken, 2, "create", "project", "other", "--owner", "bob", "--password-stdin", "-o", "json")
	w.berth(firstToken, 1, "create", "project", "shop", "--repo", filepath.Join(w.dir, "missing"), "--password-stdin")
	w.berth("ghs_"+canary, 2, "create", "project", "shop", "--password-stdin")
	w.berth(firstToken, 1, "create", "project", "shop", "--key-file", tokenFile, "--password-stdin")

	hook := filepath.Join(w.repo, "hooks", "pre-receive")
	write(t, hook, "#!/bin/sh\necho refused by rule; env; ps -ef 2>/dev/null; exit 1\n")
	if err := os.Chmod(hook, 0o755); err != nil {
		t.Fatal(err)
	}
	w.env = append(w.env, "BERTH_PASSWORD="+firstToken)
	w.berth("", 1, "create", "project", "shop")
	w.env = w.env[:len(w.env)-1]
	if err := os.Remove(hook); err != nil {
		t.Fatal(err)
	}
	w.berth("", 0, "export", "shop", "production")
	w.berth("", 0, "get", "projects", "-o", "json")
	w.berth("", 0, "verify")
	w.berth("", 0, "delete", "project", "shop", "--yes")

	for place, data := range w.everything() {
		if found := search(data, 0); found != "" {
			t.Errorf("a token is in %s: %s", place, found)
		}
	}
}

// TestTokenInTheSpec gives a token and writes it, or an encoding of it, where the spec is
// in plain text, too. It is refused by the name of the field, which shows no token.
func TestTokenInTheSpec(t *testing.T) {
	w := newWatched(t)
	w.berth("", 0, "init", "--cluster", "home", "--flux-url", "https://git.example.com/f.git")
	w.berth(firstToken, 0, "create", "project", "shop", "--owner", "alice", "--image", "ghcr.io/alice/shop:v1", "--env", "production", "--username", "alice", "--password-stdin")
	auth := base64.StdEncoding.EncodeToString([]byte("alice:" + firstToken))
	const host = "0123456789abcdef-leak7canary" // a token may be in lower case
	spec := func(id, lines string) string {
		return "apiVersion: berth/v1alpha1\nkind: Project\nmetadata: {name: " + id + "}\nspec:\n  owner: alice\n  image: ghcr.io/alice/shop:v1\n  " +
			strings.ReplaceAll(lines, "\n", "\n  ") + "\n"
	}
	const pull, env = "pullSecret: {registry: ghcr.io, username: alice}\n", "environments: [{name: production}]"
	for field, test := range map[string]struct {
		token string
		args  []string
	}{
		"--username":                  {firstToken, []string{"shop", "--username", firstToken}},
		"--image":                     {firstToken, []string{"shop", "--image", "ghcr.io/alice/shop:" + firstToken}},
		"--owner":                     {firstToken, []string{"shop", "--owner", firstToken}},
		"--template":                  {firstToken, []string{"shop", "--template", firstToken}},
		"metadata.name":               {host, []string{host, "--owner", "alice"}},
		"spec.environments[0].host":   {host, []string{"-f", spec("shop", pull+"environments: [{name: production, host: "+host+".example.com}]")}},
		"spec.env[GH_TOKEN]":          {firstToken, []string{"-f", spec("shop", pull+env+"\nenv: {GH_TOKEN: "+firstToken+"}")}},
		"spec.env[AUTH]":              {firstToken, []string{"-f", spec("shop", pull+env+"\nenv: {AUTH: "+auth+"}")}},
		"spec.environments[0].env":    {firstToken, []string{"-f", spec("shop", pull+"environments: [{name: production, env: {"+firstToken+": x}}]")}},
		"spec.environments[0].env[A]": {firstToken, []string{"-f", spec("shop", pull+`environments: [{name: production, env: {A: "x\n`+firstToken+`"}}]`)}},
	} {
		t.Run(field, func(t *testing.T) {
			if test.args[0] == "-f" {
				file := filepath.Join(w.secrets, "spec.yaml")
				write(t, file, test.args[1])
				test.args[1] = file
			}
			w.printed.Reset()
			for _, verb := range [][]string{{"create", "project"}, {"diff"}} {
				w.berth(test.token, 2, append(append(verb, test.args...), "--password-stdin")...)
			}
			if said := w.printed.String(); strings.Count(said, field+": ") != 2 {
				t.Errorf("the field is not named: %s", said)
			}
			if found := search(w.printed.Bytes(), 0); found != "" || strings.Contains(w.printed.String(), host) {
				t.Errorf("the token is printed: %s", w.printed.String())
			}
		})
	}
	many := filepath.Join(w.secrets, "specs")
	if err := os.Mkdir(many, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(many, "bulk.yaml"), spec("bulk", pull+env+"\nenv: {GH_TOKEN: "+firstToken+"}"))
	w.berth(`{"owner":"alice","registry":"ghcr.io","username":"alice","token":"`+firstToken+`"}`, 2, "create", "project", "-f", many, "--credentials-stdin")
	for place, data := range w.everything() {
		if found := search(data, 0); found != "" && place != "command lines" {
			t.Errorf("a token is in %s: %s", place, found)
		}
	}

	// What somebody else committed in a comment is not committed again.
	clone := filepath.Join(w.dir, "clone")
	git(t, w.dir, "clone", "-q", w.repo, clone)
	file := filepath.Join(clone, "projects", "shop", "project.yaml")
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "# "+firstToken+"\n"+string(doc))
	git(t, clone, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qam", "Note")
	git(t, clone, "push", "-q")
	w.printed.Reset()
	w.berth(firstToken, 2, "create", "project", "shop", "--port", "8080", "--password-stdin")
	if said := w.printed.String(); !strings.Contains(said, "✗ projects/shop/project.yaml: has the registry token") {
		t.Errorf("the file is not named: %s", said)
	}
}

// TestSearchFindsLeaks proves the search by planting what it must find.
func TestSearchFindsLeaks(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte("alice:" + firstToken))
	for name, leak := range map[string]string{
		"plain":            "x " + firstToken,
		"base64":           `"auth":"` + encoded + `"`,
		"base64, URL":      base64.RawURLEncoding.EncodeToString([]byte("??>>" + firstToken)),
		"base64 of base64": base64.StdEncoding.EncodeToString([]byte(`{"auths":{"ghcr.io":{"auth":"` + encoded + `"}}}`)),
		"in a longer run":  "abc" + base64.RawStdEncoding.EncodeToString([]byte(firstToken)),
		"hexadecimal":      hex.EncodeToString([]byte(firstToken)),
		"split over lines": encoded[:20] + "\n  " + encoded[20:],
		"reversed":         reverse(firstToken),
	} {
		if search([]byte(leak), 0) == "" {
			t.Errorf("%s: not found", name)
		}
	}
	if found := search([]byte(strings.Repeat("nothing to see 0123456789abcdef ", 1000)), 0); found != "" {
		t.Errorf("found a leak where there is none: %s", found)
	}

	w := newWatched(t)
	stop := w.watch()
	cmd := exec.Command("sh", "-c", "printf %s \"$1\" >\"$TMPDIR/leak\"; sleep 3; rm \"$TMPDIR/leak\"", "sh", firstToken)
	cmd.Env = w.env
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	stop()
	for _, place := range []string{"command lines", "temporary files"} {
		if search(w.everything()[place], 0) == "" {
			t.Errorf("a leak in %s was not seen", place)
		}
	}
}

// watched runs berth and keeps all that others could see of it.
type watched struct {
	t                                 *testing.T
	program, dir, repo, secrets, temp string
	env                               []string
	printed, commands, files          bytes.Buffer
}

func newWatched(t *testing.T) *watched {
	dir := t.TempDir()
	w := &watched{t: t, program: berthProgram(t), dir: dir, repo: filepath.Join(dir, "fleet.git"), secrets: filepath.Join(dir, "secrets"), temp: filepath.Join(dir, "tmp")}
	for _, d := range []string{w.secrets, w.temp} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + w.temp, "BERTH_REPO=" + w.repo, "XDG_CONFIG_HOME=" + filepath.Join(dir, "config")}
	return w
}

// berth runs the program with the token on stdin and wants an exit status. Every run
// is as talkative as it can be.
func (w *watched) berth(token string, status int, args ...string) {
	w.t.Helper()
	stop := w.watch()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.program, append(args, "--verbose")...)
	cmd.Env, cmd.Stdin = w.env, strings.NewReader(token)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); cmd.ProcessState == nil {
		w.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != status {
		w.t.Errorf("berth %s: exit status %d, want %d\n%s", strings.Join(args, " "), got, status, output.String())
	}
	w.printed.Write(output.Bytes())
}

// watch reads command lines and temporary files until stop is called.
func (w *watched) watch() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
			}
			names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, name := range names {
				if data, err := os.ReadFile(name); err == nil && bytes.Contains(data, []byte(canary)) {
					w.commands.Write(data)
				}
			}
			_ = filepath.WalkDir(w.temp, func(name string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					data, _ := os.ReadFile(name) // it may be gone again
					w.files.Write(data)
				}
				return nil //nolint:nilerr // what is gone is not looked at
			})
			time.Sleep(time.Millisecond)
		}
	}()
	return func() { close(done); <-ended }
}

// everything returns all that was seen, by where: output, every object of the
// repository whether reachable or not, command lines, temporary files, and every
// other file that is left but the user's own secrets.
func (w *watched) everything() map[string][]byte {
	found := map[string][]byte{"output": w.printed.Bytes(), "command lines": w.commands.Bytes(), "temporary files": w.files.Bytes()}
	if _, err := os.Stat(w.repo); err == nil {
		objects, err := exec.Command("git", "-C", w.repo, "cat-file", "--batch-all-objects", "--batch").Output()
		if err != nil || len(objects) == 0 {
			w.t.Fatalf("git cat-file: %v, %d bytes", err, len(objects))
		}
		found["Git objects"] = objects
	}
	err := filepath.WalkDir(w.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == w.secrets {
			return fs.SkipDir
		}
		if d.IsDir() {
			return nil
		}
		found[name], err = os.ReadFile(name)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

var (
	base64Run = regexp.MustCompile(`[A-Za-z0-9+/_-]{8,}`)
	hexRun    = regexp.MustCompile(`[0-9a-fA-F]{16,}`)
	lineBreak = regexp.MustCompile(`[\r\n][ \t]*`)
)

// search looks for a token in data and in whatever base64 or hexadecimal text in it
// decodes to, four layers deep. It returns what stands around the place.
func search(data []byte, depth int) string {
	for _, want := range []string{canary, reverse(canary)} {
		if i := bytes.Index(data, []byte(want)); i >= 0 {
			return string(data[max(0, i-40):min(len(data), i+60)])
		}
	}
	if depth == 4 {
		return ""
	}
	texts := [][]byte{data}
	if joined := lineBreak.ReplaceAll(data, nil); len(joined) != len(data) && depth == 0 {
		texts = append(texts, joined)
	}
	for _, text := range texts {
		for _, run := range base64Run.FindAll(text, -1) {
			if found := searchRun(string(run), depth); found != "" {
				return found
			}
		}
		for _, run := range hexRun.FindAll(text, -1) {
			if plain, err := hex.DecodeString(string(run[:len(run)&^1])); err == nil {
				if found := search(plain, depth+1); found != "" {
					return found
				}
			}
		}
	}
	return ""
}

// searchRun decodes a run at each of the four offsets at which base64 can begin.
func searchRun(run string, depth int) string {
	run = strings.NewReplacer("-", "+", "_", "/").Replace(run)
	for offset := range 4 {
		part := run[min(offset, len(run)):]
		if len(part)%4 == 1 {
			part = part[:len(part)-1]
		}
		plain, err := base64.RawStdEncoding.DecodeString(part)
		if err != nil || len(plain) < 6 {
			continue
		}
		if found := search(plain, depth+1); found != "" {
			return found
		}
	}
	return ""
}

func reverse(s string) string {
	r := []byte(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	if out, err := exec.Command("git", append([]string{"-C", dir}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", args[0], err, out)
	}
}
