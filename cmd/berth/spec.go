package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/internal/project"
	"github.com/berth-gitops/berth/sops"
)

// specOptions name a project, the wanted changes to it and its owner's token, as
// `create` and `diff` take them.
type specOptions struct {
	file               string
	owner, template    string
	image              string
	port               int32
	environments       []string
	cluster            string
	registry, username string
	passwordStdin      bool
	passwordFile       string
	credentialsStdin   bool
	overwrite          bool
	flags              *pflag.FlagSet
	in                 input
	ui                 *ui

	edited *generator.Project // what the flags made of the committed spec
	fresh  bool               // there was none
}

func (o *specOptions) addFlags(f *pflag.FlagSet) {
	o.flags = f
	f.StringVarP(&o.file, "filename", "f", "", "`file` with the project spec, - for stdin")
	f.StringVar(&o.owner, "owner", "", "`user` that the project belongs to")
	f.StringVar(&o.template, "template", "", "`template` to start from")
	f.StringVar(&o.image, "image", "", "container `image`, for all environments")
	f.Int32Var(&o.port, "port", 0, "`port` that the container listens on")
	f.StringArrayVar(&o.environments, "env", nil, "`environment` to have; repeat for more")
	f.StringVar(&o.cluster, "cluster", "", "`cluster` of the environments that --env names (default from berth.yaml)")
	f.StringVar(&o.registry, "registry", "", "registry `host` that the token is for (default ghcr.io when --username is given)")
	f.StringVar(&o.username, "username", "", "`user` at the registry")
	f.BoolVar(&o.passwordStdin, "password-stdin", false, "read the registry token from stdin")
	f.StringVar(&o.passwordFile, "password-file", "", "read the registry token from a `file` (or from BERTH_PASSWORD)")
	f.BoolVar(&o.overwrite, "overwrite", false, "replace generated files that were edited by hand, and sealed files that fail their signature")
}

// request turns arguments and flags into what the steps take.
func (o *specOptions) request(ctx context.Context, args []string) (project.Request, error) {
	req := project.Request{Overwrite: o.overwrite, Edit: o.edit}
	if len(args) == 1 {
		req.Project = args[0]
	}
	if err := o.checkGiven(req.Project); err != nil {
		return req, err
	}
	if o.file != "" {
		whole, err := o.readSpec(ctx, req.Project)
		if err != nil {
			return req, err
		}
		req.Project, req.Whole = whole.Metadata.Name, whole
	}
	if req.Project == "" {
		return req, usagef("no project is named").next("name it, or give a spec with -f")
	}
	if err := generator.CheckID(req.Project); err != nil {
		return req, err
	}
	if o.cluster != "" && len(o.environments) == 0 {
		return req, usagef("--cluster says where the environments of --env run, and there is no --env")
	}
	token, err := o.token(ctx)
	req.Token = token
	return req, err
}

// specFlags are the flags that say in words what a file says itself.
func specFlags() []string {
	return []string{"owner", "template", "image", "port", "env", "cluster", "registry", "username"}
}

// checkGiven refuses flags with nothing in them.
func (o *specOptions) checkGiven(name string) error {
	if err := givenWhole(o.flags, "owner", "template", "image", "cluster", "registry", "username"); err != nil {
		return err
	}
	if slices.Contains(o.environments, "") {
		return usagef("--env is empty").next("leave it out, or check the variable that it is filled from")
	}
	if o.flags.Changed("port") && o.port == 0 {
		return usagef("--port is 0").next("leave it out; to take the port out of the spec, edit %s", generator.ProjectPath(cmp.Or(name, "NAME")))
	}
	return nil
}

// maxSpec bounds what is read as a spec; a Kubernetes object may be as large.
const maxSpec = 1 << 20

func (o *specOptions) readSpec(ctx context.Context, name string) (*generator.Project, error) {
	for _, flag := range specFlags() {
		if o.flags.Changed(flag) {
			return nil, usagef("--%s and -f cannot be used together", flag).next("write it into the file")
		}
	}
	if o.file == "-" && o.passwordStdin {
		return nil, usagef("-f - and --password-stdin cannot both read stdin").next("give the token by --password-file or BERTH_PASSWORD")
	}
	var doc []byte
	var err error
	file := o.file
	if file == "-" {
		file = "<stdin>"
		doc, err = o.in.all(ctx, maxSpec)
	} else {
		doc, err = readFileAtMost(ctx, file, maxSpec)
	}
	if err != nil {
		return nil, usagef("-f %s: %w", o.file, reason(err))
	}
	p, err := parseSpec(file, doc)
	if err != nil {
		return nil, err
	}
	if name != "" && name != p.Metadata.Name {
		return nil, usagef("%s is the spec of project %s, not of %s", file, p.Metadata.Name, name)
	}
	return p, nil
}

// parseSpec reads a spec. One that is wrong but says which project it is comes without an
// error: the steps fail with its flaws, and with what only the branch can tell.
func parseSpec(file string, doc []byte) (*generator.Project, error) {
	p, err := generator.ReadProject(file, doc)
	if err != nil || generator.CheckID(p.Metadata.Name) == nil {
		return p, err
	}
	return nil, p.Flaws()
}

// edit puts the flags that were given over the committed spec.
func (o *specOptions) edit(p *generator.Project) (*generator.Project, error) {
	o.fresh = p == nil
	if o.fresh {
		p = &generator.Project{APIVersion: generator.APIVersion, Kind: generator.KindProject}
		p.Metadata.Name = o.flags.Arg(0)
	}
	set := func(flag string, field *string, value string) {
		if o.flags.Changed(flag) {
			*field = value
		}
	}
	set("owner", &p.Spec.Owner, o.owner)
	set("template", &p.Spec.Template, o.template)
	set("image", &p.Spec.Image, o.image)
	if o.flags.Changed("port") {
		p.Spec.Port = o.port
	}
	if o.flags.Changed("registry") || o.flags.Changed("username") {
		if p.Spec.PullSecret == nil {
			p.Spec.PullSecret = &generator.PullSecret{Registry: "ghcr.io"}
		}
		set("registry", &p.Spec.PullSecret.Registry, o.registry)
		set("username", &p.Spec.PullSecret.Username, o.username)
	}
	for _, name := range o.environments {
		i := slices.IndexFunc(p.Spec.Environments, func(e generator.Environment) bool { return e.Name == name })
		if i < 0 {
			p.Spec.Environments = append(p.Spec.Environments, generator.Environment{Name: name})
			i = len(p.Spec.Environments) - 1
		}
		set("cluster", &p.Spec.Environments[i].Cluster, o.cluster)
	}
	o.edited = p
	return p, nil
}

var (
	// flagFields are the flags that say what a field of the spec does.
	flagFields = map[string]string{
		"spec.owner": "owner", "spec.template": "template", "spec.image": "image", "spec.port": "port",
		"spec.pullSecret.registry": "registry", "spec.pullSecret.username": "username",
		"spec.environments": "env", "spec.environments[].name": "env",
		"spec.environments[].cluster": "cluster", "spec.environments[].image": "image",
	}
	environmentIndex = regexp.MustCompile(`\[(\d+)\]`)
)

// asFlags calls what is wrong with the edited spec by the flags that said it: the file need
// not be there.
func (o *specOptions) asFlags(err error) error {
	problems, ok := errors.AsType[generator.Problems](err)
	if !ok || o.edited == nil {
		return err
	}
	told := slices.Clone(problems)
	for i, p := range told {
		flag := flagFields[environmentIndex.ReplaceAllString(p.Field, "[]")]
		if p.File == generator.ProjectPath(o.edited.Metadata.Name) && flag != "" && o.says(flag, p.Field) {
			told[i].File, told[i].Line, told[i].Field = "", 0, "--"+flag
		}
	}
	return slices.Compact(told)
}

// says reports whether the flag, and not the committed spec, filled the field or left it
// empty.
func (o *specOptions) says(flag, field string) bool {
	if o.fresh || !o.flags.Changed(flag) {
		return o.fresh
	}
	index := environmentIndex.FindStringSubmatch(field)
	if index == nil {
		return true
	}
	i, err := strconv.Atoi(index[1])
	return err == nil && slices.Contains(o.environments, o.edited.Spec.Environments[i].Name)
}

// maxToken bounds what is read as a token; registries stay far below.
const maxToken = 16 << 10

// token reads the registry token from where the flags say, or from BERTH_PASSWORD.
// One line break at its end does not belong to it.
func (o *specOptions) token(ctx context.Context) (*sops.Token, error) {
	var text []byte
	var err error
	switch {
	case o.passwordStdin && o.passwordFile != "":
		return nil, usagef("--password-stdin and --password-file cannot be used together")
	case o.passwordStdin:
		if text, err = o.typedToken(ctx); err != nil {
			err = fmt.Errorf("--password-stdin: %w", err)
		}
	case o.passwordFile != "":
		if text, err = readFileAtMost(ctx, o.passwordFile, maxToken); err != nil {
			err = fmt.Errorf("--password-file: %w", reason(err))
		}
	default:
		text = []byte(os.Getenv("BERTH_PASSWORD"))
		if len(text) == 0 {
			return nil, nil
		}
	}
	if err != nil {
		return nil, usageError{err: err}
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	token := sops.NewToken(text)
	if err := token.Validate(); err != nil {
		return nil, usagef("registry token: %w", err)
	}
	return &token, nil
}

// typedToken reads the token from stdin; who types it is asked, and it is not shown.
func (o *specOptions) typedToken(ctx context.Context) ([]byte, error) {
	terminal, ok := o.in.terminal()
	if !ok {
		return o.in.all(ctx, maxToken)
	}
	fmt.Fprint(o.ui.err, "Registry token: ")
	text, err := o.in.hidden(ctx, terminal)
	fmt.Fprintln(o.ui.err)
	return text, err
}
