package stand

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/berth-gitops/berth/e2e/process"
)

// A Registry is a container registry with GHCR's manners: who presents a
// username and a token gets a bearer token, and with it reaches only the
// repositories under that username. Everything is private.
type Registry struct {
	Host     string // 127.0.0.1:<port>
	listener net.Listener
	backend  http.Handler

	mu       sync.Mutex
	accounts map[string]string // username → token
	bearers  map[string]string // bearer token → username
}

// ServeRegistry starts one on a free loopback port.
func ServeRegistry(logs string) (*Registry, error) {
	logFile, err := os.OpenFile(filepath.Join(logs, "registry.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	logger := log.New(logFile, "", log.LstdFlags)
	listener, err := process.Listen()
	if err != nil {
		return nil, err
	}
	r := &Registry{
		Host: listener.Addr().String(), listener: listener,
		backend:  registry.New(registry.Logger(logger)),
		accounts: map[string]string{}, bearers: map[string]string{},
	}
	go func() { _ = (&http.Server{Handler: r, ErrorLog: logger}).Serve(listener) }()
	return r, nil
}

// Close stops the registry.
func (r *Registry) Close() { _ = r.listener.Close() }

// Allow sets a user's token; the one before it stops working.
func (r *Registry) Allow(username, token string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accounts[username] = token
	for bearer, owner := range r.bearers {
		if owner == username {
			delete(r.bearers, bearer)
		}
	}
}

// Push puts a small random image under a name like alice/shop:v1 and returns
// its digest.
func (r *Registry) Push(repository, tag string) (string, error) {
	owner, _, _ := strings.Cut(repository, "/")
	r.mu.Lock()
	token := r.accounts[owner]
	r.mu.Unlock()
	ref, err := name.ParseReference(r.Host + "/" + repository + ":" + tag)
	if err != nil {
		return "", err
	}
	image, err := random.Image(64, 1)
	if err != nil {
		return "", err
	}
	auth := &authn.Basic{Username: owner, Password: token}
	if err := remote.Write(ref, image, remote.WithAuth(auth)); err != nil {
		return "", fmt.Errorf("pushing %s: %w", ref, err)
	}
	digest, err := image.Digest()
	return digest.String(), err
}

func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path == "/token" {
		r.issue(w, req)
		return
	}
	bearer, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	r.mu.Lock()
	user, known := r.bearers[bearer]
	r.mu.Unlock()
	switch {
	case !known:
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="%s"`, r.Host, r.Host))
		deny(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
	case req.URL.Path != "/v2/" && !strings.HasPrefix(req.URL.Path, "/v2/"+user+"/"):
		deny(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
	default:
		r.backend.ServeHTTP(w, req)
	}
}

func (r *Registry) issue(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for username, token := range r.accounts {
		if (Account{username, token}).matches(req) {
			bearer := rand.Text()
			r.bearers[bearer] = username
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]string{"token": bearer})
			return
		}
	}
	deny(w, http.StatusUnauthorized, "UNAUTHORIZED", "unknown username or token")
}

func deny(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{"code": code, "message": message}}})
}
