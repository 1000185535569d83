package generator

import (
	_ "crypto/sha512" // digests of images may be sha384 and sha512
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/distribution/reference"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// fault is what is wrong with one value. Its texts never repeat the value,
// which may be a secret in the wrong place.
type fault struct{ reason, hint string }

// check adds a fault, if there is one, to the problems of a field.
func (c *collector) check(field string, f *fault) bool {
	if f != nil {
		c.add(field, f.hint, "%s", f.reason)
	}
	return f == nil
}

// madeOf says that s has no other characters than those that fit.
func madeOf(s string, fits func(rune) bool) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !fits(r) })
}

func isLowerOrDigit(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' }

// checkFolder accepts what can be a folder. source-controller refuses to check out a
// whole repository for one name that Windows keeps for a device.
func checkFolder(s string) *fault {
	if deviceName.MatchString(s) {
		return &fault{"is reserved: Flux checks out no file or folder of that name", "choose another name"}
	}
	return checkLabel(s)
}

var deviceName = regexp.MustCompile(`^(con|prn|aux|nul|(com|lpt)[1-9])$`)

func checkLabel(s string) *fault {
	if s == "" {
		return &fault{reason: "is required"}
	}
	if len(s) > validation.DNS1123LabelMaxLength {
		return &fault{reason: validation.MaxLenError(validation.DNS1123LabelMaxLength)}
	}
	if len(validation.IsDNS1123Label(s)) > 0 {
		return &fault{"must be lower-case letters, digits and '-', beginning and ending with a letter or digit", "for example shop-2"}
	}
	return nil
}

// checkProjectID refuses, besides what is no label, the ids whose files or
// keys would take the place of berth's own.
func checkProjectID(id string) *fault {
	switch id {
	case "berth", "kustomization":
		return &fault{"is reserved: fleet/<cluster>/" + id + ".yaml has a meaning of its own", "choose another id"}
	case "cloudbuild": // fleet/<cluster>/cloudbuild.yaml
		return &fault{"is reserved: Flux leaves out files called cloudbuild.yaml", "choose another id"}
	case "age":
		return &fault{"is reserved: its key would be called " + PlatformKeySecret + " as the platform's is", "choose another id"}
	}
	return checkFolder(id)
}

func checkEnvironmentName(s string) *fault {
	if s == "" {
		return &fault{reason: "is required"}
	}
	if s+".yaml" == kustomizationFile {
		return &fault{"is reserved: its file would be called " + kustomizationFile, "choose another name"}
	}
	if s == "cloudbuild" {
		return &fault{"is reserved: Flux leaves out files called cloudbuild.yaml", "choose another name"}
	}
	if deviceName.MatchString(s) {
		return checkFolder(s)
	}
	if len(s) > 16 || !madeOf(s, isLowerOrDigit) {
		return &fault{"must be 1 to 16 lower-case letters and digits, without '-'", "for example production"}
	}
	return nil
}

// checkText accepts one line of printable characters: no control or invisible
// ones, which would let two values look the same.
func checkText(s string, most int) *fault {
	switch {
	case s == "":
		return &fault{reason: "is required"}
	case len(s) > most:
		return &fault{validation.MaxLenError(most), ""}
	case strings.TrimSpace(s) != s:
		return &fault{"begins or ends with a space", "remove it"}
	case !utf8.ValidString(s) || !madeOf(s, unicode.IsPrint):
		return &fault{"has a control or invisible character", "use printable characters on one line"}
	}
	return nil
}

func checkImage(s string) *fault {
	const hint = "write it as registry/path:tag, or with @sha256:<digest> after the tag"
	_, err := reference.ParseNormalizedNamed(s)
	switch {
	case err == nil:
		return nil
	case strings.Contains(s, "://"):
		return &fault{"is not an image reference: it has a scheme", "leave out the part up to ://"}
	case errors.Is(err, reference.ErrNameTooLong):
		return &fault{err.Error(), ""}
	}
	if lower := lowerPath(s); lower != s {
		if _, err := reference.ParseNormalizedNamed(lower); err == nil {
			return &fault{"has upper-case letters in the image's path, which registries and the kubelet refuse", "use " + lower}
		}
	}
	return &fault{"is not an image reference", hint}
}

// lowerPath lowers the case of a reference up to its tag or digest.
func lowerPath(s string) string {
	path, digest, pinned := strings.Cut(s, "@")
	if i := strings.LastIndex(path, ":"); i > strings.LastIndex(path, "/") {
		path = strings.ToLower(path[:i]) + path[i:]
	} else {
		path = strings.ToLower(path)
	}
	if pinned {
		path += "@" + digest
	}
	return path
}

// checkRegistry accepts a bare host[:port] as a dockerconfigjson names it. The
// kubelet takes *?[ in it as a pattern, which would offer the token elsewhere.
func checkRegistry(s string) *fault {
	const hint = "write the bare host, such as ghcr.io or registry.example.com:5000"
	host, port, hasPort := strings.Cut(s, ":")
	switch {
	case s == "":
		return &fault{"is required", hint}
	case strings.Contains(s, "://"):
		return &fault{"has a scheme", hint}
	case strings.Contains(s, "/"):
		return &fault{"has a path", hint}
	case strings.ContainsAny(s, "*?["):
		return &fault{"has a pattern character; the token would be offered to every host that matches", hint}
	case strings.ContainsAny(s, "@"):
		return &fault{"has a user name in it", hint}
	case s == "index.docker.io" || s == "registry-1.docker.io":
		return &fault{"is an endpoint of Docker Hub", "write docker.io, as image names have it"}
	case strings.ToLower(s) != s:
		return &fault{"has upper-case letters", "write it in lower case"}
	case len(validation.IsDNS1123Subdomain(host)) > 0:
		return &fault{"is not a host name", hint}
	case hasPort && !validPort(port):
		return &fault{"has an invalid port", hint}
	case !hasPort && !strings.Contains(host, ".") && host != "localhost":
		return &fault{"is not a registry's host: it has neither a dot nor a port", hint}
	}
	return nil
}

func validPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && strconv.Itoa(n) == s && checkPort(n) == nil
}

func checkPort(port int) *fault {
	if len(validation.IsValidPortNum(port)) > 0 {
		return &fault{reason: "must be between 1 and 65535"}
	}
	return nil
}

func checkIngressClass(s string) *fault {
	if len(validation.IsDNS1123Subdomain(s)) > 0 {
		return &fault{"must be lower-case letters, digits, '-' and '.'", "for example nginx"}
	}
	return nil
}

func checkUsername(s string) *fault {
	if f := checkText(s, 253); f != nil {
		return f
	}
	if strings.Contains(s, ":") {
		return &fault{"has a ':', at which the kubelet would split it", "use the login name alone"}
	}
	return nil
}

func checkHost(s string) *fault {
	switch {
	case strings.Contains(s, "://") || strings.Contains(s, "/"):
		return &fault{"is a URL", "write the host name alone"}
	case strings.HasPrefix(s, "*"):
		return &fault{"is a wildcard", "name one host; a wildcard would take other projects' hosts"}
	case len(validation.IsValidIP(field.NewPath("host"), s)) == 0:
		return &fault{"is an IP address", "an Ingress needs a DNS name"}
	case strings.ToLower(s) != s:
		return &fault{"has upper-case letters", "write it in lower case"}
	case len(validation.IsDNS1123Subdomain(s)) > 0:
		return &fault{"is not a DNS name", "for example shop.example.com"}
	}
	return nil
}

// checkEnvValue accepts any text. Control characters other than tab and line
// breaks cannot be carried through YAML and JSON unchanged by every tool.
func checkEnvValue(s string) *fault {
	bad := func(r rune) bool {
		return unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' || r&0xFFFE == 0xFFFE
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, bad) {
		return &fault{"has a control character or is not UTF-8", "encode it, for example as base64"}
	}
	return nil
}

// checkURL accepts what a Flux GitRepository can fetch
// (source.toolkit.fluxcd.io/v1, spec.url), without a credential in it.
func checkURL(s string) *fault {
	scheme, rest, ok := strings.Cut(s, "://")
	authority, _, _ := strings.Cut(rest, "/")
	user, host, hasUser := strings.Cut(authority, "@")
	if !hasUser {
		user, host = "", authority
	}
	switch {
	case s == "":
		return &fault{"is required", "give the URL that Flux fetches this repository from"}
	case !ok || scheme != "https" && scheme != "http" && scheme != "ssh":
		return &fault{"must begin with https://, http:// or ssh://, which are what Flux can fetch", "write git@host:path as ssh://git@host/path"}
	case strings.Contains(user, ":") || scheme != "ssh" && hasUser:
		return &fault{"has a credential in it", "leave it out; Flux reads it from the Secret " + GitSecret}
	case host == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"'<>\^{|}`+"`", r) }):
		return &fault{"is not a URL", "for example https://git.example.com/platform/fleet.git"}
	}
	return nil
}

// checkBranch follows git-check-ref-format(1).
func checkBranch(s string) *fault {
	bad := func(r rune) bool {
		return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) || !unicode.IsPrint(r)
	}
	if branch, full := strings.CutPrefix(s, "refs/heads/"); full {
		return &fault{"is not a branch name", "without refs/heads/ it is: " + branch}
	}
	switch {
	case len(s) > 255,
		strings.ContainsFunc(s, bad),
		strings.HasPrefix(s, "-"), strings.HasPrefix(s, "/"), strings.HasPrefix(s, "refs/"),
		strings.HasSuffix(s, "/"), strings.HasSuffix(s, "."), s == "@", s == "HEAD",
		strings.Contains(s, "..") || strings.Contains(s, "//") || strings.Contains(s, "@{"):
		return &fault{"is not a branch name", "for example main"}
	}
	for part := range strings.SplitSeq(s, "/") {
		if strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return &fault{"is not a branch name", "for example main"}
		}
	}
	return nil
}

// checkRecipient looks at the form only; what age accepts is for the sealing
// side to say.
func checkRecipient(s string) *fault {
	rest, ok := strings.CutPrefix(s, "age1")
	if !ok || len(rest) < 8 || len(s) > 4096 || !madeOf(rest, isLowerOrDigit) {
		return &fault{"is not an age recipient", "it begins with age1 and has lower-case letters and digits only"}
	}
	return nil
}

// checkPublicKey looks at the form only. Errors show public keys, so nothing
// else may pass for one.
func checkPublicKey(s string) *fault {
	base64 := func(r rune) bool { return isLowerOrDigit(r) || r >= 'A' && r <= 'Z' || r == '_' || r == '-' }
	rest, ok := strings.CutPrefix(s, "berth-pub-1")
	switch {
	case strings.Contains(s, "BERTH-SECRET-KEY"):
		return &fault{"has the berth key itself, which is secret", "write its public key, the second line of the key file; if others have seen this one, make a new key"}
	case !ok || rest == "" || len(s) > 255 || !madeOf(rest, base64):
		return &fault{"is not a public key of berth", "it begins with berth-pub-1 and is one word, as in the second line of the key file"}
	}
	return nil
}

func checkPodSecurity(s string) *fault {
	levels := []string{"baseline", "privileged", "restricted"}
	for _, level := range levels {
		if s == level {
			return nil
		}
	}
	return &fault{"is not a Pod Security Standard", "use privileged, baseline or restricted"}
}

func checkInterval(s string) *fault {
	d, err := time.ParseDuration(s)
	if err != nil {
		return &fault{"is not a duration", "for example 10m or 1h"}
	}
	if d < time.Second || d > 7*24*time.Hour {
		return &fault{"must be between 1s and 168h", ""}
	}
	return nil
}
