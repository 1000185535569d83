package components

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const giteaModule = "code.gitea.io/gitea"

// giteaFamily is a forge. Its SQLite is C code.
func giteaFamily() family {
	return family{
		name: "gitea", cgo: true,
		flags:    []string{"-tags", "sqlite sqlite_unlock_notify"},
		ldflags:  "-s -w -X main.Version=1.26.0",
		programs: []program{{"gitea", giteaModule}},
	}
}

// Gitea says where the built Gitea is.
type Gitea struct {
	Program string
	// Static holds the templates, texts and pictures that it reads at run
	// time: its STATIC_ROOT_PATH.
	Static string
}

// EnsureGitea returns Gitea, building it if the cache lacks it: about five
// minutes on two cores, and a C compiler is needed. It is apart from [Ensure]
// because only the proofs of pull requests need it.
func EnsureGitea(ctx context.Context, log io.Writer) (*Gitea, error) {
	b, unlock, err := prepare(ctx, log)
	if err != nil {
		return nil, err
	}
	defer unlock()
	f := giteaFamily()
	dir, err := b.family(ctx, f)
	if err != nil {
		return nil, err
	}
	g := &Gitea{Program: filepath.Join(dir, "gitea"), Static: filepath.Join(dir, "static")}
	return g, b.giteaStatic(ctx, filepath.Join(b.src, f.name), g.Static)
}

// giteaStatic copies what Gitea reads, so that a kept cache is enough.
func (b *builder) giteaStatic(ctx context.Context, module, dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	out, err := goCommand(ctx, module, "list", "-m", "-f", "{{.Dir}}", giteaModule).Output()
	if err != nil {
		return fmt.Errorf("finding Gitea's module: %w", withStderr(err))
	}
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	for _, folder := range []string{"options", "public", "templates"} {
		src := filepath.Join(strings.TrimSpace(string(out)), folder)
		if err := os.CopyFS(filepath.Join(part, folder), os.DirFS(src)); err != nil {
			return fmt.Errorf("copying Gitea's %s: %w", folder, err)
		}
	}
	return os.Rename(part, dir)
}
