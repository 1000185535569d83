package verify

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/sops"
)

// checkSealed looks at the project's sealed files: that berth sealed each for its
// path, to the right recipients, and for what the spec says. It returns what the files
// that can be believed say, by path.
func (c *checker) checkSealed(p *project) (map[string]*sops.Info, error) {
	infos := map[string]*sops.Info{}
	for _, e := range p.entries {
		f := c.files[e.path]
		if f == nil || !isSealedPath(e.path) {
			continue
		}
		info, err := c.checkSeal(f)
		if err != nil {
			return nil, err
		}
		if info != nil {
			infos[e.path] = info
		}
	}
	projectKeys := map[string]string{} // cluster → recipient
	for _, k := range p.plan.Keys {
		if !isFile(c.Head, k.Path) {
			c.add(ruleMissingSeal, k.Path, 0, "the project key for cluster %s is not there", k.Cluster)
			continue
		}
		if info := infos[k.Path]; info != nil {
			projectKeys[k.Cluster] = info.Recipient
			c.checkKeySeal(k, info)
		}
	}
	for _, s := range p.plan.Secrets {
		if !isFile(c.Head, s.Path) {
			c.add(ruleMissingSeal, s.Path, 0, "the pull secret for %s is not there", s.Environment)
			continue
		}
		if info := infos[s.Path]; info != nil {
			c.checkPullSeal(s, info, projectKeys[s.Cluster])
		}
	}
	if c.Identities != "" {
		c.openSealed(p, infos)
	}
	return infos, nil
}

// checkSeal checks the signature, shape and generation of one file. It returns nil
// for one that is not to be believed.
func (c *checker) checkSeal(f *file) (*sops.Info, error) {
	before, err := c.base(f.path)
	if err != nil {
		return nil, err
	}
	info, err := sops.Verify(f.path, f.data, c.Trusted, before)
	if err == nil {
		return info, nil
	}
	var tampered *sops.TamperedError
	switch {
	case errors.As(err, &tampered):
		c.add(string(tampered.Kind), f.path, 0, "%s", tampered.Detail)
	case errors.Is(err, sops.ErrUnknownKey):
		c.add(ruleUnknownKey, f.path, 1, "the signature is that of an unknown key")
	default:
		c.add(ruleForeign, f.path, 0, "%v", err)
	}
	return nil, nil
}

func (c *checker) checkKeySeal(k generator.KeyRequest, info *sops.Info) {
	if info.Name != k.Name || info.Namespace != k.Namespace || info.Project != k.Project {
		c.add(ruleMisnamed, k.Path, 0, "is the Secret %s/%s of project %q", info.Namespace, info.Name, info.Project)
	}
	cluster := clusterOf(c.Policy, k.Cluster)
	if cluster == nil {
		cluster = &generator.Cluster{} // a new one: trust-changed says so
	}
	for _, d := range listDifference(cluster.Recipients, info.Recipients) {
		c.add(ruleRecipient, k.Path, 0, "compared with cluster %s in berth.yaml, the recipient %s", k.Cluster, d)
	}
	if info.Owner != k.Owner {
		c.add(ruleStaleSeal, k.Path, 0, "is sealed for owner %q, and the spec names %q", info.Owner, k.Owner)
	}
}

func (c *checker) checkPullSeal(s generator.SecretRequest, info *sops.Info, projectKey string) {
	if info.Name != s.Name || info.Namespace != s.Namespace {
		c.add(ruleMisnamed, s.Path, 0, "is the Secret %s/%s", info.Namespace, info.Name)
	}
	if projectKey != "" && !slices.Equal(info.Recipients, []string{projectKey}) {
		c.add(ruleRecipient, s.Path, 0, "is not sealed to exactly the project's key on cluster %s", s.Cluster)
	}
	if info.Owner != s.Owner || info.Registry != s.Registry || info.Username != s.Username {
		c.add(ruleStaleSeal, s.Path, 0, "is sealed for %s: %s at %s, and the spec names %s: %s at %s",
			info.Owner, info.Username, info.Registry, s.Owner, s.Username, s.Registry)
	}
}

// openSealed opens what can be believed with the platform's keys.
func (c *checker) openSealed(p *project, infos map[string]*sops.Info) {
	for _, k := range p.plan.Keys {
		if infos[k.Path] == nil {
			continue
		}
		identity, err := sops.ProjectIdentity(c.files[k.Path].data, c.Identities)
		if errors.Is(err, sops.ErrNoIdentity) {
			c.shut = append(c.shut, k.Path)
			continue
		}
		if err != nil {
			c.add(ruleUnopened, k.Path, 0, "%v", err)
			continue
		}
		c.opened = true
		for _, s := range p.plan.Secrets {
			if s.Cluster != k.Cluster || infos[s.Path] == nil {
				continue
			}
			plain, err := sops.Open(c.files[s.Path].data, identity)
			if err != nil {
				c.add(ruleUnopened, s.Path, 0, "%v", err)
				continue
			}
			if why := credentialFlaw(plain, infos[s.Path]); why != "" {
				c.add(ruleCredential, s.Path, 0, "%s", why)
			}
		}
	}
}

// checkOpened notes what no identity opens. It may be another cluster's, and a warning,
// where anything opens at all; identities that open nothing prove nothing.
func (c *checker) checkOpened() {
	level := Warning
	if !c.opened {
		level = Blocking
	}
	for _, name := range c.shut {
		c.addAt(level, ruleUnopened, name, 0, "no identity in the age key file opens it")
	}
}

// credentialFlaw says why an opened Secret is not the credential that info tells of.
// It quotes nothing of it.
func credentialFlaw(plain []byte, info *sops.Info) string {
	var secret struct {
		Data map[string]string `json:"data"`
	}
	type login struct{ Username, Password, Auth string }
	var config struct {
		Auths map[string]login `json:"auths"`
	}
	if yaml.Unmarshal(plain, &secret) != nil {
		return "is not a Secret"
	}
	doc, err := base64.StdEncoding.DecodeString(secret.Data[".dockerconfigjson"])
	if err != nil || json.Unmarshal(doc, &config) != nil {
		return "has no dockerconfigjson in it"
	}
	host := info.Registry
	if host == "docker.io" {
		host = "https://index.docker.io/v1/"
	}
	l, ok := config.Auths[host]
	pair := base64.StdEncoding.EncodeToString([]byte(l.Username + ":" + l.Password))
	switch {
	case !ok || len(config.Auths) != 1:
		return "holds a credential for another registry, or for several"
	case l.Username != info.Username:
		return "holds a credential for another user"
	case l.Password == "" || l.Auth != pair:
		return "holds a credential that cannot work: no password, or one that contradicts itself"
	}
	return ""
}
