package verify

import (
	"bytes"
	"io/fs"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// place is where something stands.
type place struct {
	file string
	line int
	own  bool // the signature line names this file
}

// checkOther looks at a file that belongs to no project.
func (c *checker) checkOther(name string) error {
	if !fs.ValidPath(name) {
		c.checkName(name)
		return nil
	}
	info, err := lstat(c.Head, name)
	if err != nil {
		if !isMissing(err) {
			return err
		}
		if isCluster(name) && !isFluxProjects(name) {
			c.add(ruleClusterFile, name, 0, "is deleted, and Flux deletes what it held")
		}
		return nil
	}
	if c.others--; c.others < 0 {
		c.giveUp(name, "as many files outside of projects as berth looks at")
		return nil
	}
	if c.Base != nil && isOurs(name) {
		if err := c.checkClash(name); err != nil {
			return err
		}
	}
	c.checkName(name)
	c.checkPlace(name)
	id := info.Sys()
	if id == nil || !info.Mode().IsRegular() || isOurs(name) || isCluster(name) { // the name counts
		return c.checkContent(name, info.Mode())
	}
	if c.equal[id] >= maxEqual {
		return nil
	}
	found, seen := len(c.report.Findings), len(c.seen)
	if err := c.checkContent(name, info.Mode()); err != nil {
		return err
	}
	c.equal[id]++
	switch now := c.report.Findings; {
	case len(now) == found && len(c.seen) == seen:
		c.equal[id] = maxEqual
	case c.equal[id] == maxEqual && len(now) > found:
		last := now[len(now)-1]
		c.addAt(last.Level, last.Rule, name, 0, "is the same as %d files before it; further ones are not named", maxEqual-1)
	}
	return nil
}

// checkContent reads a file that belongs to no project, and looks at it.
func (c *checker) checkContent(name string, mode fs.FileMode) error {
	f, err := c.read(entry{name, mode.Type()})
	delete(c.files, name)
	if err != nil || f == nil {
		return err
	}
	c.checkSource(f)
	c.checkClusterFile(f)
	return nil
}

// checkPlace finds files where only berth's own, or none, belong.
func (c *checker) checkPlace(name string) {
	parts := strings.Split(name, "/")
	switch {
	case parts[0] == "projects", parts[0] == "tenants", parts[0] == "fleet" && !c.isMarker(parts):
		c.add(ruleStray, name, 0, "is not a file that berth writes, and belongs to no project")
	}
}

// isMarker knows fleet/<cluster>/berth.yaml.
func (c *checker) isMarker(parts []string) bool {
	return len(parts) == 3 && parts[2] == "berth.yaml" && c.cluster(parts[1]) != nil
}

// checkSource looks at one file by itself.
func (c *checker) checkSource(f *file) {
	c.checkTokens(f)
	c.checkPlaintext(f)
	c.checkKustomization(f)
	switch {
	case isSealedPath(f.path):
		c.report.Sealed++
	case isOurs(f.path):
		c.checkSealedElsewhere(f)
	}
	c.checkTwice(f)
}

// checkPlaintext finds Secrets whose values are not encrypted, also in lists, and
// patches of Secrets.
func (c *checker) checkPlaintext(f *file) {
	for _, doc := range f.docs {
		visit(doc, func(n *yaml.Node) {
			for _, secret := range secrets(n) {
				for _, name := range []string{"data", "stringData"} {
					if plain := plainValue(field(secret, name)); plain != nil {
						line := max(plain.Line, n.Line)
						c.add(rulePlaintextSecret, f.path, line, "%s of a Secret is not encrypted", name)
					}
				}
			}
		})
	}
}

// secrets returns n if it is a Secret, and the items of a SecretList, which need not say
// what they are.
func secrets(n *yaml.Node) []*yaml.Node {
	if n.Kind == yaml.MappingNode && text(field(n, "apiVersion")) != "" {
		switch text(field(n, "kind")) {
		case "Secret":
			return []*yaml.Node{n}
		case "SecretList":
			if items := deref(field(n, "items")); items != nil && items.Kind == yaml.SequenceNode {
				return items.Content
			}
		}
	}
	return nil
}

// plainValue returns a value that is not ciphertext.
func plainValue(data *yaml.Node) *yaml.Node {
	if data = deref(data); data == nil || data.Tag == "!!null" {
		return nil
	}
	if data.Kind == yaml.ScalarNode {
		if data.Value == "" || wholeCiphertext.MatchString(data.Value) {
			return nil
		}
		return data
	}
	for i, child := range data.Content {
		if data.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		if plain := plainValue(child); plain != nil {
			return plain
		}
	}
	return nil
}

var (
	wholeCiphertext = regexp.MustCompile(`^ENC\[AES256_GCM,data:[A-Za-z0-9+/=]*,iv:[A-Za-z0-9+/=]+,tag:[A-Za-z0-9+/=]+,type:[a-z]+\]$`)
	ciphertext      = regexp.MustCompile(`ENC\[AES256_GCM,\s*data:[A-Za-z0-9+/=\s]{4,}[^\]]*\]`)
	// fluxMarker are the bytes without which Flux decrypts no file, one for each format
	// (kustomize-controller, internal/decryptor/decryptor.go, sopsFormatToMarkerBytes);
	// that of INI counts where a section can begin.
	fluxMarker = regexp.MustCompile(`(?m)^[\s\v\pZ\x{85}\x{FEFF}]*\[sops\]|sops_mac=ENC\[|mac: ENC\[|"mac": "ENC\[`)
	wrappedKey = regexp.MustCompile(`-----BEGIN AGE ENCRYPTED FILE-----[A-Za-z0-9+/=\s\\n]+-----END`)
)

// checkSealedElsewhere finds SOPS and age material outside of the files for it.
func (c *checker) checkSealedElsewhere(f *file) {
	for _, form := range []*regexp.Regexp{ciphertext, wrappedKey} {
		if m := form.FindIndex(f.data); m != nil {
			c.add(ruleSealedElsewhere, f.path, lineAt(f.data, m[0]), "has SOPS or age ciphertext in it")
			return
		}
	}
	// The ciphertext of such a file can be written so that no form of ours is in it: INI
	// joins lines.
	if m := fluxMarker.FindIndex(f.data); m != nil {
		c.add(ruleSealedElsewhere, f.path, lineAt(f.data, m[0]), "has %q in it, by which Flux knows files to decrypt", bytes.TrimSpace(f.data[m[0]:m[1]]))
		return
	}
	for _, doc := range f.docs {
		visit(doc, func(n *yaml.Node) {
			switch {
			case n.Kind == yaml.MappingNode && field(field(n, "sops"), "mac") != nil:
				c.add(ruleSealedElsewhere, f.path, n.Line, "has a sops block")
			case n.Kind == yaml.ScalarNode && (ciphertext.MatchString(n.Value) || wrappedKey.MatchString(n.Value)):
				c.add(ruleSealedElsewhere, f.path, n.Line, "has SOPS or age ciphertext in it, spelled in another way")
			}
		})
	}
}

// checkTwice remembers every ciphertext and wrapped key of f, and finds those that
// stand elsewhere too, or stood elsewhere in the base. It blames the file that is not
// the one the signature names, and each file once.
func (c *checker) checkTwice(f *file) {
	own := bytes.HasPrefix(f.data, []byte("# berth: signed "+f.path+" "))
	blamed := map[string]bool{}
	for _, form := range []*regexp.Regexp{ciphertext, wrappedKey} {
		for _, m := range form.FindAllIndex(f.data, -1) {
			key := squeeze(strings.ReplaceAll(string(f.data[m[0]:m[1]]), `\n`, ""))
			here := place{f.path, lineAt(f.data, m[0]), own}
			other, ok := c.seen[key]
			if !ok {
				c.seen[key] = here
				continue
			}
			if here.own && !other.own {
				here, other = other, here
			}
			if here != other && !blamed[here.file] {
				blamed[here.file] = true
				c.add(ruleCiphertextTwice, here.file, here.line, "the same ciphertext stands in %s", other.file)
			}
		}
	}
}

// rememberMoved notes the ciphertexts of files that the change takes away, so that
// they are known when they turn up elsewhere.
func (c *checker) rememberMoved() error {
	for _, name := range c.Changed {
		if !isSealedPath(name) {
			continue
		}
		before, err := c.base(name)
		if err != nil {
			return err
		}
		if _, err := lstat(c.Head, name); before == nil || !isMissing(err) {
			continue
		}
		c.checkTwice(&file{path: name, data: before})
	}
	return nil
}

func lineAt(data []byte, at int) int { return 1 + bytes.Count(data[:at], []byte("\n")) }

// isSealedPath says that a path is one of the two that berth seals to.
func isSealedPath(name string) bool { return sealedPath.MatchString(name) }

var sealedPath = regexp.MustCompile(`^(projects/[^/]+/overlays/[^/]+/ghcr-secret|tenants/[^/]+/[^/]+/project-key)\.sops\.yaml$`)

func isMissing(err error) bool { return err != nil && isNotExist(err) }

// isFile says that name is a plain file of fsys.
func isFile(fsys fs.FS, name string) bool {
	info, err := lstat(fsys, name)
	return err == nil && info.Mode().IsRegular()
}
