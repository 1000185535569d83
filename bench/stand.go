package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A stand is what all cells share: a server, repositories, programs, a folder.
type stand struct {
	options
	dir     string // temporary
	served  string // folder of the server's repositories
	address string // of the server
	worker  string // the program in worker/
	closers []func()
	copies  int
}

func newStand(ctx context.Context, o options) (*stand, error) {
	if err := os.MkdirAll(o.cache, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.dir, "berth-bench-")
	if err != nil {
		return nil, err
	}
	s := &stand{options: o, dir: dir}
	if !o.keep {
		s.closers = append(s.closers, func() { _ = os.RemoveAll(s.dir) })
	}
	if err := s.start(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *stand) start(ctx context.Context) error {
	for _, folder := range []string{"served", "home"} {
		if err := os.Mkdir(filepath.Join(s.dir, folder), 0o755); err != nil {
			return err
		}
	}
	s.worker = filepath.Join(s.dir, "worker")
	if _, err := s.output(ctx, "", "go", "build", "-o", s.worker, "./worker"); err != nil {
		return err
	}
	s.served = filepath.Join(s.dir, "served")
	address, stop, err := serve(s.served, func(r *http.Request, took time.Duration) {
		if s.trace {
			s.say("    %s %s?%s, %d bytes in %s", r.Method, r.URL.Path, r.URL.RawQuery, r.ContentLength, took.Round(100*time.Microsecond))
		}
	})
	if err != nil {
		return err
	}
	s.address = address
	s.closers = append(s.closers, stop)
	return nil
}

func (s *stand) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
}

// say tells on stderr how far the run is.
func (s *stand) say(form string, args ...any) { fmt.Fprintf(os.Stderr, form+"\n", args...) }

// A fleet is a repository of many projects with what one needs to add to it; see
// worker/fleet.go.
type fleet struct {
	dir       string
	projects  int
	recipient string // the platform key of one of its clusters
}

// fleet returns the fleet of so many projects, and makes it when it is not in the
// cache.
func (s *stand) fleet(ctx context.Context, projects int) (fleet, error) {
	version, err := s.output(ctx, "", s.worker, "version")
	if err != nil {
		return fleet{}, err
	}
	dir := filepath.Join(s.cache, "fleet-"+strings.TrimSpace(version)+"-"+strconv.Itoa(projects))
	if _, err := os.Stat(dir); err == nil {
		return openFleet(dir, projects)
	}
	s.say("making a repository of %d projects", projects)
	fresh, err := os.MkdirTemp(s.cache, "new-fleet-")
	if err != nil {
		return fleet{}, err
	}
	defer os.RemoveAll(fresh) // what is left when this fails
	if _, err := s.output(ctx, "", s.worker, "fleet", fresh, strconv.Itoa(projects)); err != nil {
		return fleet{}, err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return fleet{}, err
	}
	return openFleet(dir, projects)
}

func openFleet(dir string, projects int) (fleet, error) {
	settings, err := os.ReadFile(filepath.Join(dir, "berth.yaml"))
	if err != nil {
		return fleet{}, err
	}
	return fleet{dir, projects, regexp.MustCompile(`age1[a-z0-9]+`).FindString(string(settings))}, nil
}

// files returns the files of a new project of this fleet, rendered and sealed, for
// opponents that get them for nothing.
func (f fleet) files(id string) (map[string][]byte, error) {
	files := map[string][]byte{}
	root := filepath.Join(f.dir, "sample")
	return files, filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		name = filepath.ToSlash(strings.TrimPrefix(name, root+string(filepath.Separator)))
		files[asProject(name, id)] = []byte(asProject(string(data), id))
		return err
	})
}

// sampleID is the project that a fleet has the files of.
const sampleID = "sample-project"

func asProject(text, id string) string { return strings.ReplaceAll(text, sampleID, id) }

// projectID is the name of the project of the n-th round: always the same length,
// every time in another place of the alphabet.
func projectID(n int) string {
	return fmt.Sprintf("%c%c-new-%05d", 'a'+n*7%26, 'a'+n*11%26, n)
}

// A repository is a copy of a fleet's for one contender.
type repository struct {
	fleet
	path string
	url  string
}

// repository copies the fleet's repository to where the server finds it. Big files are
// copied once and linked from then on: git never writes into a file that is there,
// but for refs and their logs.
func (s *stand) repository(f fleet) (repository, error) {
	original := filepath.Join(s.dir, fmt.Sprint("fleet-", f.projects))
	if _, err := os.Stat(original); err != nil {
		if err := os.CopyFS(original, os.DirFS(filepath.Join(f.dir, "repo.git"))); err != nil {
			return repository{}, err
		}
	}
	s.copies++
	name := fmt.Sprintf("%d.git", s.copies)
	r := repository{f, filepath.Join(s.served, name), s.address + "/" + name}
	return r, linkAll(original, r.path)
}

func linkAll(from, to string) error {
	return filepath.WalkDir(from, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(name, from))
		switch {
		case entry.IsDir():
			return os.Mkdir(target, 0o755)
		case entry.Name() != "main":
			return os.Link(name, target)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, data, 0o644)
	})
}

// tip returns the commit that main is at.
func (s *stand) tip(ctx context.Context, r repository) (string, error) {
	out, err := s.output(ctx, "", "git", "-C", r.path, "rev-parse", "refs/heads/main")
	return strings.TrimSpace(out), err
}

// output runs a program that is not measured.
func (s *stand) output(ctx context.Context, stdin, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), s.gitEnv()...)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, exit.Stderr)
	}
	return string(out), err
}

// gitEnv keeps git away from the settings of whoever runs this.
func (s *stand) gitEnv() []string {
	return []string{
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=bench", "GIT_AUTHOR_EMAIL=bench@localhost",
		"GIT_COMMITTER_NAME=bench", "GIT_COMMITTER_EMAIL=bench@localhost",
	}
}

// tools builds the programs of the shell pipeline, in the versions of tools/go.mod,
// and returns their folder.
func (s *stand) tools(ctx context.Context) (string, error) {
	sums, err := os.ReadFile("tools/go.sum")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(s.cache, fmt.Sprintf("tools-%x", sha256.Sum256(sums))[:len("tools-")+12])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	s.say("building kubectl, kustomize, sops and age-keygen")
	fresh, err := os.MkdirTemp(s.cache, "new-tools-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh) // what is left when this fails
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", fresh,
		"./kubectl", "sigs.k8s.io/kustomize/kustomize/v5", "github.com/getsops/sops/v3/cmd/sops", "filippo.io/age/cmd/age-keygen")
	cmd.Dir = "tools"
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build in tools: %w: %s", err, out)
	}
	return dir, os.Rename(fresh, dir)
}
