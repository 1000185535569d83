package gitrepo

import (
	"errors"
	"log/slog"
	"time"
)

// Options says how to reach a repository and how to write to it. The zero
// value reads and writes local repositories.
type Options struct {
	// Username and Password log in over HTTP; a forge's token is a password.
	// A user inside the URL comes first, also for SSH; the default is "git".
	Username string
	Password Secret
	// BearerToken logs in over HTTP instead of a password.
	BearerToken Secret
	// CAFile holds PEM certificates to trust besides the system's.
	CAFile string

	// SSHKeyFile is a private key; SSHAgentSocket the address of a running
	// agent, usually $SSH_AUTH_SOCK. One of them is needed for SSH.
	SSHKeyFile       string
	SSHKeyPassphrase Secret
	SSHAgentSocket   string
	// KnownHostsFile holds the keys of SSH servers, usually
	// ~/.ssh/known_hosts. A server that is not in it is refused.
	KnownHostsFile string

	// Author and Committer of commits. Each defaults to the other, and both
	// to a name that says that nobody was named.
	Author, Committer Signature
	// SigningKeyFile is a private SSH key that signs commits.
	SigningKeyFile       string
	SigningKeyPassphrase Secret

	// CacheDir keeps objects between runs and may be shared by processes;
	// empty means none. What is in it is checked, never trusted.
	CacheDir string
	// IdleTimeout ends a conversation in which the server sends and takes
	// nothing; default one minute.
	IdleTimeout time.Duration
	// Messages gets what the server and its hooks print during a push, line
	// by line, safe for a terminal. Without it they go to Log.
	Messages func(line string)
	// Now is the clock of commits; default time.Now.
	Now func() time.Time
	// Log gets what is worth knowing but no error; it may be nil.
	Log *slog.Logger
}

const defaultIdleTimeout = time.Minute

func (o Options) withDefaults() (Options, error) {
	if o.Author.isZero() {
		o.Author = o.Committer
	}
	if o.Author.isZero() {
		o.Author = Signature{Name: "berth", Email: "berth@localhost"}
	}
	if o.Committer.isZero() {
		o.Committer = o.Author
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = defaultIdleTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, errors.Join(o.Author.check(), o.Committer.check())
}
