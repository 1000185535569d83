// Package components builds the real control plane that the end-to-end proofs
// run on: etcd, kube-apiserver, kube-controller-manager, kubectl, and Flux's
// source-controller and kustomize-controller, each from its own Go module.
//
// Call [Ensure]. The first call takes about a quarter of an hour on two cores;
// the binaries are kept in a cache folder ([CacheDir]) under a key of
// everything that goes into them, so later calls take milliseconds. Nothing
// else is downloaded and no container engine is needed.
package components

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A family is one Go module whose programs are built together. The families
// cannot share a module: Kubernetes and Flux ask for different cel-go versions.
type family struct {
	name     string
	ldflags  string
	programs []program
	crds     []string // modules whose config/crd/bases is kept beside the programs
	flags    []string // more flags of go build
	cgo      bool     // needs a C compiler
}

type program struct{ name, pkg string }

func families() []family {
	const version = "k8s.io/component-base/version."
	return []family{
		{name: "etcd", ldflags: "-s -w", programs: []program{
			{"etcd", "go.etcd.io/etcd/server/v3"},
		}},
		{
			name: "kube",
			ldflags: "-s -w -X " + version + "gitVersion=v1.36.4 -X " +
				version + "gitMajor=1 -X " + version + "gitMinor=36",
			programs: []program{
				{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"},
				{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"},
				{"kubectl", "k8s.io/kubernetes/cmd/kubectl"},
			},
		},
		{
			name: "flux", ldflags: "-s -w",
			programs: []program{
				{"source-controller", "github.com/fluxcd/source-controller"},
				{"kustomize-controller", "github.com/fluxcd/kustomize-controller"},
			},
			crds: []string{
				"github.com/fluxcd/source-controller",
				"github.com/fluxcd/kustomize-controller",
			},
		},
	}
}

// Binaries says where the built programs are.
type Binaries struct {
	Etcd, APIServer, ControllerManager, Kubectl string
	SourceController, KustomizeController       string
	// CRDs holds the CustomResourceDefinitions of both controllers, as
	// upstream ships them (*.yaml).
	CRDs string
}

// CacheDir is $BERTH_E2E_CACHE, or berth-e2e in the user's cache folder.
func CacheDir() (string, error) {
	if dir := os.Getenv("BERTH_E2E_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a folder to keep the built programs in: %w; set BERTH_E2E_CACHE", err)
	}
	return filepath.Join(dir, "berth-e2e"), nil
}

// Ensure returns the programs, building those that the cache lacks, one after
// the other. Two processes may call it at once: the second waits for the
// first. Progress goes to log, one line per step.
func Ensure(ctx context.Context, log io.Writer) (*Binaries, error) {
	b, unlock, err := prepare(ctx, log)
	if err != nil {
		return nil, err
	}
	defer unlock()
	dirs := map[string]string{}
	for _, f := range families() {
		if dirs[f.name], err = b.family(ctx, f); err != nil {
			return nil, err
		}
	}
	bin := func(family, name string) string { return filepath.Join(dirs[family], name) }
	return &Binaries{
		Etcd:                bin("etcd", "etcd"),
		APIServer:           bin("kube", "kube-apiserver"),
		ControllerManager:   bin("kube", "kube-controller-manager"),
		Kubectl:             bin("kube", "kubectl"),
		SourceController:    bin("flux", "source-controller"),
		KustomizeController: bin("flux", "kustomize-controller"),
		CRDs:                bin("flux", "crds"),
	}, nil
}

// prepare makes a builder that has the cache to itself until unlock.
func prepare(ctx context.Context, log io.Writer) (b *builder, unlock func(), err error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, nil, fmt.Errorf("making the cache folder: %w; set BERTH_E2E_CACHE to one that can be written", err)
	}
	src, err := ModuleDir(ctx)
	if err != nil {
		return nil, nil, err
	}
	if unlock, err = lock(ctx, filepath.Join(cache, ".lock"), log); err != nil {
		return nil, nil, err
	}
	return &builder{src: filepath.Join(src, "components"), cache: cache, log: log}, unlock, nil
}

// ModuleDir is the folder of the e2e module: the components' modules lie beside
// the source, and only the go command knows where that is.
func ModuleDir(ctx context.Context) (string, error) {
	out, err := goCommand(ctx, "", "list", "-m", "-f", "{{.Dir}}", "github.com/berth-gitops/berth/e2e").Output()
	if err != nil {
		return "", fmt.Errorf("finding the e2e module (run this inside the e2e folder): %w", withStderr(err))
	}
	return strings.TrimSpace(string(out)), nil
}

type builder struct {
	src, cache string
	log        io.Writer
	checked    bool // the machine was found good enough to build on
}

func (b *builder) family(ctx context.Context, f family) (string, error) {
	module := filepath.Join(b.src, f.name)
	key, err := cacheKey(ctx, module, f)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(b.cache, f.name+"-"+key)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, p := range f.programs {
		if err := b.program(ctx, module, dir, f, p); err != nil {
			return "", err
		}
	}
	return dir, b.crds(ctx, module, filepath.Join(dir, "crds"), f)
}

func (b *builder) program(ctx context.Context, module, dir string, f family, p program) error {
	target := filepath.Join(dir, p.name)
	if _, err := os.Stat(target); err == nil {
		return nil
	}
	if !b.checked {
		if err := checkBuild(b.cache, f.cgo); err != nil {
			return err
		}
		b.checked = true
	}
	fmt.Fprintf(b.log, "► building %s (kept in %s)\n", p.name, dir)
	begin := time.Now()
	part := target + ".part" // renamed when complete, so that a killed build leaves nothing that looks built
	args := append([]string{"build", "-p", "2", "-trimpath", "-ldflags", f.ldflags, "-o", part}, f.flags...)
	cmd := goCommand(ctx, module, append(args, p.pkg)...)
	if f.cgo {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=1")
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("building %s: %w\n%s", p.name, err, tail(out))
	}
	if err := os.Rename(part, target); err != nil {
		return err
	}
	fmt.Fprintf(b.log, "✔ %s in %s\n", p.name, time.Since(begin).Round(time.Second))
	return nil
}

// crds copies the CustomResourceDefinitions, so that a kept cache is enough
// and the module cache may be empty.
func (b *builder) crds(ctx context.Context, module, dir string, f family) error {
	if len(f.crds) == 0 {
		return nil
	}
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	for _, m := range f.crds {
		out, err := goCommand(ctx, module, "list", "-m", "-f", "{{.Dir}}", m).Output()
		if err != nil {
			return fmt.Errorf("finding %s: %w", m, withStderr(err))
		}
		bases := os.DirFS(filepath.Join(strings.TrimSpace(string(out)), "config", "crd", "bases"))
		if err := os.CopyFS(part, bases); err != nil {
			return fmt.Errorf("copying the CRDs of %s: %w", m, err)
		}
	}
	return os.Rename(part, dir)
}

// cacheKey covers everything that a program is built from.
func cacheKey(ctx context.Context, module string, f family) (string, error) {
	version, err := goCommand(ctx, module, "env", "GOVERSION", "GOOS", "GOARCH").Output()
	if err != nil {
		return "", fmt.Errorf("asking go for its version: %w", withStderr(err))
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%v\x00", version, f.ldflags, f.programs)
	for _, flag := range f.flags {
		fmt.Fprintf(h, "%s\x00", flag)
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%d\x00", len(data))
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}

func goCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false", "GOWORK=off")
	return cmd
}

func withStderr(err error) error {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, tail(exit.Stderr))
	}
	return err
}

// tail keeps the end of a compiler's output: the beginning is download noise.
func tail(out []byte) string {
	const limit = 4 << 10
	if len(out) > limit {
		out = out[len(out)-limit:]
	}
	return strings.TrimSpace(string(out))
}
