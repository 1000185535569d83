package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
	"github.com/berth-gitops/berth/internal/project"
	"github.com/berth-gitops/berth/sops"
)

// madeKey is a private key that is still to be written to its file.
type madeKey struct {
	what, file string
	text       []byte
	replace    bool // the file is there and gets a pin more

	staged, target string // where the text is, and where it goes
	placed         bool
}

// initKeys sets the berth key of steps and the recipients of the cluster. It returns what
// has to be written for that, and writes nothing.
func (g *globals) initKeys(o *initOptions, steps *project.Steps, settings *generator.Platform) ([]madeKey, error) {
	known := knownCluster(settings, o.cluster.Name)
	if known == nil {
		if o.cluster.URL == "" {
			return nil, usagef("the cluster %s is new to the repository", o.cluster.Name).next("say with --flux-url how Flux on it reaches the repository")
		}
		known = &generator.Cluster{}
	}
	var made []madeKey
	key, fresh, err := g.initKey(settings != nil)
	if err != nil {
		return nil, err
	}
	platformKey, err := o.initPlatformKey(known.Recipients)
	if err != nil {
		return nil, err
	}
	if platformKey != nil {
		made = append(made, *platformKey)
	}
	pinned, err := g.pin(key, o.cluster.Recipients)
	if err != nil {
		return nil, err
	}
	if fresh || pinned {
		file, err := g.keyPath()
		if err != nil {
			return nil, err
		}
		made = append(made, madeKey{what: "the berth key", file: file, text: key.Marshal(), replace: !fresh})
	}
	steps.Key = key
	return made, nil
}

// initKey returns the berth key, and whether it is a new one. For a repository that has
// one already, none is made.
func (g *globals) initKey(initialised bool) (key *sops.Key, fresh bool, err error) {
	if key, err = g.key(); key != nil || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	if initialised {
		return nil, false, fmt.Errorf("%w: it has one already, and it is not at hand", project.ErrForeign)
	}
	if _, err := g.keyPath(); err != nil {
		return nil, false, err
	}
	key, err = sops.NewKey()
	return key, true, err
}

// initPlatformKey adds the platform key's recipient to the cluster, unless recipients
// were given or are committed already. It returns the key when its file is not there.
func (o *initOptions) initPlatformKey(committed []string) (made *madeKey, err error) {
	named := o.platformKeyFile != ""
	if !named {
		if o.platformKeyFile, err = usualPlatformKey(o.cluster.Name); err != nil && len(committed)+len(o.cluster.Recipients) == 0 {
			return nil, usageError{err: err, hint: "name the platform key with --platform-key-file"}
		}
	}
	given := slices.Concat(committed, o.cluster.Recipients)
	own, made, err := o.platformRecipients(named || len(given) == 0)
	if err != nil {
		return nil, err
	}
	switch {
	case named || len(given) == 0:
		o.cluster.Recipients = append(o.cluster.Recipients, own...)
	case !slices.ContainsFunc(own, func(r string) bool { return slices.Contains(given, r) }):
		o.platformKeyFile = "" // another cluster's
	}
	keys := own
	if len(own) == 0 || o.platformKeyFile == "" {
		keys = given
	}
	if o.postQuantum && slices.ContainsFunc(keys, func(r string) bool { return !strings.HasPrefix(r, "age1pq1") }) {
		return nil, usagef("%s has a platform key that is not post-quantum", o.cluster.Name).next("name a new one with --platform-key-file")
	}
	return made, nil
}

// platformRecipients reads the recipients of the platform key file. One that is not there
// is made if it is needed.
func (o *initOptions) platformRecipients(needed bool) (recipients []string, made *madeKey, err error) {
	text, err := os.ReadFile(o.platformKeyFile)
	switch {
	case err == nil:
	case !needed:
		return nil, nil, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, nil, usagef("--platform-key-file: %w", reason(err))
	default:
		if text, _, err = sops.NewIdentity(o.postQuantum); err != nil {
			return nil, nil, err
		}
		made = &madeKey{what: "the platform key of " + o.cluster.Name, file: o.platformKeyFile, text: text}
	}
	if needed && len(bytes.TrimSpace(text)) == 0 {
		return nil, nil, emptyKey(o.platformKeyFile)
	}
	recipients, err = sops.RecipientsOf(string(text))
	if err != nil && !needed {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, usagef("--platform-key-file: %w", err)
	}
	return recipients, made, nil
}

func usualPlatformKey(cluster string) (string, error) {
	folder, err := configFolder()
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, cluster+".agekey"), nil
}

// pin makes the berth key trust the recipients that were named on this command line, and
// says whether it did not before.
func (g *globals) pin(key *sops.Key, recipients []string) (bool, error) {
	missing := false
	for _, r := range recipients {
		if err := sops.ValidRecipient(r); err != nil {
			return false, usagef("--recipient: %w", err)
		}
		missing = missing || !key.Pinned(r)
	}
	if !missing {
		return false, nil
	}
	if g.keyFile == "" && os.Getenv("BERTH_KEY") != "" {
		return false, usagef("the berth key in BERTH_KEY does not pin the recipient yet").next("run init with --key-file, then update BERTH_KEY")
	}
	return true, key.Pin(recipients...)
}

// stageKeys writes the keys that were made beside their files, each readable by its owner
// alone: what cannot be written is known before anything is made.
func (g *globals) stageKeys(made []madeKey) error {
	for _, k := range made {
		if err := g.checkOutside(k.file); err != nil {
			return err
		}
	}
	for i := range made {
		if err := made[i].stage(); err != nil {
			return made[i].unwritten(err)
		}
	}
	return nil
}

// placeKeys gives the staged keys their names.
func (g *globals) placeKeys(made []madeKey) error {
	for i := range made {
		k := &made[i]
		if err := k.place(); err != nil {
			return k.unwritten(err)
		}
		if !k.replace {
			g.ui.action("made %s, %s: keep a copy in a safe", k.what, k.file)
		}
	}
	return nil
}

// dropStaged removes what was staged and got no name.
func dropStaged(made []madeKey) {
	for _, k := range made {
		if k.staged != "" {
			_ = os.Remove(k.staged)
		}
	}
}

func (k *madeKey) unwritten(err error) error {
	return usagef("%s %s cannot be written: %w", k.what, k.file, reason(err))
}

// stage writes the text beside its file, or beside what that links to if it is replaced.
func (k *madeKey) stage() error {
	target := filepath.Clean(k.file) // as it was checked
	if k.replace {
		var err error
		if target, err = filepath.EvalSymlinks(target); err != nil {
			return err
		}
	} else if _, err := os.Lstat(target); err == nil {
		return fs.ErrExist
	}
	folder := filepath.Dir(target)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(folder, ".berth-*")
	if err != nil {
		return err
	}
	k.staged, k.target = f.Name(), target
	_, err = f.Write(k.text)
	return errors.Join(err, f.Sync(), f.Close())
}

// place moves the staged text to its file, whole. A new key never replaces a file.
func (k *madeKey) place() error {
	if !k.replace {
		err := os.Link(k.staged, k.target)
		if err == nil {
			k.placed = true
			_ = os.Remove(k.staged)
			return nil
		}
		if errors.Is(err, fs.ErrExist) {
			return fs.ErrExist
		}
		// A file system without links: the name is taken first.
		f, err := os.OpenFile(k.target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_ = f.Close()
	}
	err := os.Rename(k.staged, k.target)
	k.placed = err == nil
	return err
}

// keptError is the failure of an init that had made keys.
type keptError struct {
	error
	files []string
}

func (e keptError) Unwrap() error { return e.error }

// withKept adds to an error which new keys there are now.
func withKept(err error, made []madeKey) error {
	var files []string
	for _, k := range made {
		if k.placed && !k.replace {
			files = append(files, k.file)
		}
	}
	if files == nil {
		return err
	}
	return keptError{err, files}
}

// checkOutside refuses to put a key into the local repository.
func (g *globals) checkOutside(file string) error {
	repo, local := gitrepo.LocalPath(g.repo)
	if !local {
		return nil
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	if rel, err := filepath.Rel(unlinked(repo), unlinked(abs)); err == nil && filepath.IsLocal(rel) {
		return usagef("%s lies inside the repository", file).next("keep private keys outside of it")
	}
	return nil
}

// unlinked follows the links in a path, as far as it exists.
func unlinked(path string) string {
	if to, err := filepath.EvalSymlinks(path); err == nil {
		return to
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(unlinked(parent), filepath.Base(path))
}
