package verify

// Rule is one thing that is checked.
type Rule struct {
	ID    string // short, stays the same for ever
	Group string // heading in docs/rules.md
	Level Level  // of its findings, as a rule
	What  string // is looked for
	Why   string // it matters
	Mend  string // what to do about a finding
}

// The rules' ids.
const (
	ruleUnsigned        = "unsigned"
	ruleChanged         = "changed"
	ruleCopied          = "copied"
	ruleSpliced         = "spliced"
	ruleOlder           = "older"
	ruleForeign         = "foreign"
	ruleUnknownKey      = "unknown-key"
	ruleMisnamed        = "misnamed"
	ruleRecipient       = "recipient"
	ruleMissingSeal     = "missing-seal"
	ruleStaleSeal       = "stale-seal"
	ruleCiphertextTwice = "ciphertext-twice"
	ruleSealedElsewhere = "sealed-elsewhere"
	ruleSealAltered     = "seal-altered"
	ruleSealedReference = "sealed-reference"
	ruleUnopened        = "unopened"
	ruleCredential      = "credential"

	rulePlaintextSecret = "plaintext-secret"
	ruleToken           = "token"
	ruleSecretGenerator = "secret-generator"
	ruleReadsPullSecret = "reads-pull-secret"

	ruleEscape  = "escape"
	ruleRemote  = "remote"
	rulePlugin  = "plugin"
	ruleSymlink = "symlink"
	ruleModule  = "submodule"
	ruleHidden  = "hidden"
	ruleBuild   = "build"

	ruleYAML      = "yaml"
	ruleYAMLBomb  = "yaml-bomb"
	ruleTooLarge  = "too-large"
	ruleCaseClash = "case-clash"
	ruleFileName  = "file-name"

	ruleKind        = "kind"
	ruleNamespace   = "namespace"
	rulePodSecurity = "pod-security"
	ruleHostClash   = "host-clash"
	ruleNeighbours  = "neighbours"

	ruleCollision    = "collision"
	rulePrivilege    = "privilege"
	ruleMissingGuard = "missing-guard"
	ruleTenantList   = "tenant-list"
	ruleOrphan       = "orphan"
	ruleStray        = "stray"
	ruleLeftover     = "leftover"
	ruleClusterFile  = "cluster-file"

	ruleSpec         = "spec"
	ruleOwnerChanged = "owner-changed"
	ruleEdited       = "edited"
	ruleNotRendered  = "not-rendered"
	ruleMissing      = "missing"
	ruleOutdated     = "outdated"

	ruleTrustChanged    = "trust-changed"
	ruleSettingsChanged = "settings-changed"
	ruleClusterRemoved  = "cluster-removed"
)

// Rules returns all rules in the order of docs/rules.md.
func Rules() []Rule {
	var all []Rule
	group := func(name string, rules ...Rule) {
		for _, r := range rules {
			r.Group = name
			if r.Level == "" {
				r.Level = Blocking
			}
			all = append(all, r)
		}
	}
	group("Sealed files", sealedRules()...)
	group("Secrets in plain text", plaintextRules()...)
	group("Nothing leaves the project", insideRules()...)
	group("Files that can be read", fileRules()...)
	group("What a project may apply", workloadRules()...)
	group("The platform half", platformRules()...)
	group("Generated files", generatedRules()...)
	group("Settings", settingsRules()...)
	return all
}

const restore = "Restore the file from a commit you trust, or seal afresh with the user's token and `--overwrite`; find out who changed it with `git log`."

func sealedRules() []Rule {
	return []Rule{
		{
			ID: ruleUnsigned, What: "A sealed file's first line is not berth's signature.",
			Why: "Anybody can encrypt to a public key: only the signature says that berth did.", Mend: restore,
		}, {
			ID: ruleChanged, What: "A sealed file is not, byte for byte, what was signed.",
			Why: "Flux does not check the MAC of SOPS, so a change goes through to the cluster.", Mend: restore,
		}, {
			ID: ruleCopied, What: "A sealed file is berth's, but for another path.",
			Why: "A copied credential would let one project pull with another user's token.", Mend: restore,
		}, {
			ID: ruleSpliced, What: "A sealed file is put together from parts of several.",
			Why: "Parts of one seal in another are how a token is moved to where it can be read.", Mend: restore,
		}, {
			ID: ruleOlder, What: "A sealed file is an older seal of its path than the base has: an earlier generation, another of the same one, or a later one that was sealed earlier.",
			Why:  "A restored file brings back a token that was replaced, perhaps because it leaked.",
			Mend: "Keep the base's file, or seal the wanted token anew.",
		}, {
			ID: ruleForeign, What: "A sealed file has a form berth never writes: plain values, another encrypted_regex, a type other than str, KMS or PGP keys, unknown fields.",
			Why: "Values may stand in plain text, Flux may print them in an error, or somebody else's key opens them.", Mend: restore,
		}, {
			ID: ruleUnknownKey, What: "A sealed file is signed with a key that the base's berth.yaml does not list.",
			Why:  "Whoever holds that key is not known to this repository.",
			Mend: "If the key is yours, add its public key to spec.publicKeys in a reviewed commit of its own; if not, restore the file.",
		}, {
			ID: ruleMisnamed, What: "A sealed file names another Secret, namespace or project than its path.",
			Why: "The Secret would appear where the path does not say.", Mend: restore,
		}, {
			ID: ruleRecipient, What: "A sealed file's recipients are not exactly the project's key, or for a project key not exactly the base's recipients of the cluster.",
			Why:  "One recipient more, and somebody else reads the token; another one, and Flux cannot.",
			Mend: "Seal again with `berth create project ID --password-stdin --overwrite`; find out where the recipient comes from.",
		}, {
			ID: ruleMissingSeal, What: "The spec wants a pull secret and there is no sealed file for it.",
			Why:  "The pods could not pull their image.",
			Mend: "Seal it with `berth create project ID --password-stdin`, or take spec.pullSecret out.",
		}, {
			ID: ruleStaleSeal, Level: Warning, What: "A sealed file is for another registry, user or owner than the spec now names.",
			Why:  "The cluster goes on using the old credential.",
			Mend: "Seal the new credential with `berth create project ID --password-stdin`.",
		}, {
			ID: ruleCiphertextTwice, What: "The same ciphertext or wrapped key stands twice, or has moved to another file.",
			Why:  "Encryption is random: berth never writes the same twice, so this is a copy.",
			Mend: "Remove the copy.",
		}, {
			ID: ruleSealedElsewhere, What: "SOPS or age material stands in a file that is not one of berth's two sealed files.",
			Why:  "Flux decrypts whatever looks like SOPS, whichever kind it is: a ConfigMap would show the token.",
			Mend: "Remove it. Pull secrets stand in overlays/<env>/ghcr-secret.sops.yaml, project keys in project-key.sops.yaml.",
		}, {
			ID: ruleSealAltered, What: "The build changes the sealed Secret, annotates it or gives it an owner or a finalizer, drops it, or puts ciphertext into another object.",
			Why:  "Flux decrypts after the build: an altered Secret fails, becomes something that a pod or another controller may read, or is deleted with its owner.",
			Mend: "Take out the patch, replacement or transformer that touches ghcr-secret; instead of commonAnnotations, patch what needs them.",
		}, {
			ID: ruleSealedReference, What: "A sealed file is referenced by anything but the resources of its own overlay.",
			Why:  "Flux decrypts files of generators and patches before it builds, so the plain token would end up in what they make.",
			Mend: "Take the reference out.",
		}, {
			ID: ruleUnopened, What: "With --age-key-file: a sealed file does not open, or its MAC is wrong. A project key that no identity opens is a warning when others do: it may be another cluster's.",
			Why: "Flux could not open it, or it was changed by somebody who knows the key.", Mend: restore,
		}, {
			ID: ruleCredential, What: "With --age-key-file: the content is not a working dockerconfigjson for the registry and user that the annotations name.",
			Why:  "The kubelet would pull with another credential than a reviewer was shown, or with none.",
			Mend: "Seal again with `berth create project ID --password-stdin --overwrite`.",
		},
	}
}

func plaintextRules() []Rule {
	return []Rule{
		{
			ID: rulePlaintextSecret, What: "A Secret, or a patch of one, with values that are not encrypted.",
			Why:  "Git keeps it for ever, and everyone who reads the repository has it.",
			Mend: "Take it out, and replace the credential: it has to be counted as leaked.",
		}, {
			ID: ruleToken, What: "Something that looks like a token, key or password: in any file, comment or value, in a file's name, also in base64 or hexadecimal, also split over values. With --base also in what the commits of the change say, add and take back.",
			Why:  "Git keeps it for ever, and everyone who reads the repository has it.",
			Mend: "Take it out, out of earlier commits too, and revoke it: it has to be counted as leaked. If it is an example, make it look like one.",
		}, {
			ID: ruleSecretGenerator, What: "A Kustomization makes Secrets with secretGenerator.",
			Why:  "Its literals stand in plain text, and Flux decrypts its files before the build.",
			Mend: "Use a configMapGenerator for what is no secret; only berth seals secrets.",
		}, {
			ID: ruleReadsPullSecret, What: "A pod mounts ghcr-secret or takes it into its environment.",
			Why:  "The pull secret is for the kubelet; whoever may change the workload could read the user's token. The cluster's admission policy refuses the pod.",
			Mend: "Take the reference out; imagePullSecrets is enough to pull.",
		},
	}
}

func insideRules() []Rule {
	return []Rule{
		{
			ID: ruleEscape, What: "A Kustomization names a file or folder outside its project, or one with a control character in its name.",
			Why:  "Flux builds with no load restrictions: a path such as ../../../shop takes in another project's files.",
			Mend: "Copy what is needed into the project's components/.",
		}, {
			ID: ruleRemote, What: "A Kustomization names a URL or another repository.",
			Why:  "What it loads can change without a commit here, and nobody has reviewed it.",
			Mend: "Copy what is needed into the project's components/.",
		}, {
			ID: rulePlugin, What: "A Kustomization uses a field that loads code, schemas or charts: generators, transformers, validators, openapi, crds, configurations, helmCharts, or one that berth does not know in this spelling.",
			Why:  "They change how everything else is built or merged, and can run programs.",
			Mend: "Use resources, components, patches, images, replicas, labels, replacements or configMapGenerator.",
		}, {
			ID: ruleSymlink, What: "A symbolic link in a folder that Flux applies (below clusters/ where the change brings it), or anywhere one called .sourceignore or .gitmodules.",
			Why:  "What it points at is not what was reviewed. At the other two Flux stops for the whole repository.",
			Mend: "Put the file itself there.",
		}, {
			ID: ruleModule, What: "A submodule in a folder that Flux applies.",
			Why:  "Its content stands in another repository, and berth does not read it.",
			Mend: "Put the files themselves there.",
		}, {
			ID: ruleHidden, What: "A .sourceignore in a folder that Flux applies, or at the top. One at the top that stays as it was is a warning. Or a Kustomization that names a file which Flux leaves out by itself, as *.png, *.zip and cloudbuild.yaml.",
			Why:  "Flux does not see the files that it names: without its kustomization.yaml, for example, a folder is applied with every file in it.",
			Mend: "Take it out, or give the file another name.",
		}, {
			ID: ruleBuild, What: "An overlay or a platform half does not build.",
			Why:  "Flux stops at it, and the project stays as it was.",
			Mend: "Mend the file that the message names; `berth export ID ENV` builds it here.",
		},
	}
}

func fileRules() []Rule {
	return []Rule{
		{
			ID: ruleYAML, What: "A YAML file, or one that a Kustomization reads as such, that does not parse, has a key twice or a text in base64, or is not UTF-8. Below clusters/ it blocks where the change brings it.",
			Why:  "Two readers may take it for two different things.",
			Mend: "Write plain YAML in UTF-8.",
		}, {
			ID: ruleYAMLBomb, What: "A YAML file whose aliases or nesting grow beyond all measure, or the aliases of one project's files together, or a build that does. Where Flux applies nothing it is a warning.",
			Why:  "It would stop the controller that builds every project.",
			Mend: "Write out what the aliases stand for; look for replacements and patches that multiply.",
		}, {
			ID: ruleTooLarge, What: "A file of more than 1 MiB, or a project of more than 1,000 files or 10 MiB. Where Flux applies nothing such a file is a warning: it is not looked at for tokens. Or a change of more than 20,000 files outside of projects, or of 512 MiB in all; without --base ten times the files, or 2 GiB. A warning, too: a change of more than 64 commits, or whose commits change more than 20,000 files in all, of which only the last is looked at.",
			Why:  "Every Flux Kustomization unpacks the whole repository on each push.",
			Mend: "Keep large files elsewhere; propose a large change in parts.",
		}, {
			ID: ruleCaseClash, What: "Two names in one folder that differ in upper and lower case only.",
			Why:  "On some machines one hides the other.",
			Mend: "Rename one of them.",
		}, {
			ID: ruleFileName, What: "A file or folder, wherever it stands, that Flux cannot check out: a control character, . or .. beside a backslash, .git or what some file system takes for it, a device of Windows such as con or aux.txt, more than 255 bytes, or a path of more than 1,024.",
			Why:  "One such name, and Flux takes in no change of the repository any more, for anybody.",
			Mend: "Rename it.",
		},
	}
}

func workloadRules() []Rule {
	return []Rule{
		{
			ID: ruleKind, What: "An overlay or a platform half contains an object of a kind that is not allowed there.",
			Why:  "Flux may not apply it (and stops), or it would give rights that berth does not give.",
			Mend: "Take the object out; what the platform grants is decided in berth.yaml.",
		}, {
			ID: ruleNamespace, What: "An object in a project's files names a namespace that is not the environment's.",
			Why:  "Flux moves it into the environment's namespace and says that all is well: it is not where its author thinks.",
			Mend: "Leave metadata.namespace out.",
		}, {
			ID: rulePodSecurity, What: "A pod asks for more than its namespace's pod security level allows.",
			Why:  "Flux applies the workload and says that all is well, but no pod ever starts; only the ReplicaSet says so.",
			Mend: "Take the field out, or have the platform's owners raise podSecurity for the cluster.",
		}, {
			ID: ruleHostClash, What: "Two projects use the same host name. Without --base for all projects, with it for those that change.",
			Why:  "Which of them gets the other's traffic is up to chance.",
			Mend: "Choose another host.",
		}, {
			ID: ruleNeighbours, What: "A Service takes externalIPs or a loadBalancerIP or is an ExternalName, an Ingress has a default backend, a wildcard or no host, a certificate for a host that none of its rules has or a path with quotation marks, either has an annotation that is not listed below, or a pod takes a priority class called system-….",
			Why:  "It gets the traffic of others, reaches other namespaces through the ingress controller, or drives others' pods from the nodes. The cluster refuses externalIPs, ExternalName and the priority; for the rest there is only this rule.",
			Mend: "Take the field or annotation out; a note may be a label. docs/rules.md lists the annotations that may stay.",
		},
	}
}

func platformRules() []Rule {
	return []Rule{
		{
			ID: ruleCollision, What: "A project's platform half or fleet file contains an object that belongs to another project or to the platform.",
			Why:  "Flux applies it without complaint: the two projects then overwrite each other's Namespace, or one takes over the other's.",
			Mend: "Take the object out.",
		}, {
			ID: rulePrivilege, What: "A RoleBinding, Flux Kustomization or Namespace in a platform half grants more than berth grants: another role, subject, path, key or account, or the pod security level privileged.",
			Why:  "This is what keeps a project inside its own namespaces.",
			Mend: "Let berth write the file: `berth create project ID`.",
		}, {
			ID: ruleMissingGuard, What: "A platform half lacks a Namespace, ResourceQuota, LimitRange, NetworkPolicy, ServiceAccount, RoleBinding or Kustomization that the spec renders.",
			Why:  "Without it the project is not limited, or does not run.",
			Mend: "Let berth write the file: `berth create project ID`.",
		}, {
			ID: ruleTenantList, What: "The kustomization.yaml of a platform half does more than list the files beside it.",
			Why:  "A patch there changes or deletes what the reviewed files say.",
			Mend: "Let berth write the file: `berth create project ID`.",
		}, {
			ID: ruleOrphan, What: "A platform half or fleet file of a project, environment or cluster that no spec names.",
			Why:  "Flux goes on applying it, with the platform's rights.",
			Mend: "Delete it with `berth delete project`, or restore the spec.",
		}, {
			ID: ruleStray, What: "A file where only berth's own files belong.",
			Why:  "Below tenants/ and fleet/ Flux applies it with the platform's rights; in a project's own folders it is only a warning.",
			Mend: "Move it into the project's components/, or out of berth's folders.",
		}, {
			ID: ruleLeftover, Level: Warning, What: "A project's folder has files and nothing of berth's: no spec, no overlay, no seal, and nothing of it below tenants/ and fleet/.",
			Why:  "`berth delete project` leaves what is not berth's. Nothing applies it, but a new project of that name finds it.",
			Mend: "Remove the folder if nobody needs it, with `git rm -r projects/ID`.",
		}, {
			ID: ruleClusterFile, Level: Warning, What: "With --base: a file below clusters/ that is not berth's changes or is deleted. A kustomization.yaml beside flux-projects.yaml blocks that does more than list files below it, or leaves that one out.",
			Why:  "Flux applies what is below clusters/<cluster> with all rights, and berth knows only its own file there.",
			Mend: "Have the platform's owners look at it.",
		},
	}
}

func generatedRules() []Rule {
	return []Rule{
		{
			ID: ruleSpec, What: "A project.yaml is missing or wrong.",
			Why:  "It is what everything else is made from.",
			Mend: "Correct the field that is named.",
		}, {
			ID: ruleOwnerChanged, Level: Warning, What: "With --base: a project.yaml names another owner.",
			Why:  "`berth create` takes its word for who may change the project and give it a token.",
			Mend: "Ask the owner so far.",
		}, {
			ID: ruleEdited, What: "A generated file was edited by hand, or one without berth's header stands in its place. A .sops.yaml of one's own that was there before is left alone.",
			Why:  "It no longer says what the spec says, and berth stops at it.",
			Mend: "Put the change into project.yaml or a component, then `berth create project ID --overwrite`.",
		}, {
			ID: ruleNotRendered, What: "With --base: a generated file that this change wrote, or whose spec it changed, is not what the spec renders, though its digest is right.",
			Why:  "Flux applies the file and not the spec; and anyone can compute a digest, so it proves nothing against somebody who means it.",
			Mend: "Write it with the version of berth that checks it; run `berth create project ID` again.",
		}, {
			ID: ruleMissing, What: "A generated file is not there.",
			Why:  "Flux applies less than the spec says.",
			Mend: "Let berth write it: `berth create project ID`.",
		}, {
			ID: ruleOutdated, Level: Warning, What: "A generated file is not what this version of berth renders, and the change did not make it so.",
			Why:  "Another version of berth, or other settings in berth.yaml, wrote it. It works as it is.",
			Mend: "When it suits you, let berth write it again: `berth create project ID`, or `berth init --cluster NAME` for what is not a project's.",
		},
	}
}

func settingsRules() []Rule {
	return []Rule{
		{
			ID: ruleTrustChanged, What: "berth.yaml changes whom to trust, or how far: a public key, a recipient, a Git URL, a cluster's branch, a lower pod security level, a new cluster; or it is not readable.",
			Why:  "A recipient slipped in here reads every token that is sealed from then on.",
			Mend: "Have somebody who holds the keys compare them with the berth key's pins, and merge it on their word.",
		}, {
			ID: ruleSettingsChanged, Level: Warning, What: "Other settings in berth.yaml change.",
			Why:  "They hold for every project, from its next change on.",
			Mend: "Look at them. `berth create project ID` brings them into a project.",
		}, {
			ID: ruleClusterRemoved, What: "With --base: berth.yaml no longer names a cluster, or berth's own file below clusters/ or fleet/ is deleted for one that it does not name.",
			Why:  "Flux deletes what the files held: the Namespace flux-projects with the platform key and every project's key and Kustomization, and the admission policies. What projects run there may go with it, or stay with nothing that keeps it in check.",
			Mend: "Delete the projects there first (`berth delete project ID --env ENV`); then have the platform's owners merge it on their word.",
		},
	}
}
