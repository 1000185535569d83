package verify

import (
	"reflect"
	"slices"
	"strings"

	"github.com/berth-gitops/berth/generator"
)

// checkSettings reads Head's berth.yaml, compares it with the policy, and looks at
// what is made from it.
func (c *checker) checkSettings(s *scope) error {
	if !s.settings {
		return c.rememberMoved()
	}
	if err := c.readSettings(); err != nil {
		return err
	}
	c.compareSettings()
	want, err := generator.ClusterFiles(c.settings)
	if err != nil {
		return c.problems(ruleTrustChanged, generator.PlatformPath, err)
	}
	was, err := generator.ClusterFiles(c.Policy)
	if err != nil {
		return c.problems(ruleTrustChanged, generator.PlatformPath, err)
	}
	own, err := c.ownSopsConfig()
	if err != nil {
		return err
	}
	if own {
		delete(want, sopsConfig)
	}
	if err := c.checkRendered(want, was); err != nil {
		return err
	}
	for _, name := range s.others {
		parts := strings.Split(name, "/")
		if len(parts) == 3 && parts[0] == "clusters" && parts[2] == fluxProjects && want[name] == nil && isFile(c.Head, name) {
			c.add(ruleOrphan, name, 0, "berth.yaml has no cluster %q", clip(parts[1]))
		}
	}
	return c.rememberMoved()
}

const sopsConfig = ".sops.yaml"

// ownSopsConfig says that the repository has a .sops.yaml that is not berth's, and had it
// before: berth init leaves such a file alone.
func (c *checker) ownSopsConfig() (bool, error) {
	if !isFile(c.Head, sopsConfig) {
		return false, nil
	}
	f, err := c.read(entry{path: sopsConfig})
	if err != nil || f == nil || isGenerated(f.data) {
		return false, err
	}
	before, err := c.base(sopsConfig)
	return !isGenerated(before), err
}

// readSettings takes Head's berth.yaml for what specs are rendered with.
func (c *checker) readSettings() error {
	if c.Base == nil || !c.changed(generator.PlatformPath) {
		return nil
	}
	if !isFile(c.Head, generator.PlatformPath) {
		c.add(ruleTrustChanged, generator.PlatformPath, 0, "is not there any more")
		return nil
	}
	f, err := c.read(entry{path: generator.PlatformPath})
	if err != nil || f == nil {
		return err
	}
	settings, err := generator.ParsePlatform(generator.PlatformPath, f.data)
	if err != nil {
		return c.problems(ruleTrustChanged, generator.PlatformPath, err)
	}
	c.settings = settings
	return nil
}

// compareSettings says what of berth.yaml changes, trust apart from the rest.
func (c *checker) compareSettings() {
	trust := func(format string, args ...any) {
		c.add(ruleTrustChanged, generator.PlatformPath, 0, format, args...)
	}
	for _, d := range listDifference(c.Policy.Spec.PublicKeys, c.settings.Spec.PublicKeys) {
		trust("public key %s", d)
	}
	for _, is := range c.settings.Spec.Clusters {
		was := clusterOf(c.Policy, is.Name)
		if was == nil {
			trust("cluster %s is new, with its own recipients", is.Name)
			continue
		}
		for _, d := range listDifference(was.Recipients, is.Recipients) {
			trust("cluster %s: recipient %s", is.Name, d)
		}
		if level, before := podSecurity(c.settings, is.Name), podSecurity(c.Policy, is.Name); strictness(level) < strictness(before) {
			trust("cluster %s: pods may do more: pod security level %s instead of %s", is.Name, level, before)
		}
		if was.URL != is.URL || was.Branch != is.Branch {
			trust("cluster %s: Flux is to follow %s %s instead of %s %s", is.Name, is.URL, is.Branch, was.URL, was.Branch)
		}
	}
	if !reflect.DeepEqual(withoutTrust(c.Policy), withoutTrust(c.settings)) {
		c.add(ruleSettingsChanged, generator.PlatformPath, 0, "defaults or clusters change")
	}
}

// withoutTrust is what remains once what compareSettings names is taken out.
func withoutTrust(p *generator.Platform) generator.PlatformSpec {
	spec := p.Spec
	spec.PublicKeys = nil
	spec.Clusters = slices.Clone(spec.Clusters)
	for i := range spec.Clusters {
		spec.Clusters[i].Recipients, spec.Clusters[i].URL, spec.Clusters[i].Branch = nil, "", ""
	}
	return spec
}

// listDifference words what two lists do not share.
func listDifference(was, is []string) []string {
	var out []string
	for _, s := range is {
		if !slices.Contains(was, s) {
			out = append(out, shorten(s)+" is added")
		}
	}
	for _, s := range was {
		if !slices.Contains(is, s) {
			out = append(out, shorten(s)+" is removed")
		}
	}
	return out
}
