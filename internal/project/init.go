package project

import (
	"context"
	"io/fs"
	"slices"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/gitrepo"
)

// InitRequest asks for a cluster to be served from the repository.
type InitRequest struct {
	Cluster generator.Cluster // what is empty keeps its committed value
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

	// Kustomization is the user's own clusters/<cluster>/kustomization.yaml when there
	// is one: it has to name flux-projects.yaml, or Flux never applies it.
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
	there, err := exists(tip, own)
	if there {
		result.Kustomization = own
	}
	return result, err
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
	addCluster(platform, req.Cluster)
	if s.Key != nil && prior == nil {
		platform.Spec.PublicKeys = []string{s.Key.PublicKeys()[0].String()}
	}
	if err := checkKey(s.Key, platform); err != nil {
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

// Cluster returns the committed settings of a cluster, and false when the repository
// does not have it yet.
func (s *Steps) Cluster(ctx context.Context, name string) (generator.Cluster, bool, error) {
	tip, err := s.Repo.Tip(ctx, s.Branch)
	if err != nil {
		return generator.Cluster{}, false, err
	}
	doc, err := readFile(tip, generator.PlatformPath)
	if err != nil || doc == nil {
		return generator.Cluster{}, false, err
	}
	platform, err := generator.ParsePlatform(generator.PlatformPath, doc)
	if err != nil {
		return generator.Cluster{}, false, err
	}
	i := indexCluster(platform, name)
	if i < 0 {
		return generator.Cluster{}, false, nil
	}
	return platform.Spec.Clusters[i], true, nil
}

// Initialised says whether the branch holds a berth.yaml.
func (s *Steps) Initialised(ctx context.Context) (bool, error) {
	tip, err := s.Repo.Tip(ctx, s.Branch)
	if err != nil {
		return false, err
	}
	doc, err := readFile(tip, generator.PlatformPath)
	return doc != nil, err
}
