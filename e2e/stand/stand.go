// Package stand starts a real control plane on loopback for the proofs of
// berth: etcd, kube-apiserver, kube-controller-manager and Flux's two
// controllers as host processes, git servers (HTTP with authentication, SSH)
// and a container registry with an account per user.
//
// [Start] gives a cluster that `flux install` could have made, [Stand.Init]
// makes it berth's by running what `berth init` prints. There is no kubelet:
// pods appear and stay Pending.
//
// Every process is a child that dies with us. Logs stay in the stand's folder
// until [Stand.Stop] is told that all went well.
package stand

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/berth-gitops/berth/e2e/components"
	"github.com/berth-gitops/berth/e2e/process"
)

// Options say how a stand is started. The zero value is good.
type Options struct {
	// Log gets one line per step; nil discards them.
	Log io.Writer
	// Concurrent is kustomize-controller's --concurrent; 0 is its default, 4.
	Concurrent int
	// SSH makes berth and Flux reach the repository over SSH instead of HTTP.
	SSH bool
	// Berth is the program under test; when it is empty, Init builds it.
	Berth string
	// Disk puts the controllers' temporary files on disk: every reconciliation
	// unpacks the repository there. Otherwise they are in memory, as
	// docs/capacity.md advises for clusters, if the machine has enough.
	Disk bool
}

// Stand is a running control plane with its servers.
type Stand struct {
	Client     client.WithWatch // as administrator, not cached
	Kubeconfig string           // of the administrator
	Registry   *Registry
	GitUser    Account // whom the Git server lets in
	Dir        string  // everything this stand wrote, logs included
	Berth      string  // the program under test, once Init has run

	bin  *components.Binaries
	log  io.Writer
	kube *kube
	flux *flux
	git  net.Listener
	ssh  *SSHServer // nil unless Options.SSH

	order sync.Map // [2]string of commits → whether the first comes after the second
}

// Start builds what is missing and starts everything. On an error nothing is
// left running, and the logs stay.
func Start(ctx context.Context, o Options) (_ *Stand, err error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	if err := components.CheckRun(); err != nil {
		return nil, err
	}
	bin, err := components.Ensure(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "berth-e2e-")
	if err != nil {
		return nil, err
	}
	s := &Stand{Dir: dir, Berth: o.Berth, bin: bin, log: o.Log, GitUser: Account{"flux", "git-password"}}
	defer func() {
		if err != nil {
			s.Stop(true)
			err = fmt.Errorf("%w\nlogs: %s", err, s.Logs())
		}
	}()
	begin := time.Now()
	if err := s.start(ctx, o); err != nil {
		return nil, err
	}
	fmt.Fprintf(s.log, "✔ control plane in %v\n", time.Since(begin).Round(100*time.Millisecond))
	return s, nil
}

func (s *Stand) start(ctx context.Context, o Options) error {
	for _, dir := range []string{s.Logs(), s.repositories(), filepath.Join(s.Dir, "flux"), filepath.Join(s.Dir, "kube")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	s.kube = &kube{dir: filepath.Join(s.Dir, "kube"), logs: s.Logs(), bin: s.bin}
	if err := s.kube.start(ctx); err != nil {
		return err
	}
	s.Kubeconfig = s.kube.kubeconfig
	var err error
	if s.Client, err = client.NewWithWatch(s.kube.admin, client.Options{Scheme: scheme()}); err != nil {
		return err
	}
	s.flux = &flux{dir: filepath.Join(s.Dir, "flux"), logs: s.Logs(), bin: s.bin, concurrent: o.Concurrent}
	if s.flux.tmp, err = temporaryFolder(o.Disk); err != nil {
		return err
	}
	if err := s.flux.install(ctx, s.Client); err != nil {
		return err
	}
	if err := s.flux.start(ctx, s.kube, s.Client); err != nil {
		return err
	}
	if s.git, err = serveGitHTTP(s.repositories(), s.Logs(), s.GitUser); err != nil {
		return err
	}
	if o.SSH {
		if s.ssh, err = ServeGitSSH(s.repositories(), s.Dir); err != nil {
			return err
		}
	}
	s.Registry, err = ServeRegistry(s.Logs())
	return err
}

// Stop ends everything. The folder goes too, unless keep is set.
func (s *Stand) Stop(keep bool) {
	if s.flux != nil {
		s.flux.stop()
	}
	if s.kube != nil {
		s.kube.stop()
	}
	if s.git != nil {
		_ = s.git.Close()
	}
	if s.ssh != nil {
		s.ssh.Close()
	}
	if s.Registry != nil {
		s.Registry.Close()
	}
	if s.flux != nil && s.flux.tmp != "" {
		_ = os.RemoveAll(s.flux.tmp)
	}
	if !keep {
		_ = os.RemoveAll(s.Dir)
	}
}

func temporaryFolder(disk bool) (string, error) {
	const pattern = "berth-e2e-tmp-"
	if disk {
		return os.MkdirTemp("", pattern)
	}
	return process.TempDir(pattern)
}

// Logs is the folder with one log per process.
func (s *Stand) Logs() string { return filepath.Join(s.Dir, "logs") }

func (s *Stand) repositories() string { return filepath.Join(s.Dir, "git") }

// processes are those that must not end while the stand is in use.
func (s *Stand) processes() []*process.Process {
	return append(s.kube.processes(), s.flux.processes()...)
}

// Usage is what the programs have used whose cost grows with the number of projects.
func (s *Stand) Usage() (kustomize, source, api process.Usage) {
	return s.flux.kustomize.Usage(), s.flux.source.Usage(), s.kube.api.Usage()
}

func scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiextensionsv1.AddToScheme, sourcev1.AddToScheme, kustomizev1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return scheme
}
