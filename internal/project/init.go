package project

import (
	"cmp"
	"context"
	"io/fs"
	"path"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
)

// InitRequest asks for a cluster to be served from the repository.
type InitRequest struct {
	Cluster generator.Cluster // what is empty keeps its committed value; Flux on a new one follows the branch
	Name    string            // of the platform, for a new repository

	// CodeOwners, when set, are the users or teams of a CODEOWNERS file.
	CodeOwners []string

	// Overwrite replaces files of berth's own that were edited by hand.
	Overwrite bool
}

// InitResult tells what [Steps.Init] did.
type InitResult struct {
	Platform *generator.Platform
	Cluster  generator.Cluster // as committed
	Files    []FileChange
	Left     []string // files of the user's that berth would have written and left alone
	Commit   string
	Changed  bool

	// Kustomization is the user's own clusters/<cluster>/kustomization.yaml when it does
	// not name flux-projects.yaml: Flux never applies that file then.
	Kustomization string

	PullRequest *PullRequest
}

// Init writes berth.yaml, .sops.yaml, and what makes one cluster ready, in one commit.
// It works on an empty repository, on one that `flux bootstrap` made, and again on its
// own result, to add a cluster or change its settings.
func (s *Steps) Init(ctx context.Context, req InitRequest) (*InitResult, error) {
	var result *InitResult
	topic := "cluster." + req.Cluster.Name // no project's id has a dot in it
	done, err := s.write(ctx, topic, func(tip, _ fs.FS) (*gitrepo.Change, error) {
		var err error
		if result, err = s.planInit(ctx, tip, req); err != nil {
			return nil, err
		}
		if len(result.Files) == 0 {
			return nil, nil
		}
		files := map[string][]byte{}
		for _, f := range result.Files {
			files[f.Path] = f.After
		}
		return &gitrepo.Change{Files: files, Message: "Serve projects on cluster " + req.Cluster.Name}, nil
	})
	if err != nil {
		return nil, err
	}
	result.Commit, result.Changed, result.PullRequest = done.commit, done.changed, done.pull
	return result, nil
}

// CheckInit says what Init would refuse, before keys and a repository are made for it;
// Repo is nil when that is still to be made.
func (s *Steps) CheckInit(ctx context.Context, req InitRequest) error {
	tip, err := s.initTip(ctx)
	if err != nil {
		return err
	}
	_, err = s.planInit(ctx, tip, req)
	return err
}

func (s *Steps) planInit(ctx context.Context, tip fs.FS, req InitRequest) (*InitResult, error) {
	own := "clusters/" + req.Cluster.Name + "/kustomization.yaml"
	if err := prefetch(ctx, tip, generator.PlatformPath, ".sops.yaml", generator.CodeOwnersPath,
		clusterFile("*"), "fleet/*/berth.yaml", own); err != nil {
		return nil, err
	}
	platform, doc, err := s.settings(tip, req)
	if err != nil {
		return nil, err
	}
	files, err := generator.ClusterFiles(platform)
	if err != nil {
		return nil, err
	}
	files[generator.PlatformPath] = doc
	if len(req.CodeOwners) > 0 {
		files[generator.CodeOwnersPath] = generator.CodeOwners(req.CodeOwners)
	}
	result := &InitResult{Platform: platform}
	if result.Left, err = leaveOwn(tip, files); err != nil {
		return nil, err
	}
	if result.Files, _, err = compare(tip, files, nil, req.Overwrite); err != nil {
		return nil, err
	}
	result.Cluster = platform.Spec.Clusters[indexCluster(platform, req.Cluster.Name)]
	kustomization, err := readFile(tip, own)
	if kustomization != nil && !lists(kustomization, "flux-projects.yaml") {
		result.Kustomization = own
	}
	return result, err
}

// lists says whether a kustomization.yaml has the file among its resources.
func lists(kustomization []byte, file string) bool {
	return slices.ContainsFunc(resources(kustomization), func(r string) bool { return path.Clean(r) == file })
}

// resources are those that a kustomization.yaml lists; none when it cannot be read.
func resources(kustomization []byte) []string {
	var k struct{ Resources []string }
	if yaml.Unmarshal(kustomization, &k) != nil {
		return nil
	}
	return k.Resources
}

// settings returns the berth.yaml to commit and its meaning.
func (s *Steps) settings(tip fs.FS, req InitRequest) (*generator.Platform, []byte, error) {
	prior, err := readFile(tip, generator.PlatformPath)
	if err != nil {
		return nil, nil, err
	}
	platform := &generator.Platform{APIVersion: generator.APIVersion, Kind: generator.KindPlatform, Metadata: generator.Metadata{Name: req.Name}}
	if prior != nil {
		if platform, err = generator.ParsePlatform(generator.PlatformPath, prior); err != nil {
			return nil, nil, err
		}
	}
	if indexCluster(platform, req.Cluster.Name) < 0 && s.Branch != generator.DefaultBranch {
		req.Cluster.Branch = cmp.Or(req.Cluster.Branch, s.Branch)
	}
	addCluster(platform, req.Cluster)
	if s.Key != nil && prior == nil {
		platform.Spec.PublicKeys = []string{s.Key.PublicKeys()[0].String()}
	}
	// One cluster at a time, or no two could be pinned: what is wrong with another's
	// recipients stops what would seal to them.
	if err := checkKey(s.Key, platform, req.Cluster.Name); err != nil {
		return nil, nil, err
	}
	doc, err := generator.MergePlatform(generator.PlatformPath, prior, platform)
	return platform, doc, err
}

// leaveOwn takes from files those that a team may have already, for its other files, and
// that berth can do without. It returns them.
func leaveOwn(tip fs.FS, files map[string][]byte) ([]string, error) {
	var left []string
	for _, name := range []string{".sops.yaml", generator.CodeOwnersPath} {
		before, err := readFile(tip, name)
		if err != nil {
			return nil, err
		}
		if generated, _ := generator.Generated(before); before != nil && files[name] != nil && !generated {
			delete(files, name)
			left = append(left, name)
		}
	}
	return left, nil
}

// indexCluster returns the place of the platform's cluster of that name, or -1.
func indexCluster(platform *generator.Platform, name string) int {
	return slices.IndexFunc(platform.Spec.Clusters, func(c generator.Cluster) bool { return c.Name == name })
}

// addCluster puts what req sets over the platform's cluster of that name.
func addCluster(platform *generator.Platform, req generator.Cluster) {
	clusters := &platform.Spec.Clusters
	i := indexCluster(platform, req.Name)
	if i < 0 {
		*clusters = append(*clusters, generator.Cluster{Name: req.Name})
		i = len(*clusters) - 1
	}
	c := &(*clusters)[i]
	set := func(field *string, value string) {
		if value != "" {
			*field = value
		}
	}
	set(&c.URL, req.URL)
	set(&c.Branch, req.Branch)
	set(&c.IngressNamespace, req.IngressNamespace)
	set(&c.IngressClass, req.IngressClass)
	for _, r := range req.Recipients {
		if !slices.Contains(c.Recipients, r) {
			c.Recipients = append(c.Recipients, r)
		}
	}
	if platform.Spec.Defaults.Cluster == "" {
		platform.Spec.Defaults.Cluster = req.Name
	}
}

// Settings returns the branch's berth.yaml, or nil when there is none yet.
func (s *Steps) Settings(ctx context.Context) (*generator.Platform, error) {
	tip, err := s.initTip(ctx)
	if err != nil {
		return nil, err
	}
	doc, err := readFile(tip, generator.PlatformPath)
	if err != nil || doc == nil {
		return nil, err
	}
	return generator.ParsePlatform(generator.PlatformPath, doc)
}

// initTip is the branch's tip, which holds nothing where there is no repository yet.
func (s *Steps) initTip(ctx context.Context) (fs.FS, error) {
	if s.Repo == nil {
		return nothing{}, nil
	}
	return s.Repo.Tip(ctx, s.Branch)
}

// nothing is a file system without files.
type nothing struct{}

func (nothing) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
