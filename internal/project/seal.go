package project

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/sops"
)

// Seal is what became of one sealed file.
type Seal struct {
	Path        string `json:"path"`
	Environment string `json:"environment,omitempty"` // empty for a project key
	Cluster     string `json:"cluster"`
	Registry    string `json:"registry,omitempty"`
	Username    string `json:"username,omitempty"`
	Kept        bool   `json:"kept"`
	Pending     bool   `json:"pending,omitempty"` // only in a preview: needs a token to be sealed
	Generation  int    `json:"generation,omitempty"`
}

type sealedFile struct {
	Seal
	data []byte
}

// seal makes or keeps every sealed file that plan asks for: first the project keys,
// then the pull secrets to the recipients these hold.
func (s *Steps) seal(ctx context.Context, tip, proposed fs.FS, platform *generator.Platform, plan *generator.Plan, req Request, preview bool) ([]sealedFile, error) {
	if len(plan.Secrets) == 0 {
		return nil, nil
	}
	trusted, err := s.trusted(platform)
	if err != nil {
		return nil, err
	}
	sealer := sops.NewSealer(s.Key, trusted)
	prior := priors{tip: tip, proposed: proposed, trusted: trusted}
	if err := prior.prefetch(ctx, plan); err != nil {
		return nil, err
	}
	keys, names := make([]sealedFile, len(plan.Keys)), make([]string, len(plan.Keys))
	err = each(plan.Keys, func(i int, k generator.KeyRequest) (err error) {
		keys[i], names[i], err = sealKey(prior, sealer, k, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	recipients := map[string]string{} // cluster → the project key's recipient
	for i, k := range plan.Keys {
		recipients[k.Cluster] = names[i]
	}
	secrets := make([]sealedFile, len(plan.Secrets))
	err = each(plan.Secrets, func(i int, r generator.SecretRequest) (err error) {
		secrets[i], err = sealSecret(prior, sealer, r, recipients[r.Cluster], req, preview)
		return err
	})
	return append(keys, secrets...), err
}

// each does all items at a time, for a seal is arithmetic, and joins their errors in order.
func each[T any](items []T, do func(i int, item T) error) error {
	errs := make([]error, len(items))
	var work sync.WaitGroup
	for i, item := range items {
		work.Go(func() { errs[i] = do(i, item) })
	}
	work.Wait()
	return errors.Join(errs...)
}

func sealKey(priors priors, sealer *sops.Sealer, k generator.KeyRequest, req Request) (sealedFile, string, error) {
	prior, err := priors.read(k.Path)
	if err != nil {
		return sealedFile{}, "", err
	}
	seal, err := sealer.ProjectKey(prior, sops.KeyRequest{
		Path: k.Path, Name: k.Name, Namespace: k.Namespace,
		Project: k.Project, Owner: k.Owner, Recipients: k.Recipients, Overwrite: req.Overwrite,
	})
	if err != nil {
		return sealedFile{}, "", err
	}
	return sealedFile{Seal{Path: k.Path, Cluster: k.Cluster, Kept: seal.Kept}, seal.Data}, seal.Recipient, nil
}

func sealSecret(priors priors, sealer *sops.Sealer, r generator.SecretRequest, recipient string, req Request, preview bool) (sealedFile, error) {
	file := sealedFile{Seal: Seal{
		Path: r.Path, Environment: r.Environment, Cluster: r.Cluster, Registry: r.Registry, Username: r.Username,
	}}
	prior, err := priors.read(r.Path)
	if err != nil {
		return file, err
	}
	seal, err := sealer.PullSecret(prior, sops.SecretRequest{
		Path: r.Path, Name: r.Name, Namespace: r.Namespace,
		Project: r.Project, Environment: r.Environment, Owner: r.Owner,
		Registry: r.Registry, Username: r.Username, Recipient: recipient, Overwrite: req.Overwrite,
	}, req.Token)
	if preview && errors.Is(err, sops.ErrNoToken) {
		file.Pending = true
		return file, nil
	}
	file.data, file.Kept, file.Generation = seal.Data, seal.Kept, seal.Generation
	return file, err
}

// priors finds the sealed files that are there already: on the branch of an open pull
// request, when they are true and no older than the base's, else on the base.
type priors struct {
	tip, proposed fs.FS
	trusted       []sops.PublicKey
}

func (p priors) prefetch(ctx context.Context, plan *generator.Plan) error {
	if p.proposed == p.tip {
		return nil
	}
	var paths []string
	for _, k := range plan.Keys {
		paths = append(paths, k.Path)
	}
	for _, s := range plan.Secrets {
		paths = append(paths, s.Path)
	}
	return prefetch(ctx, p.proposed, paths...)
}

func (p priors) read(path string) ([]byte, error) {
	base, err := readFile(p.tip, path)
	if err != nil || p.proposed == p.tip {
		return base, err
	}
	proposed, err := readFile(p.proposed, path)
	if err != nil || proposed == nil {
		return base, err
	}
	if _, err := sops.Verify(path, proposed, p.trusted, base); err != nil {
		return base, nil //nolint:nilerr // what is wrong with it does not matter: it is made again
	}
	return proposed, nil
}
