package verify

import (
	"fmt"
	"path"
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
	if err := c.compareSettings(); err != nil {
		return err
	}
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
		if want[name] == nil {
			c.checkUnnamed(name)
		}
	}
	return c.rememberMoved()
}

// checkUnnamed looks at a file of a cluster that berth.yaml does not name.
func (c *checker) checkUnnamed(name string) {
	marker, _ := path.Match("fleet/*/berth.yaml", name)
	cluster := clip(path.Base(path.Dir(name)))
	switch {
	case isFile(c.Head, name):
		if isFluxProjects(name) {
			c.add(ruleOrphan, name, 0, "berth.yaml has no cluster %q", cluster)
		}
	case (isFluxProjects(name) || marker) && c.Base != nil && isFile(c.Base, name):
		c.add(ruleClusterRemoved, name, 0, "is deleted, and berth.yaml has no cluster %q", cluster)
	}
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
func (c *checker) compareSettings() error {
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
	for _, was := range c.Policy.Spec.Clusters {
		if c.cluster(was.Name) != nil {
			continue
		}
		who, err := c.residents(was.Name)
		if err != nil {
			return err
		}
		c.add(ruleClusterRemoved, generator.PlatformPath, 0, "cluster %s is taken out, and %s there", was.Name, who)
	}
	if !reflect.DeepEqual(withoutTrust(c.Policy), withoutTrust(c.settings)) {
		c.add(ruleSettingsChanged, generator.PlatformPath, 0, "defaults or clusters change")
	}
	return nil
}

// residents words which projects run on a cluster of Base.
func (c *checker) residents(cluster string) (string, error) {
	entries, err := readDir(c.Base, "fleet/"+cluster)
	if err != nil {
		return "", err
	}
	const most = 5
	n := 0
	var names []string
	for _, d := range entries {
		id := ProjectOf("fleet/" + cluster + "/" + d.Name())
		if id == "" {
			continue
		}
		if n++; n <= most {
			names = append(names, clip(id))
		}
	}
	switch {
	case n == 0:
		return "no project runs", nil
	case n == 1:
		return "project " + names[0] + " runs", nil
	case n > most:
		names = append(names, "…")
	}
	return fmt.Sprintf("%d projects (%s) run", n, strings.Join(names, ", ")), nil
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
