// Package gitrepo reads a Git repository as a file system and writes to it by
// compare-and-swap, without a clone, a work tree or an index.
//
// Open a repository with [Open]: a path on this machine, https:// or ssh://.
// [Repo.Tip] and [Repo.At] return a commit as an [fs.FS] that fetches what is
// read; call [Tree.Prefetch] first when much will be. [Repo.Update] is the one
// way to write, and [Queue] writes many changes with one push. [Create] makes
// a new local repository.
//
// The cost of a change depends on the change: only the folders from the root
// to it are read and written, and the pack that is sent holds large folders as
// differences. The package knows files and commits; what they mean is not its
// business. Everything comes in [Options]: of the environment only the usual
// HTTP proxy variables count and, for a local repository, what git needs to run.
package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Repo is an open repository. It may be used by many goroutines.
type Repo struct {
	opts   Options
	ep     endpoint
	remote *remote
	store  *store
	sign   func([]byte) (string, error) // nil: unsigned

	retryWait, movedWait backoff

	mu   sync.Mutex
	tips map[string]knownTip // of branches, when last heard of
}

// Open prepares to use the repository at a local path or file:// URL, an
// http(s):// or ssh:// URL, or the scp-like user@host:path. A password inside
// the URL is refused. A local path is checked at once; a server is not asked
// before something is read.
func Open(ctx context.Context, url string, o Options) (*Repo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	ep, err := parseURL(url)
	if err != nil {
		return nil, &failure{kind: ErrAddress, err: err}
	}
	r := &Repo{
		opts: o, ep: ep, tips: map[string]knownTip{},
		store:     &store{mem: newLRU[Hash](memoryLimit), spool: os.TempDir(), fetching: newTurn(1)},
		retryWait: fullJitter(100*time.Millisecond, 4*time.Second),
		movedWait: fullJitter(10*time.Millisecond, 2*time.Second),
	}
	if o.SigningKeyFile != "" {
		if r.sign, err = commitSigner(o.SigningKeyFile, o.SigningKeyPassphrase); err != nil {
			return nil, fmt.Errorf("signing key: %w", err)
		}
	}
	if ep.scheme != "file" {
		if r.store.cache, err = openCache(o.CacheDir, ep, o.Log); err != nil {
			return nil, err
		}
	}
	t, err := r.transport()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", ep, err)
	}
	r.remote = &remote{t: logged{t, o.Log}, wait: fullJitter(100*time.Millisecond, 2*time.Second), cache: r.store.cache}
	r.store.remote = r.remote
	return r, nil
}

func (r *Repo) transport() (transport, error) {
	switch r.ep.scheme {
	case "file":
		dir, err := findGitDir(r.ep.path)
		if err == nil {
			err = checkFormat(dir)
		}
		if err != nil {
			return nil, err
		}
		r.store.local = openObjectDir(filepath.Join(dir, "objects"), 0)
		return newLocalTransport(dir, r.opts.IdleTimeout)
	case "ssh":
		return newSSHTransport(r.ep, r.opts)
	}
	return newHTTPTransport(r.ep, r.opts)
}

// String returns the address without any credential.
func (r *Repo) String() string { return r.ep.String() }

// Close gives up connections, open files and memory. It is needed only by
// processes that go on without the repository.
func (r *Repo) Close() error { return errors.Join(r.remote.t.close(), r.store.close()) }

// Tip returns what a branch holds now. A repository without any commit gives
// an empty tree whose Commit is zero; in one with commits a missing branch is
// [ErrRevisionNotFound]. ctx also governs what the tree fetches later.
func (r *Repo) Tip(ctx context.Context, branch string) (*Tree, error) {
	t, err := r.readTip(ctx, branch)
	if err != nil {
		return nil, err
	}
	r.remember(branch, t)
	return r.tree(ctx, t), nil
}

func (r *Repo) tree(ctx context.Context, t tip) *Tree {
	return &Tree{ctx: ctx, src: r.store, commit: t.commit, root: t.root, local: r.store.local != nil}
}

// rootOf fetches a commit with the top of its tree.
func (r *Repo) rootOf(ctx context.Context, id, have Hash) (Hash, error) {
	if err := r.store.commits(ctx, []Hash{id}, have); err != nil {
		return Hash{}, r.wrap(err)
	}
	return r.rootIn(ctx, id)
}

// rootIn reads the id of the tree from a commit.
func (r *Repo) rootIn(ctx context.Context, id Hash) (Hash, error) {
	data, err := get(ctx, r.store, id, kindCommit)
	if err != nil {
		return Hash{}, r.wrap(err)
	}
	c, err := parseCommit(data)
	return c.tree, err
}

// readTip asks the server where a branch is.
func (r *Repo) readTip(ctx context.Context, branch string) (tip, error) {
	id, err := r.readRef(ctx, branch)
	if err != nil {
		return tip{}, err
	}
	if id.IsZero() {
		all, err := r.list(ctx, "refs/heads/")
		if err != nil || len(all) == 0 {
			return tip{}, err
		}
		name := "refs/heads/" + branch
		if id = resolved(all, []string{name}); id.IsZero() { // or it was made just now
			return tip{}, r.wrap(noRevision(name, all))
		}
	}
	was, _ := r.known(branch)
	if was.commit == id {
		return was, nil
	}
	root, err := r.rootOf(ctx, id, was.commit)
	return tip{id, root}, err
}

// readRef asks where a branch is; zero when it does not exist.
func (r *Repo) readRef(ctx context.Context, branch string) (Hash, error) {
	name := "refs/heads/" + branch
	if err := checkRefName(branch); err != nil {
		return Hash{}, r.wrap(err)
	}
	refs, err := r.list(ctx, name)
	for _, ref := range refs {
		if ref.name == name {
			return ref.id, nil
		}
	}
	return Hash{}, err
}

func (r *Repo) list(ctx context.Context, prefixes ...string) ([]ref, error) {
	var refs []ref
	err := r.remote.retry(ctx, func() (err error) {
		refs, err = r.remote.refs(ctx, prefixes...)
		return err
	})
	if err != nil {
		return nil, r.wrap(err)
	}
	return refs, nil
}

// knownTip is where a branch was at some time.
type knownTip struct {
	tip
	at time.Time
}

func (r *Repo) known(branch string) (tip, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.tips[branch]
	return t.tip, ok
}

// trustTip is how long a tip is taken for the branch's without asking. To be
// wrong is harmless but costs the server a push in vain.
const trustTip = 3 * time.Second

// recent is known, for a tip that was heard of just now.
func (r *Repo) recent(branch string) (tip, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.tips[branch]
	return t.tip, ok && time.Since(t.at) < trustTip
}

func (r *Repo) remember(branch string, t tip) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tips[branch] = knownTip{t, time.Now()}
}

// message hands on a line that the server printed during a push.
func (r *Repo) message(line string) {
	if r.opts.Messages == nil {
		r.opts.Log.Info("the server says", slog.String("line", line))
		return
	}
	r.opts.Messages(line)
}

func (r *Repo) wrap(err error) error { return fmt.Errorf("%s: %w", r.ep, err) }
