package review

import (
	"bytes"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/berth-gitops/berth/sops"
)

// secrets tells what becomes of a project's sealed files.
func (r *reviewer) secrets(id string, was, is *side) error {
	before, after := sealedPaths(was), sealedPaths(is)
	for _, name := range sortedUnion(before, after) {
		what := before[name]
		if after[name] != "" {
			what = after[name]
		}
		old, err := readSealed(r.Base, name)
		if err != nil {
			return err
		}
		fresh, err := readSealed(r.Head, name)
		if err != nil {
			return err
		}
		if bytes.Equal(old, fresh) {
			continue
		}
		r.review.Secrets = append(r.review.Secrets, sealStory(id+" "+what, old, fresh))
	}
	return nil
}

// sealedPaths are the paths that a side's plan seals to, each with what it is for.
func sealedPaths(s *side) map[string]string {
	paths := map[string]string{}
	if s.plan == nil {
		return paths
	}
	for _, k := range s.plan.Keys {
		paths[k.Path] = "on " + k.Cluster
	}
	for _, secret := range s.plan.Secrets {
		paths[secret.Path] = secret.Environment
	}
	return paths
}

// maxFile is the size of the largest file that is read; berth writes none that large.
const maxFile = 1 << 20

// readSealed returns nil for what is not a file.
func readSealed(tree fs.FS, name string) ([]byte, error) {
	info, err := fs.Lstat(tree, name)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, nil //nolint:nilerr // what is there is for verify to say
	}
	return fs.ReadFile(tree, name)
}

// sealStory tells what becomes of one sealed file, from what stands in it in plain.
func sealStory(where string, old, fresh []byte) Phrase {
	was, wasErr := sops.Inspect(old)
	is, isErr := sops.Inspect(fresh)
	switch {
	case fresh == nil && wasErr == nil:
		return phrase("%s: ", where) + subject(was) + " is removed"
	case fresh == nil:
		return phrase("%s: a sealed file is removed", where)
	case isErr != nil:
		return phrase("%s: the file is not sealed any more, or not as berth seals", where)
	case old == nil || wasErr != nil:
		return phrase("%s: ", where) + subject(is) + " is sealed" + phrase(" for the first time (generation %s)", is.Generation)
	}
	return phrase("%s: ", where) + changedSeal(was, is)
}

func subject(info *sops.Info) Phrase {
	if info.Registry != "" {
		return phrase("%s's token for %s, username %s,", info.Owner, info.Registry, info.Username)
	}
	return phrase("the project key (%s)", shorten(info.Recipient))
}

// changedSeal tells how one seal differs from the one before it.
func changedSeal(was, is *sops.Info) Phrase {
	var parts []string
	add := func(p Phrase) { parts = append(parts, string(p)) }
	generations := phrase("(generation %s → %s)", was.Generation, is.Generation)
	switch {
	case is.Registry == "" && was.Recipient != is.Recipient:
		add(phrase("the project key is replaced ") + generations + "; every token has to be sealed to the new one")
	case is.Registry == "":
		add("the project key is wrapped again " + generations)
	case was.Registry == "":
		add(phrase("registry %s is added ", is.Registry) + generations)
	case was.Fingerprint == is.Fingerprint:
		add(phrase("%s's token for %s is sealed again without a new token ", is.Owner, is.Registry) + generations)
	default:
		add(phrase("%s's token for %s is replaced ", is.Owner, is.Registry) + generations)
	}
	if is.Registry != "" {
		if was.Username == is.Username {
			add("username unchanged")
		} else {
			add(phrase("username %s → %s", was.Username, is.Username))
		}
		if was.Registry != "" && was.Registry != is.Registry {
			add(phrase("registry %s → %s", was.Registry, is.Registry))
		}
	}
	if was.Owner != is.Owner {
		add(phrase("owner %s → %s", was.Owner, is.Owner))
	}
	for _, recipient := range is.Recipients {
		if !slices.Contains(was.Recipients, recipient) {
			add(phrase("recipient %s added", shorten(recipient)))
		}
	}
	for _, recipient := range was.Recipients {
		if !slices.Contains(is.Recipients, recipient) {
			add(phrase("recipient %s removed", shorten(recipient)))
		}
	}
	if was.KeyID != is.KeyID {
		add(phrase("signed by berth key %s instead of %s", is.KeyID, was.KeyID))
	}
	return Phrase(strings.Join(parts, ", "))
}

// shorten shows enough of a recipient to know it by.
func shorten(recipient string) string {
	if len(recipient) <= 80 {
		return recipient
	}
	return fmt.Sprintf("%s…%s", recipient[:16], recipient[len(recipient)-8:])
}
