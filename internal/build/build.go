// Package build runs Kustomize over an [io/fs.FS], in memory and offline.
//
// [Kustomize] is the one function to call. It refuses whatever would make
// Kustomize reach outside the file system it was given: remote resources, remote
// files, Helm charts, generators, transformers and other plug-ins. A build therefore
// never opens a connection and never starts a program, whatever the tree says. One that
// grows beyond all measure is given up with [ErrRunaway].
package build

import (
	"fmt"
	"io/fs"
	"os"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/types"
)

// Kustomize builds the folder dir of fsys and returns the objects as one YAML
// stream, as `kustomize build` prints it. Files anywhere in fsys may be named by
// relative paths, as Flux allows for its source artifact.
func Kustomize(fsys fs.FS, dir string) ([]byte, error) {
	if err := checkLocal(fsys, dir); err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	out, err := guard(limits{memory: 1 << 30, time: time.Minute}, func() ([]byte, error) { return run(fsys, dir) })
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", dir, err)
	}
	return out, nil
}

func run(fsys fs.FS, dir string) ([]byte, error) {
	opts := krusty.MakeDefaultOptions()
	opts.LoadRestrictions = types.LoadRestrictionsNone
	opts.PluginConfig = types.DisabledPluginConfig()
	// Kustomize has no switch that keeps it from running git. Should a reference get past
	// checkLocal, git itself knows no protocol, and so no command, to fetch it with.
	if err := os.Setenv("GIT_ALLOW_PROTOCOL", "none"); err != nil {
		return nil, err
	}
	resources, err := krusty.MakeKustomizer(opts).Run(readOnly{fsys}, "/"+dir)
	if err != nil {
		return nil, err
	}
	return resources.AsYaml()
}
