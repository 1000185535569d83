package stand

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/berth-gitops/berth/e2e/components"
	"github.com/berth-gitops/berth/e2e/process"
)

// kube is etcd, kube-apiserver and kube-controller-manager on loopback.
type kube struct {
	dir, logs  string
	bin        *components.Binaries
	etcd, api  *process.Process
	manager    *process.Process
	admin      *rest.Config
	kubeconfig string // of the administrator
}

func (k *kube) start(ctx context.Context) error {
	ports, err := process.FreePorts(3)
	if err != nil {
		return err
	}
	if err := k.startEtcd(ctx, ports[0], ports[1]); err != nil {
		return err
	}
	if err := k.startAPIServer(ctx, ports[0], ports[2]); err != nil {
		return err
	}
	return k.startManager()
}

func (k *kube) startEtcd(ctx context.Context, client, peer int) (err error) {
	k.etcd, err = process.Start(k.logs, process.Command(k.bin.Etcd,
		"--data-dir="+filepath.Join(k.dir, "etcd"),
		"--listen-client-urls=http://"+process.Loopback(client),
		"--advertise-client-urls=http://"+process.Loopback(client),
		"--listen-peer-urls=http://"+process.Loopback(peer),
		"--unsafe-no-fsync",
		"--log-level=warn",
	))
	if err != nil {
		return err
	}
	return eventually(ctx, Patience, []*process.Process{k.etcd}, func(ctx context.Context) error {
		return healthy(ctx, http.DefaultClient, "http://"+process.Loopback(client)+"/health")
	})
}

func (k *kube) startAPIServer(ctx context.Context, etcd, port int) error {
	pki := filepath.Join(k.dir, "pki")
	if err := os.MkdirAll(pki, 0o700); err != nil {
		return err
	}
	signing := filepath.Join(pki, "service-account.key")
	if err := writeECKey(signing); err != nil {
		return err
	}
	token, tokens := rand.Text(), filepath.Join(pki, "tokens.csv")
	if err := os.WriteFile(tokens, []byte(token+",admin,admin,system:masters\n"), 0o600); err != nil {
		return err
	}
	var err error
	k.api, err = process.Start(k.logs, process.Command(k.bin.APIServer,
		"--etcd-servers=http://"+process.Loopback(etcd),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
		"--secure-port="+strconv.Itoa(port),
		"--cert-dir="+pki, // the API server signs its own certificate here
		"--token-auth-file="+tokens,
		"--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+signing,
		"--service-account-signing-key-file="+signing,
		"--service-cluster-ip-range=10.0.0.0/16",
		"--allow-privileged=true", // so that only pod security can stop a privileged pod
		"--enable-priority-and-fairness=false",
	))
	if err != nil {
		return err
	}
	certificate := filepath.Join(pki, "apiserver.crt")
	return eventually(ctx, Patience, []*process.Process{k.etcd, k.api}, func(ctx context.Context) error {
		ca, err := os.ReadFile(certificate)
		if err != nil {
			return err
		}
		k.admin = &rest.Config{
			Host:            "https://" + process.Loopback(port),
			BearerToken:     token,
			TLSClientConfig: rest.TLSClientConfig{CAData: ca},
			QPS:             -1, // tests poll; the client must not be what they wait for
			WarningHandler:  rest.NoWarnings{},
		}
		client, err := rest.HTTPClientFor(k.admin)
		if err != nil {
			return err
		}
		if err := healthy(ctx, client, k.admin.Host+"/readyz"); err != nil {
			return err
		}
		k.kubeconfig = filepath.Join(k.dir, "kubeconfig")
		return writeKubeconfig(k.kubeconfig, k.admin, token)
	})
}

// startManager runs the few controllers without which namespaces would not go
// away and Deployments would not become Pods. There is no kubelet and no scheduler.
func (k *kube) startManager() (err error) {
	k.manager, err = process.Start(k.logs, process.Command(k.bin.ControllerManager,
		"--kubeconfig="+k.kubeconfig,
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=200", "--kube-api-burst=400",
		"--controllers=namespace-controller,deployment-controller,replicaset-controller,"+
			"garbage-collector-controller,serviceaccount-controller,resourcequota-controller,"+
			"validatingadmissionpolicy-status-controller", // it checks the policies' types
	))
	return err
}

func (k *kube) processes() []*process.Process {
	var all []*process.Process
	for _, p := range []*process.Process{k.manager, k.api, k.etcd} {
		if p != nil {
			all = append(all, p)
		}
	}
	return all
}

// stop kills: nobody will ask this cluster anything again.
func (k *kube) stop() {
	for _, p := range k.processes() {
		p.Kill()
	}
}

func healthy(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, res.Status)
	}
	return nil
}

func writeECKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func writeKubeconfig(path string, c *rest.Config, token string) error {
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters["e2e"] = &clientcmdapi.Cluster{Server: c.Host, CertificateAuthorityData: c.CAData}
	cfg.AuthInfos["e2e"] = &clientcmdapi.AuthInfo{Token: token}
	cfg.Contexts["e2e"] = &clientcmdapi.Context{Cluster: "e2e", AuthInfo: "e2e"}
	cfg.CurrentContext = "e2e"
	return clientcmd.WriteToFile(*cfg, path)
}
