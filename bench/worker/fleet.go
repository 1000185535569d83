package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/sops"
)

// A fleet is a folder with a repository of many projects and what one needs to
// add one more:
//
//	repo.git    the repository, bare and packed
//	berth.key   the berth key
//	berth.yaml  the settings of the platform, as committed
//	sample/     the files of a project called sampleID, sealed ones included
const (
	sampleID  = "sample-project"
	perCommit = 100
	format    = "1" // another number when this file writes something else
)

// newPlatform returns berth.yaml for three clusters, and the berth key to it.
func newPlatform() (*generator.Platform, []byte, *sops.Key, error) {
	key, err := sops.NewKey()
	if err != nil {
		return nil, nil, nil, err
	}
	doc := fmt.Appendf(nil, "apiVersion: berth/v1alpha1\nkind: Platform\nmetadata:\n  name: fleet\nspec:\n  publicKeys: [%s]\n  clusters:\n",
		key.PublicKeys()[0])
	for _, cluster := range []string{"dev", "stage", "prod"} {
		_, recipient, err := sops.NewIdentity(false)
		if err != nil {
			return nil, nil, nil, err
		}
		if err := key.Pin(recipient); err != nil {
			return nil, nil, nil, err
		}
		doc = fmt.Appendf(doc, "  - name: %s\n    url: https://git.example.com/platform/fleet.git\n    recipients: [%s]\n", cluster, recipient)
	}
	platform, err := generator.ParsePlatform(generator.PlatformPath, doc)
	return platform, doc, key, err
}

// fleetVersion names what a fleet holds: it changes with the specs above, the
// generator, the templates and the shape of sealed files.
func fleetVersion() (string, error) {
	platform, doc, key, err := newPlatform()
	if err != nil {
		return "", err
	}
	files, err := render(platform, key, sampleID)
	if err != nil {
		return "", err
	}
	files[generator.PlatformPath] = doc
	h := sha256.New()
	fmt.Fprintln(h, format, perCommit)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintln(h, name, len(files[name]))
		if name != generator.PlatformPath && !isSealed(name) { // these hold fresh keys
			_, _ = h.Write(files[name])
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:6]), nil
}

func isSealed(name string) bool { return strings.HasSuffix(name, ".sops.yaml") }

// makeFleet makes a fleet of so many projects in dir.
func makeFleet(ctx context.Context, dir string, projects int) error {
	platform, doc, key, err := newPlatform()
	if err != nil {
		return err
	}
	sample, err := render(platform, key, sampleID)
	if err != nil {
		return err
	}
	common, err := generator.ClusterFiles(platform)
	if err != nil {
		return err
	}
	common[generator.PlatformPath] = doc
	if err := writeFiles(filepath.Join(dir, "sample"), sample); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "berth.key"), key.Marshal(), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "berth.yaml"), doc, 0o644); err != nil {
		return err
	}
	repo := filepath.Join(dir, "repo.git")
	if err := runGit(ctx, nil, "init", "--quiet", "--bare", "--initial-branch=main", repo); err != nil {
		return err
	}
	for _, setting := range []string{
		"http.receivepack=true", "uploadpack.allowFilter=true", "uploadpack.allowAnySHA1InWant=true",
		"core.logAllRefUpdates=true",        // the floor learns from it what was pushed
		"gc.auto=0", "receive.autogc=false", // no housekeeping in the middle of a round
	} {
		name, value, _ := strings.Cut(setting, "=")
		if err := runGit(ctx, nil, "-C", repo, "config", name, value); err != nil {
			return err
		}
	}
	read, write := io.Pipe()
	go func() { _ = write.CloseWithError(history(write, platform, common, sample, projects)) }()
	if err := runGit(ctx, read, "-C", repo, "fast-import", "--quiet", "--done"); err != nil {
		return err
	}
	// What a server does to its repositories from time to time.
	return runGit(ctx, nil, "-C", repo, "gc", "--quiet")
}

// history writes the commits of a fleet as git fast-import takes them.
func history(to io.Writer, platform *generator.Platform, common, sample map[string][]byte, projects int) error {
	w := bufio.NewWriterSize(to, 1<<20)
	commit := func(n int) {
		message := fmt.Sprintf("Commit %d\n", n)
		fmt.Fprintf(w, "commit refs/heads/main\ncommitter berth <berth@localhost> %d +0000\ndata %d\n%s", 1_780_000_000+n, len(message), message)
	}
	commit(0)
	for name, data := range common {
		put(w, name, data)
	}
	sealed := map[string]mould{}
	for name, data := range sample {
		if isSealed(name) {
			sealed[name] = newMould(data)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	base64 := func() byte { return alphabet[random.IntN(len(alphabet))] }
	for i := range projects {
		if i%perCommit == 0 {
			commit(1 + i/perCommit)
		}
		id := projectID(i)
		plan, spec, err := plan(platform, id)
		if err != nil {
			return err
		}
		put(w, generator.ProjectPath(id), spec)
		for name, data := range plan.Files {
			put(w, name, data)
		}
		for name, m := range sealed {
			var data bytes.Buffer
			m.fill(&data, id, base64)
			put(w, strings.ReplaceAll(name, sampleID, id), data.Bytes())
		}
	}
	fmt.Fprintln(w, "done")
	return w.Flush()
}

func put(w io.Writer, name string, data []byte) {
	fmt.Fprintf(w, "M 100644 inline %s\ndata %d\n%s\n", name, len(data), data)
}

// projectID is the name of the n-th project, unique and spread over the alphabet.
func projectID(n int) string {
	colours := strings.Fields("amber azure black blue bronze brown coral cream cyan gold green grey indigo ivory jade lime mauve olive pink red")
	animals := strings.Fields("ant bear bison crane deer dove eagle egret finch fox gecko hare heron ibis koala lark lynx mole newt otter owl panda quail raven seal")
	return fmt.Sprintf("%s-%s-%02d", colours[n%len(colours)], animals[n/len(colours)%len(animals)], n/len(colours)/len(animals))
}

// mould is a sealed file of the sample project, from which look-alikes are made:
// the same text and lengths, other ciphertext. Odd pieces are ciphertext.
type mould [][]byte

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

func newMould(data []byte) mould {
	var m mould
	text := 0
	for _, at := range regexp.MustCompile(`[A-Za-z0-9+/_-]{20,}`).FindAllIndex(data, -1) {
		run := data[at[0]:at[1]]
		if bytes.ContainsAny(run, "0123456789") && !bytes.Contains(run, []byte(sampleID)) {
			m = append(m, data[text:at[0]], run)
			text = at[1]
		}
	}
	return append(m, data[text:])
}

func (m mould) fill(w *bytes.Buffer, id string, random func() byte) {
	for i, piece := range m {
		if i%2 == 0 {
			w.Write(bytes.ReplaceAll(piece, []byte(sampleID), []byte(id)))
			continue
		}
		for range piece {
			w.WriteByte(random())
		}
	}
}

func writeFiles(root string, files map[string][]byte) error {
	for name, data := range files {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func runGit(ctx context.Context, stdin io.Reader, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull)
	cmd.Stdin = stdin
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w", strings.Join(args, " "), errors.Join(err, errors.New(string(out))))
	}
	return nil
}
