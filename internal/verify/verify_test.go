package verify

import (
	"encoding/base64"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/berth-gitops/berth/sops"
)

var update = flag.Bool("update", false, "rewrite docs/rules.md")

// TestRulesPage keeps docs/rules.md what the code says.
func TestRulesPage(t *testing.T) {
	const file = "../../docs/rules.md"
	want := rulesPage()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/rules.md is not what the code says; run go test ./internal/verify -run RulesPage -update (-want +got):\n%s", diff)
	}
}

const rulesIntroduction = `# The rules of berth verify

` + "`berth verify`" + ` and ` + "`berth review`" + ` check these rules with public keys only. A **blocking** finding ends with exit
status 3; a **warning** does not. Settings, public keys and recipients are those of ` + "`--base`" + `, never those of the change.

With ` + "`--base`" + ` a project is looked at as a whole when anything of it changes, and other files when they change
themselves. Three things need all of the repository, so run ` + "`berth verify`" + ` without ` + "`--base`" + ` on the main branch as well:
ciphertexts of projects that the change does not touch, host names of other projects, and files that were wrong before.

What the rules cannot see: a token in a form that no rule knows (encrypted, compressed, in a
picture, in parts that stand in comments, keys or several documents), an old seal put back
where an earlier change had deleted the newer one, what a container image does, and platform files other than berth's own,
which need CODEOWNERS.

`

// rulesPage words Rules as a page.
func rulesPage() string {
	var b strings.Builder
	b.WriteString(rulesIntroduction)
	group := ""
	for _, r := range Rules() {
		if r.Group != group {
			group = r.Group
			fmt.Fprintf(&b, "## %s\n\n| rule | level | looks for | why | mend |\n| --- | --- | --- | --- | --- |\n", group)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", r.ID, r.Level, r.What, r.Why, r.Mend)
		if next := nextGroup(r.ID); next != group {
			b.WriteString("\n")
		}
	}
	b.WriteString(annotationsIntroduction)
	for _, domain := range slices.Sorted(maps.Keys(harmless)) {
		fmt.Fprintf(&b, "| `%s/` | `%s` |\n", domain, strings.Join(strings.Fields(harmless[domain]), "`, `"))
	}
	return b.String()
}

const annotationsIntroduction = `## Annotations of an Ingress or a Service

An Ingress or a Service of a project may have these, and none else, whatever its domain: some ingress controllers look at
what stands after the slash only. With these a project changes how its own routes behave; those that name other hosts,
addresses, namespaces, Secrets, middlewares or load balancers are not among them. A value may not hold quotation marks,
backslashes, semicolons, braces, ` + "`#`, line breaks or a `$`" + ` before anything but a digit.

There is no setting that allows more. What a platform wants for all projects belongs into the ingress controller's own
configuration, or what its IngressClass names; a note for people may be a label.

| domain | annotations |
| --- | --- |
`

func nextGroup(id string) string {
	rules := Rules()
	for i, r := range rules[:len(rules)-1] {
		if r.ID == id {
			return rules[i+1].Group
		}
	}
	return ""
}

// TestAnnotationFlaw tries what is documented to reach other projects, or the ingress
// controller's own configuration, and what is in everyday use.
func TestAnnotationFlaw(t *testing.T) {
	for _, name := range []string{
		"nginx.ingress.kubernetes.io/auth-url", "nginx.ingress.kubernetes.io/auth-response-headers",
		"nginx.ingress.kubernetes.io/auth-secret", "nginx.ingress.kubernetes.io/auth-tls-secret",
		"nginx.ingress.kubernetes.io/mirror-target", "nginx.ingress.kubernetes.io/proxy-ssl-secret",
		"nginx.ingress.kubernetes.io/server-alias", "nginx.ingress.kubernetes.io/from-to-www-redirect",
		"nginx.ingress.kubernetes.io/upstream-hash-by", "nginx.ingress.kubernetes.io/canary-weight",
		"nginx.ingress.kubernetes.io/server-snippet", "nginx.acme.example/auth-url", "NGINX.ingress.kubernetes.io/proxy-body-size",
		"nginx.org/mergeable-ingress-type", "nginx.org/server-snippets",
		"haproxy-ingress.github.io/server-alias-regex", "haproxy-ingress.github.io/config-backend", "haproxy-ingress.github.io/redirect-from",
		"haproxy.org/backend-config-snippet", "haproxy.org/route-acl", "backend-config-snippet", "example.com/server-ca", "kustomize.toolkit.fluxcd.io/prune", "a/b/load-balance",
		"traefik.ingress.kubernetes.io/router.middlewares", "traefik.ingress.kubernetes.io/router.tls.domains.0.main",
		"traefik.ingress.kubernetes.io/router.pathmatcher", "traefik.ingress.kubernetes.io/service.serverstransport",
		"alb.ingress.kubernetes.io/conditions.app", "alb.ingress.kubernetes.io/actions.app", "alb.ingress.kubernetes.io/group.name",
		"alb.ingress.kubernetes.io/ssl-redirect", "appgw.ingress.kubernetes.io/hostname-extension", "konghq.com/host-aliases",
		"projectcontour.io/tls-cert-namespace", "cert-manager.io/alt-names", "cert-manager.io/common-name",
		"external-dns.alpha.kubernetes.io/hostname", "external-dns.alpha.kubernetes.io/target", "kubernetes.io/ingress.global-static-ip-name",
		"metallb.io/loadBalancerIPs", "metallb.universe.tf/allow-shared-ip", "kube-vip.io/loadbalancerIPs", "lbipam.cilium.io/ips",
		"service.beta.kubernetes.io/azure-pip-name", "service.beta.kubernetes.io/azure-dns-label-name",
		"service.beta.kubernetes.io/aws-load-balancer-eip-allocations", "nginx.ingress.kubernetes.io", "nginx.ingress.kubernetes.io/", "",
	} {
		if annotationFlaw(name, "x") == "" {
			t.Errorf("%q passes", name)
		}
	}
	for name, value := range map[string]string{
		"nginx.ingress.kubernetes.io/proxy-body-size": "8m", "nginx.ingress.kubernetes.io/rewrite-target": "/api/$2",
		"nginx.ingress.kubernetes.io/cors-allow-origin": "https://*.example.com, http://localhost:3000", "kubernetes.io/ingress.class": "nginx",
		"nginx.ingress.kubernetes.io/whitelist-source-range": "192.0.2.0/24,2001:db8::/32", "cert-manager.io/cluster-issuer": "letsencrypt",
		"traefik.ingress.kubernetes.io/router.entrypoints": "websecure", "haproxy.org/timeout-server": "30s", "prometheus.io/path": "/metrics?a=b",
		"alb.ingress.kubernetes.io/target-group-attributes": "stickiness.enabled=true,stickiness.type=lb_cookie", "nginx.org/websocket-services": "app",
	} {
		if flaw := annotationFlaw(name, value); flaw != "" {
			t.Errorf("%s: %s: %s", name, value, flaw)
		}
	}
	for _, value := range []string{`/"`, "/'", "/`", `/\`, "/;", "/{", "/}", "/#", "/\n/", "/\x00", "/$host", "/${host}"} {
		if annotationFlaw("nginx.ingress.kubernetes.io/rewrite-target", value) == "" {
			t.Errorf("%q passes", value)
		}
	}
}

// TestRules keeps the table complete: texts for each, and ids that are used once.
func TestRules(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Rules() {
		if seen[r.ID] || r.What == "" || r.Why == "" || r.Mend == "" || r.Level == "" || strings.Contains(r.What+r.Why+r.Mend, "|") {
			t.Errorf("rule %q is there twice or incomplete", r.ID)
		}
		seen[r.ID] = true
	}
	for _, kind := range []sops.TamperKind{sops.Unsigned, sops.Changed, sops.Copied, sops.Spliced, sops.Older, sops.Foreign} {
		if !seen[string(kind)] {
			t.Errorf("no rule for %s", kind)
		}
	}
}

func TestCredentialFlaw(t *testing.T) {
	info := &sops.Info{Registry: "ghcr.io", Username: "alice"}
	pair := base64.StdEncoding.EncodeToString([]byte("alice:secret"))
	for name, test := range map[string]struct{ config, want string }{
		"right":            {`{"auths":{"ghcr.io":{"username":"alice","password":"secret","auth":"` + pair + `"}}}`, ""},
		"another registry": {`{"auths":{"evil.example":{"username":"alice","password":"secret","auth":"` + pair + `"}}}`, "another registry"},
		"one more":         {`{"auths":{"ghcr.io":{"username":"alice","password":"secret","auth":"` + pair + `"},"x.io":{}}}`, "several"},
		"another user":     {`{"auths":{"ghcr.io":{"username":"bob","password":"secret","auth":"` + pair + `"}}}`, "another user"},
		"contradicting":    {`{"auths":{"ghcr.io":{"username":"alice","password":"other","auth":"` + pair + `"}}}`, "contradicts itself"},
		"no password":      {`{"auths":{"ghcr.io":{"username":"alice"}}}`, "no password"},
		"not JSON":         {`secret`, "no dockerconfigjson"},
	} {
		plain := "data:\n  .dockerconfigjson: " + base64.StdEncoding.EncodeToString([]byte(test.config)) + "\n"
		got := credentialFlaw([]byte(plain), info)
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("%s shows the password: %q", name, got)
		}
	}
}

func TestNameFlaw(t *testing.T) {
	for name, want := range map[string]string{
		strings.Repeat("a", 255) + "/b": "", strings.Repeat("a", 256): "255", strings.Repeat(`a\`, 200): "255", strings.Repeat("a/", 512) + "b": "1,024",
		"a/NUL": "device", "con .x": "device", "lpt9:x": "device", "conin$": "device", "console": "", "com0": "", "a-con": "",
		".git": ".git", "x/.GIT./y": ".git", "git~1": ".git", ".git::$INDEX_ALLOCATION": ".git", ".git\ufeff": ".git", ".gitignore": "", "git~2": "", ".git2": "",
		`a\..\b`: "backslash", `a\b`: "", "a\x7f": "control", "a\u009b": "control", "é b": "",
	} {
		if got := nameFlaw(name); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%.40q: %q, want %q", name, got, want)
		}
	}
}

// TestUnopened has the keys of one project only: the other may be another cluster's. Keys
// that open nothing are no proof.
func TestUnopened(t *testing.T) {
	k := newKeys(t)
	f := newFleet(t, k)
	plan := f.plan("blog")
	plan.Keys[0].Recipients = []string{k.stranger}
	f.seal(k.berth, plan, plan.Keys[0].Path, true)
	for identity, want := range map[string]Level{k.identity: Warning, mustIdentity(t): Blocking} {
		for _, found := range check(t, nil, f, identity).Findings {
			if found.Rule == ruleUnopened && found.Level != want {
				t.Errorf("%s, want %s", line(found), want)
			}
		}
	}
}

func mustIdentity(t *testing.T) string {
	t.Helper()
	text, _, err := sops.NewIdentity(false)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestFlattenLongKey gives every value of a list a path of half a megabyte.
func TestFlattenLongKey(t *testing.T) {
	doc := []byte("? " + strings.Repeat("k", 500_000) + "\n: [" + strings.Repeat("1,", 90_000) + "]\n")
	before := new(runtime.MemStats)
	runtime.ReadMemStats(before)
	if got := len(flatten(doc)); got != 90_000 {
		t.Errorf("%d values", got)
	}
	after := new(runtime.MemStats)
	runtime.ReadMemStats(after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<30 {
		t.Errorf("%d MB were allocated", took>>20)
	}
}

// tokens are of every form that is looked for.
func tokens() map[string]string {
	letters := "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8S9t0U1v2W3x4Y5z6A7b8C9d0"
	return map[string]string{
		"GitHub classic":      "ghp_" + letters[:36],
		"GitHub OAuth":        "gho_" + letters[:36],
		"GitHub fine-grained": "github_pat_" + letters,
		"GitLab":              "glpat-" + letters[:20],
		"Docker":              "dckr_pat_" + letters[:27],
		"npm":                 "npm_" + letters[:36],
		"AWS":                 "AKIA" + strings.ToUpper(letters[:16]),
		"Slack":               "xoxb-" + letters[:24],
		"age":                 "AGE-SECRET-KEY-1" + strings.ToUpper(letters[:58]),
		"berth":               "BERTH-SECRET-KEY-1" + letters[:48],
		"JWT":                 "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9." + letters[:43],
		"URL":                 "https://alice:" + letters[:20] + "@ghcr.io/x",
		"URL, capitals":       "HTTPS://alice:" + letters[:20] + "@ghcr.io/x",
	}
}

func TestTokens(t *testing.T) {
	s := NewSecretive()
	for name, token := range tokens() {
		for form, text := range map[string]string{
			"plain":         token,
			"in a sentence": "login with " + token + " please",
			"comment":       "a: b # " + token,
			"base64":        base64.StdEncoding.EncodeToString([]byte("user:" + token)),
			"base64url":     base64.RawURLEncoding.EncodeToString([]byte("x:" + token)),
			"twice":         base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(token)))),
			"hexadecimal":   fmt.Sprintf("%x", token),
			"mixed digits":  "-_-_" + base64.StdEncoding.EncodeToString([]byte("??>>~~"+token)),
		} {
			if !s.Holds([]byte(text)) {
				t.Errorf("%s, %s is not found", name, form)
			}
		}
	}
	for _, harmless := range []string{
		"ghp_…", "ghp_xxxxxxxx", "sha256:6c3c624b58dbbcd3c0dd82b4c53f04194d1247c6eebdaab7c610cf7d66709b3b",
		"https://github.com/alice/shop", "postgres://app:$(PASSWORD)@db/app", "http://host:8080/a@b", "git@github.com:alice/shop.git",
		"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", `{"auths": {}}`, "https://user@example.com/x", "https://user:<password>@host",
	} {
		if s.Holds([]byte(harmless)) {
			t.Errorf("%q is taken for a secret", harmless)
		}
	}
}

// TestDecodingIsBounded counts what is looked at in a long text that stands for the same
// from whichever digit it is decoded.
func TestDecodingIsBounded(t *testing.T) {
	for name, digit := range map[string]string{"one digit": "V", "hexadecimal": "56", "zeros": "0", "decoded twice": "VVVV5656"} {
		text := []byte(strings.Repeat(digit, 1<<16/len(digit)))
		looked := 0
		var look func(text []byte, layer int)
		look = func(text []byte, layer int) {
			looked += len(text)
			for d := range decodings(text) {
				if layer < maxLayers {
					look(d.plain, layer+1)
				}
			}
		}
		if look(text, 0); looked > 3*len(text) {
			t.Errorf("%s: %d bytes are looked at for %d", name, looked, len(text))
		}
	}
}

// FuzzParseYAML wants every reader to end, in bounds, on whatever it is given.
func FuzzParseYAML(f *testing.F) {
	for _, seed := range []string{"a: b\n", "a: &a [*a]\n", "- &a {<<: *a}\n", "---\na: |\n  kind: Secret\n---\n", "\xff\xfea\x00", "? [a]\n: b\n", "a: {b: [c, {d: e}]}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, bad := parseYAML(data)
		if bad != nil {
			if docs != nil || bad.what == "" {
				t.Fatalf("%v with a flaw", docs)
			}
			return
		}
		n := 0
		for _, doc := range docs {
			visit(doc, func(node *yaml.Node) {
				n++
				field(node, "kind")
			})
			valueLists(doc)
			references("patches", doc)
		}
		if limit := maxNodes * (maxInline + 1) * max(1, len(docs)) * 2; n > limit {
			t.Fatalf("%d values are visited", n)
		}
		flatten(data)
	})
}

// FuzzTokens hides a token in whatever surrounds it.
func FuzzTokens(f *testing.F) {
	f.Add("a: ", "\n# b", 0)
	f.Add("{x: '", "'}", 1)
	f.Add("", "", 2)
	s := NewSecretive()
	token := tokens()["GitHub classic"]
	f.Fuzz(func(t *testing.T, before, after string, layer int) {
		hidden := token
		switch layer & 3 {
		case 1:
			hidden = " " + base64.StdEncoding.EncodeToString([]byte(token)) + " "
		case 2:
			hidden = " " + fmt.Sprintf("%x", token) + " "
		}
		if !s.Holds([]byte(before + hidden + after)) {
			t.Errorf("not found between %q and %q", before, after)
		}
	})
}

// FuzzPrintable lets nothing through that moves a cursor.
func FuzzPrintable(f *testing.F) {
	f.Add("a\x1b[2Jb\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		for _, r := range Printable(s) {
			if r < ' ' || r == 0x7f || r == 0x202e || r >= 0x80 && r < 0xa0 {
				t.Fatalf("%q in %q", r, Printable(s))
			}
		}
	})
}

// TestResidents names the projects of a cluster that goes, but not all of many.
func TestResidents(t *testing.T) {
	base := newFleet(t, newKeys(t))
	base.do(`replace berth.yaml |  clusters:\n|  clusters:\n  - name: edge\n    url: https://git.example.com/platform/fleet.git\n|`)
	base.settings()
	removed := func(cluster string) string {
		head := base.clone()
		head.do("drop-cluster " + cluster)
		head.settings()
		for _, f := range check(t, base, head, "").Findings {
			if f.Rule == ruleClusterRemoved && f.Level == Blocking {
				return f.What
			}
		}
		return ""
	}
	for _, test := range []struct{ cluster, want string }{
		{"edge", "cluster edge is taken out, and no project runs there"},
		{"home", "cluster home is taken out, and 2 projects (blog, shop) run there"},
	} {
		if got := removed(test.cluster); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
	for i := range 9 {
		base.files[fmt.Sprintf("fleet/home/p%d.yaml", i)] = []byte("{}\n")
	}
	if got, want := removed("home"), "cluster home is taken out, and 11 projects (blog, p0, p1, p2, p3, …) run there"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
