package verify

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/sops"
	"github.com/berth-gitops/berth/templates"
)

// keys are those of one platform; they are made afresh for each run.
type keys struct {
	berth      *sops.Key
	identity   string // the platform key
	recipient  string
	strange    *sops.Key // not trusted
	strangerID string    // an age identity that is nobody's
	stranger   string    // its recipient
}

func newKeys(t testing.TB) *keys {
	t.Helper()
	var k keys
	var err error
	identity := func() (string, string) {
		text, recipient, err := sops.NewIdentity(false)
		if err != nil {
			t.Fatal(err)
		}
		return string(text), recipient
	}
	k.identity, k.recipient = identity()
	k.strangerID, k.stranger = identity()
	for _, key := range []**sops.Key{&k.berth, &k.strange} {
		if *key, err = sops.NewKey(); err != nil {
			t.Fatal(err)
		}
		if err := (*key).Pin(k.recipient, k.stranger); err != nil {
			t.Fatal(err)
		}
	}
	return &k
}

// fleet is a repository that a test changes.
type fleet struct {
	t       testing.TB
	keys    *keys
	files   map[string][]byte
	special map[string]*fstest.MapFile // links, submodules
	huge    map[string]int64
	past    map[string][]byte // files before they were sealed again
}

const berthYAML = `apiVersion: berth/v1alpha1
kind: Platform
metadata:
  name: fleet
spec:
  publicKeys:
  - %s
  clusters:
  - name: home
    url: https://git.example.com/platform/fleet.git
    recipients:
    - %s
`

const projectYAML = `apiVersion: berth/v1alpha1
kind: Project
metadata:
  name: %s
spec:
  owner: %s
  image: ghcr.io/%s/%[1]s:v1
  port: 8080
  pullSecret: {registry: ghcr.io, username: %[2]s}
  environments:
  - name: development
  - name: production
    host: %[1]s.example.com
`

// newFleet has alice's shop and bob's blog, each with two environments.
func newFleet(t testing.TB, k *keys) *fleet {
	t.Helper()
	f := &fleet{t: t, keys: k, files: map[string][]byte{}, special: map[string]*fstest.MapFile{}, huge: map[string]int64{}, past: map[string][]byte{}}
	f.files["berth.yaml"] = fmt.Appendf(nil, berthYAML, k.berth.PublicKeys()[0], k.recipient)
	f.files["README.md"] = []byte("# Our fleet\n\nTokens look like ghp_… and are never written down here.\n")
	for _, p := range [][2]string{{"shop", "alice"}, {"blog", "bob"}} {
		f.files[generator.ProjectPath(p[0])] = fmt.Appendf(nil, projectYAML, p[0], p[1], p[1])
		f.render(p[0])
	}
	f.settings()
	return f
}

func (f *fleet) clone() *fleet {
	return &fleet{f.t, f.keys, maps.Clone(f.files), maps.Clone(f.special), maps.Clone(f.huge), maps.Clone(f.past)}
}

func (f *fleet) platform() *generator.Platform {
	f.t.Helper()
	p, err := generator.ParsePlatform("berth.yaml", f.files["berth.yaml"])
	if err != nil {
		f.t.Fatal(err)
	}
	return p
}

func (f *fleet) plan(id string) *generator.Plan {
	f.t.Helper()
	p, err := generator.ParseProject(generator.ProjectPath(id), f.files[generator.ProjectPath(id)])
	if err != nil {
		f.t.Fatal(err)
	}
	plan, err := generator.New(templates.FS).Plan(f.platform(), p)
	if err != nil {
		f.t.Fatal(err)
	}
	return plan
}

// settings writes what is made from berth.yaml.
func (f *fleet) settings() {
	f.t.Helper()
	files, err := generator.ClusterFiles(f.platform())
	if err != nil {
		f.t.Fatal(err)
	}
	maps.Copy(f.files, files)
}

// render writes and seals a project as `berth create project` does.
func (f *fleet) render(id string) {
	f.t.Helper()
	plan := f.plan(id)
	for name := range f.files {
		if strings.HasPrefix(name, "projects/"+id+"/overlays/") || strings.HasPrefix(name, "tenants/home/"+id+"/") {
			if _, ok := plan.Files[name]; !ok && !isSealedPath(name) {
				delete(f.files, name)
			}
		}
	}
	maps.Copy(f.files, plan.Files)
	f.seal(f.keys.berth, plan, "", false)
}

// seal seals what plan asks for; with renew, what is at that path again.
func (f *fleet) seal(key *sops.Key, plan *generator.Plan, only string, renew bool) {
	f.t.Helper()
	sealer := sops.NewSealer(key, key.PublicKeys())
	for _, k := range plan.Keys {
		again := renew && k.Path == only
		seal, err := sealer.ProjectKey(f.files[k.Path], sops.KeyRequest{
			Path: k.Path, Name: k.Name, Namespace: k.Namespace, Project: k.Project, Owner: k.Owner,
			Recipients: k.Recipients, Renew: again, Overwrite: again,
		})
		if err != nil {
			f.t.Fatal(err)
		}
		f.put(k.Path, seal.Data)
		for _, s := range plan.Secrets {
			again := again || renew && s.Path == only
			token := sops.NewToken("ghp_" + strings.Repeat("t0", 18))
			seal, err := sealer.PullSecret(f.files[s.Path], sops.SecretRequest{
				Path: s.Path, Name: s.Name, Namespace: s.Namespace, Project: s.Project, Environment: s.Environment,
				Owner: s.Owner, Registry: s.Registry, Username: s.Username, Recipient: seal.Recipient, Renew: again, Overwrite: again,
			}, &token)
			if err != nil {
				f.t.Fatal(err)
			}
			f.put(s.Path, seal.Data)
		}
	}
}

func (f *fleet) put(name string, data []byte) {
	if before, ok := f.files[name]; ok && !bytes.Equal(before, data) {
		f.past[name] = before
	}
	f.files[name] = data
}

// do runs one line of a script: a verb, a file or project, and what the verb takes.
func (f *fleet) do(line string) {
	f.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	name, arg, _ := strings.Cut(rest, " ")
	for _, verbs := range []map[string]func(name, arg string){f.fileVerbs(), f.sealVerbs(), f.specialVerbs()} {
		if run, ok := verbs[verb]; ok {
			run(name, arg)
			return
		}
	}
	f.t.Fatalf("unknown line %q", line)
}

// need returns a file that a script counts on.
func (f *fleet) need(name string) []byte {
	f.t.Helper()
	data, ok := f.files[name]
	if !ok {
		f.t.Fatalf("there is no %s", name)
	}
	return data
}

func (f *fleet) fileVerbs() map[string]func(name, arg string) {
	return map[string]func(name, arg string){
		"cp": func(name, arg string) { f.files[arg] = f.need(name) },
		"mv": func(name, arg string) {
			f.files[arg] = f.need(name)
			delete(f.files, name)
		},
		"rm": func(name, _ string) {
			f.need(name)
			delete(f.files, name)
		},
		"rmdir": func(name, _ string) {
			maps.DeleteFunc(f.files, func(p string, _ []byte) bool { return strings.HasPrefix(p, name+"/") })
		},
		"mvdir": func(name, arg string) {
			for file, data := range maps.Clone(f.files) {
				if rest, ok := strings.CutPrefix(file, name+"/"); ok {
					f.files[arg+"/"+rest] = data
					delete(f.files, file)
				}
			}
		},
		// replace FILE /old/new/, with any mark instead of / and \n for a line break
		"replace": func(name, arg string) {
			parts := strings.Split(strings.ReplaceAll(arg[1:len(arg)-1], `\n`, "\n"), arg[:1])
			out := bytes.Replace(f.need(name), []byte(parts[0]), []byte(parts[1]), 1)
			if bytes.Equal(out, f.files[name]) {
				f.t.Fatalf("%s: no %q to replace", name, parts[0])
			}
			f.files[name] = out
		},
		"append": func(name, arg string) {
			f.files[name] = append(bytes.Clone(f.need(name)), strings.ReplaceAll(arg, `\n`, "\n")+"\n"...)
		},
		// redigest gives a generated file a right digest
		"redigest": func(name, _ string) {
			head, rest, ok := bytes.Cut(f.need(name), []byte("# berth/digest: sha256:"))
			_, body, ok2 := bytes.Cut(rest, []byte("\n"))
			if !ok || !ok2 {
				f.t.Fatalf("%s: no digest", name)
			}
			f.files[name] = fmt.Appendf(bytes.Clone(head), "# berth/digest: sha256:%x\n%s", sha256.Sum256(body), body)
		},
		"render":   func(name, _ string) { f.render(name) },
		"settings": func(_, _ string) { f.settings() },
		// drop-cluster NAME takes it out of berth.yaml
		"drop-cluster": func(name, _ string) {
			f.files["berth.yaml"] = regexp.MustCompile(`  - name: `+name+`\n(    .*\n)+`).ReplaceAll(f.need("berth.yaml"), nil)
		},
		"utf16": func(name, _ string) {
			out := []byte{0xff, 0xfe}
			for _, b := range f.need(name) {
				out = append(out, b, 0)
			}
			f.files[name] = out
		},
	}
}

func (f *fleet) sealVerbs() map[string]func(name, arg string) {
	return map[string]func(name, arg string){
		// reseal PROJECT PATH makes a later generation
		"reseal": func(name, arg string) { f.seal(f.keys.berth, f.plan(name), arg, true) },
		// strange-seal PROJECT seals all of it by a berth key that nobody trusts
		"strange-seal": func(name, _ string) {
			plan := f.plan(name)
			for _, k := range plan.Keys {
				delete(f.files, k.Path)
			}
			for _, s := range plan.Secrets {
				delete(f.files, s.Path)
			}
			f.seal(f.keys.strange, plan, "", false)
		},
		// restore PATH takes what was there before it was sealed again
		"restore": func(name, _ string) {
			before, ok := f.past[name]
			if !ok {
				f.t.Fatalf("%s has no past", name)
			}
			f.files[name] = before
		},
		// misname PATH NAME NAMESPACE is berth's own seal for another Secret
		"misname": func(name, arg string) {
			secret, namespace, _ := strings.Cut(arg, " ")
			plan := f.plan(ProjectOf(name))
			i := slices.IndexFunc(plan.Secrets, func(s generator.SecretRequest) bool { return s.Path == name })
			plan.Secrets[i].Name, plan.Secrets[i].Namespace = secret, namespace
			f.seal(f.keys.berth, plan, name, true)
		},
		// recipient PROJECT is berth's own seal of a project key, with a stranger
		"recipient": func(name, _ string) {
			plan := f.plan(name)
			plan.Keys[0].Recipients = append(plan.Keys[0].Recipients, f.keys.stranger)
			f.seal(f.keys.berth, plan, plan.Keys[0].Path, true)
		},
		"strip-signature": func(name, _ string) {
			_, rest, _ := bytes.Cut(f.need(name), []byte("\n"))
			f.files[name] = rest
		},
		"swap-recipient": func(name, _ string) {
			f.files[name] = regexp.MustCompile(`recipient: age1\w+`).ReplaceAll(f.need(name), []byte("recipient: "+f.keys.stranger))
		},
		// as-configmap SEALED FILE writes the SOPS document as a ConfigMap
		"as-configmap": func(name, arg string) {
			_, rest, _ := bytes.Cut(f.need(name), []byte("\n"))
			rest = bytes.Replace(rest, []byte("kind: Secret"), []byte("kind: ConfigMap"), 1)
			rest = bytes.Replace(rest, []byte("type: kubernetes.io/dockerconfigjson\n"), nil, 1)
			f.files[arg] = regexp.MustCompile(`    namespace: .*\n`).ReplaceAll(rest, nil)
		},
		"add-public-key": func(_, _ string) {
			f.do(`replace berth.yaml |publicKeys:|publicKeys:\n  - ` + f.keys.strange.PublicKeys()[0].String() + "|")
		},
		"add-recipient": func(_, _ string) {
			f.do(`replace berth.yaml |recipients:|recipients:\n    - ` + f.keys.stranger + "|")
		},
	}
}

func (f *fleet) specialVerbs() map[string]func(name, arg string) {
	return map[string]func(name, arg string){
		"symlink": func(name, arg string) {
			delete(f.files, name)
			f.special[name] = &fstest.MapFile{Data: []byte(arg), Mode: fs.ModeSymlink | 0o777}
		},
		"submodule": func(name, _ string) { f.special[name] = &fstest.MapFile{Mode: fs.ModeIrregular} },
		"huge":      func(name, _ string) { f.huge[name] = 100 << 20 },
		// aliases FILE repeats a text of half a megabyte 50,000 times
		"aliases": func(name, _ string) {
			f.files[name] = []byte("a: &a " + strings.Repeat("x", 500_000) + "\nb: [" + strings.Repeat("*a,", 50_000) + "]\n")
		},
		// name QUOTED makes a file of that name
		"name": func(name, arg string) {
			unquoted, err := strconv.Unquote(strings.TrimSpace(name + " " + arg))
			if err != nil {
				f.t.Fatal(err)
			}
			f.files[unquoted] = []byte("x")
		},
		// repeats FILE repeats a text of 5 KB 1,500 times
		"repeats": func(name, _ string) {
			f.files[name] = []byte("a: &a " + strings.Repeat("x ", 2_500) + "\nb: [" + strings.Repeat("*a,", 1_500) + "]\n")
		},
		"badname": func(name, _ string) { f.files[name+"/\xff.txt"] = []byte("x") },
		"many": func(name, _ string) {
			for i := range maxFiles {
				f.files[fmt.Sprintf("%s/%d.txt", name, i)] = []byte("x")
			}
		},
		// crowd FOLDER N makes N files
		"crowd": func(name, arg string) {
			n, err := strconv.Atoi(arg)
			if err != nil {
				f.t.Fatal(err)
			}
			for i := range n {
				f.files[fmt.Sprintf("%s/%d.txt", name, i)] = []byte("x")
			}
		},
	}
}

// tree shows the fleet as Check reads it; reading a huge file is a mistake.
func (f *fleet) tree() *lazyTree {
	m := fstest.MapFS{}
	for name, data := range f.files {
		m[name] = &fstest.MapFile{Data: data}
	}
	maps.Copy(m, f.special)
	for name := range f.huge {
		m[name] = &fstest.MapFile{}
	}
	return &lazyTree{m, f}
}

type lazyTree struct {
	fstest.MapFS
	f *fleet
}

func (l *lazyTree) unread(name string) {
	if _, ok := l.f.huge[name]; ok {
		l.f.t.Errorf("%s was read", name)
	}
}

func (l *lazyTree) Open(name string) (fs.File, error) {
	l.unread(name)
	return l.MapFS.Open(name)
}

func (l *lazyTree) ReadFile(name string) ([]byte, error) {
	l.unread(name)
	return l.MapFS.ReadFile(name)
}

func (l *lazyTree) Lstat(name string) (fs.FileInfo, error) {
	info, err := l.MapFS.Lstat(name)
	if size, ok := l.f.huge[name]; ok {
		return sized{info, size}, nil
	}
	return info, err
}

type sized struct {
	fs.FileInfo
	size int64
}

func (s sized) Size() int64 { return s.size }

// changes lists what differs between two fleets.
func changes(base, head *fleet) []string {
	a, b := base.tree().MapFS, head.tree().MapFS
	var names []string
	for name := range a {
		if o := b[name]; o == nil || o.Mode != a[name].Mode || !bytes.Equal(o.Data, a[name].Data) {
			names = append(names, name)
		}
	}
	for name := range b {
		if a[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.CompactFunc(names, func(x, y string) bool { return path.Clean(x) == path.Clean(y) })
}

// check runs Check on head, against base unless it is nil.
func check(t testing.TB, base, head *fleet, identities string) *Report {
	t.Helper()
	in := Input{
		Head: head.tree(), Policy: head.keys.policy(t), Trusted: head.keys.berth.PublicKeys(),
		Generator: generator.New(templates.FS), Identities: identities,
	}
	if base != nil {
		in.Base, in.Changed, in.Policy = base.tree(), changes(base, head), base.platform()
	}
	report, err := Check(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (k *keys) policy(t testing.TB) *generator.Platform {
	t.Helper()
	p, err := generator.ParsePlatform("berth.yaml", fmt.Appendf(nil, berthYAML, k.berth.PublicKeys()[0], k.recipient))
	if err != nil {
		t.Fatal(err)
	}
	return p
}
