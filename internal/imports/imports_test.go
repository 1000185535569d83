// Package imports proves which package may know what. The rules stand in one table,
// each with its reason; a rule that nothing could break fails, too.
package imports

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/berth-gitops/berth"

// rule forbids imports to the packages in and below the folders it names, or to all
// other packages when except is set.
type rule struct {
	folders []string
	except  bool
	forbid  []string
	why     string
}

func rules() []rule {
	return []rule{
		{
			folders: []string{"generator", "templates"},
			forbid: []string{"os", "os/exec", "net", "net/http", "crypto/rand", "math/rand", "math/rand/v2", "syscall", "log", "log/slog",
				module + "/gitrepo", module + "/sops", module + "/internal", module + "/cmd"},
			why: "the generator is pure: the same spec gives the same files, whenever and wherever",
		},
		{
			folders: []string{"gitrepo"},
			forbid:  []string{"k8s.io", "sigs.k8s.io", "github.com/fluxcd", module + "/generator", module + "/sops", module + "/internal/project"},
			why:     "gitrepo knows files and commits, not Kubernetes",
		},
		{
			folders: []string{"sops"},
			forbid:  []string{module + "/gitrepo", module + "/generator", module + "/internal", "net/http", "os/exec"},
			why:     "what sees tokens in plain reaches neither Git nor the network",
		},
		{
			folders: []string{"sops"}, except: true,
			forbid: []string{"filippo.io/age"},
			why:    "only sops sees plaintext leave and ciphertext arrive",
		},
		{
			folders: []string{"cmd", "generator", "gitrepo", "internal", "sops", "templates"},
			forbid:  []string{"github.com/getsops"},
			why:     "upstream's SOPS links the clients of six clouds and reads /etc when a program starts; tests compare with it",
		},
		{
			folders: []string{"gitrepo"}, except: true,
			forbid: []string{"github.com/go-git/go-git/v5", "github.com/go-git/go-billy/v5"},
			why:    "one package knows how Git is spoken",
		},
		{
			folders: []string{"internal/verify", "internal/review"},
			forbid:  []string{"os", "os/exec", "net", "net/http", module + "/gitrepo", module + "/internal/project", module + "/cmd"},
			why:     "what judges a tree does not know how it is reached",
		},
		{
			folders: []string{"internal/build"},
			forbid:  []string{"os/exec", "net", "net/http", module + "/gitrepo", module + "/internal/project", module + "/cmd"},
			why:     "a build reaches nothing but its tree; package os is there to keep Kustomize's git from it",
		},
		{
			folders: []string{"internal/project"},
			forbid:  []string{"os", "os/exec", "golang.org/x/term", module + "/cmd"},
			why:     "the steps are the same for every front end: they know no environment and no terminal",
		},
		{
			folders: []string{"cmd"}, except: true,
			forbid: []string{"flag", "github.com/spf13/cobra", "github.com/spf13/pflag"},
			why:    "only commands read flags",
		},
	}
}

func TestImports(t *testing.T) {
	files := parse(t)
	for _, r := range rules() {
		checked := 0
		for name, file := range files {
			if r.covers(name) == r.except {
				continue
			}
			checked++
			for _, spec := range file.Imports {
				imported, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				if slices.ContainsFunc(r.forbid, func(f string) bool { return below(imported, f) }) {
					t.Errorf("%s imports %s: %s", name, imported, r.why)
				}
			}
		}
		if checked == 0 {
			t.Errorf("no file is covered by the rule %q", r.why)
		}
	}
}

// TestOnlyCommandsReadTheEnvironment finds calls that read the environment.
func TestOnlyCommandsReadTheEnvironment(t *testing.T) {
	callers := callersOf(t, "os", "Getenv", "LookupEnv", "Environ", "ExpandEnv", "UserHomeDir", "UserConfigDir")
	for _, c := range callers {
		if !below(c.file, "cmd") && !allowedEnvironment(c.file, c.function) {
			t.Errorf("%s calls os.%s: only commands read the environment", c.file, c.function)
		}
	}
}

// TestGeneratorReadsNoClock completes the first rule: package time has durations, too.
func TestGeneratorReadsNoClock(t *testing.T) {
	for _, c := range callersOf(t, "time", "Now", "Since", "Until") {
		if below(c.file, "generator") {
			t.Errorf("%s calls time.%s: the same spec gives the same files, whenever", c.file, c.function)
		}
	}
}

type caller struct{ file, function string }

// callersOf lists who names one of a package's functions; there must be some, or the
// test looks for the wrong thing.
func callersOf(t *testing.T, pkg string, functions ...string) []caller {
	t.Helper()
	var callers []caller
	for name, file := range parse(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && slices.Contains(functions, sel.Sel.Name) {
				if id, ok := sel.X.(*ast.Ident); ok && id.Name == pkg {
					callers = append(callers, caller{name, sel.Sel.Name})
				}
			}
			return true
		})
	}
	if len(callers) == 0 {
		t.Fatalf("nobody calls any of %s.%v", pkg, functions)
	}
	return callers
}

// allowedEnvironment lists the exceptions, each for a program that must inherit it.
func allowedEnvironment(name, function string) bool {
	return below(name, "gitrepo") && function == "Environ" // git on a local path
}

func (r rule) covers(name string) bool {
	return slices.ContainsFunc(r.folders, func(f string) bool { return below(name, f) })
}

func below(name, folder string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }

// parse reads every non-test Go file of the module by its path from the root.
func parse(t *testing.T) map[string]*ast.File {
	t.Helper()
	root := filepath.Join("..", "..")
	files := map[string]*ast.File{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() && slices.Contains([]string{"e2e", "bench", "bin", ".git"}, name) || path.Base(name) == "testdata" {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		files[name], err = parser.ParseFile(token.NewFileSet(), p, nil, parser.SkipObjectResolution)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
