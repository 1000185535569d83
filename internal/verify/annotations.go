package verify

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// harmless are the annotations that an Ingress or a Service may have, by domain: with
// them a project changes how its own routes behave, and reaches nobody else's. There is
// no domain that all ingress controllers leave alone: most take others by a flag, and
// HAProxy Technologies' looks at what stands after the slash only.
//
// Left out is what names a host, an address to send requests to, another namespace, a
// Secret or a middleware, what a load balancer that is shared has only one of, what
// becomes configuration as it is written, what turns off a guard of the platform's, and
// what makes Flux leave an object on the cluster when its file is gone.
var harmless = map[string]string{
	"app.kubernetes.io":           "component instance managed-by name part-of version",
	"kustomize.toolkit.fluxcd.io": "force",
	"prometheus.io":               "path port scheme scrape",
	"kubernetes.io":               "ingress.allow-http ingress.class tls-acme",
	"cert-manager.io": "cluster-issuer duration issuer issuer-kind private-key-algorithm private-key-encoding " +
		"private-key-rotation-policy private-key-size renew-before revision-history-limit",
	"acme.cert-manager.io":             "http01-edit-in-place",
	"external-dns.alpha.kubernetes.io": "ttl",

	"nginx.ingress.kubernetes.io": "affinity affinity-mode allowlist-source-range app-root backend-protocol client-body-buffer-size " +
		"cors-allow-credentials cors-allow-headers cors-allow-methods cors-allow-origin cors-expose-headers cors-max-age " +
		"denylist-source-range enable-cors force-ssl-redirect http2-push-preload " +
		"limit-allowlist limit-burst-multiplier limit-connections limit-rate limit-rate-after limit-rpm limit-rps limit-whitelist " +
		"load-balance permanent-redirect permanent-redirect-code preserve-trailing-slash " +
		"proxy-body-size proxy-buffer-size proxy-buffering proxy-connect-timeout proxy-cookie-path proxy-http-version " +
		"proxy-max-temp-file-size proxy-next-upstream proxy-next-upstream-timeout proxy-next-upstream-tries proxy-read-timeout " +
		"proxy-request-buffering proxy-send-timeout rewrite-target service-upstream " +
		"session-cookie-change-on-failure session-cookie-conditional-samesite-none session-cookie-expires session-cookie-max-age " +
		"session-cookie-name session-cookie-path session-cookie-samesite session-cookie-secure " +
		"ssl-redirect temporal-redirect temporal-redirect-code upstream-vhost use-regex whitelist-source-range x-forwarded-prefix",
	"nginx.org": "client-max-body-size fail-timeout grpc-services hsts hsts-max-age keepalive max-conns max-fails proxy-buffering " +
		"proxy-connect-timeout proxy-read-timeout proxy-send-timeout redirect-to-https ssl-services websocket-services",
	"haproxy-ingress.github.io": "affinity allowlist-source-range app-root backend-protocol balance-algorithm " +
		"cors-allow-credentials cors-allow-headers cors-allow-methods cors-allow-origin cors-enable cors-expose-headers cors-max-age " +
		"denylist-source-range health-check-interval health-check-uri hsts hsts-max-age limit-connections limit-rps limit-whitelist " +
		"proxy-body-size rewrite-target session-cookie-dynamic session-cookie-name session-cookie-preserve session-cookie-same-site " +
		"session-cookie-strategy ssl-redirect ssl-redirect-code " +
		"timeout-connect timeout-http-request timeout-keep-alive timeout-queue timeout-server timeout-tunnel whitelist-source-range",
	"haproxy.org": "allow-list check check-http check-interval cookie-persistence " +
		"cors-allow-credentials cors-allow-headers cors-allow-methods cors-allow-origin cors-enable cors-max-age deny-list " +
		"load-balance path-rewrite pod-maxconn rate-limit-period rate-limit-requests rate-limit-status-code server-proto server-ssl " +
		"ssl-redirect ssl-redirect-code timeout-check timeout-connect timeout-queue timeout-server timeout-tunnel whitelist",
	"ingress.kubernetes.io": "app-root force-ssl-redirect proxy-body-size rewrite-target ssl-redirect whitelist-source-range",
	"traefik.ingress.kubernetes.io": "router.entrypoints router.tls router.tls.certresolver service.nativelb service.passhostheader " +
		"service.serversscheme service.sticky.cookie service.sticky.cookie.httponly service.sticky.cookie.maxage " +
		"service.sticky.cookie.name service.sticky.cookie.samesite service.sticky.cookie.secure",
	"konghq.com": "connect-timeout https-redirect-status-code preserve-host protocol read-timeout request-buffering " +
		"response-buffering retries strip-path write-timeout",
	"projectcontour.io": "max-connections max-pending-requests max-requests max-retries num-retries per-try-timeout response-timeout " +
		"retry-on tls-minimum-protocol-version upstream-protocol.h2 upstream-protocol.h2c upstream-protocol.tls websocket-routes",
	"alb.ingress.kubernetes.io": "backend-protocol backend-protocol-version healthcheck-interval-seconds healthcheck-path " +
		"healthcheck-port healthcheck-protocol healthcheck-timeout-seconds healthy-threshold-count success-codes " +
		"target-group-attributes target-type unhealthy-threshold-count",
	"appgw.ingress.kubernetes.io": "backend-path-prefix backend-protocol connection-draining connection-draining-timeout " +
		"cookie-based-affinity health-probe-interval health-probe-path health-probe-port health-probe-status-codes " +
		"health-probe-timeout health-probe-unhealthy-threshold request-timeout ssl-redirect",

	"service.kubernetes.io": "topology-aware-hints topology-mode",
	"service.beta.kubernetes.io": "aws-load-balancer-backend-protocol aws-load-balancer-connection-idle-timeout " +
		"aws-load-balancer-cross-zone-load-balancing-enabled aws-load-balancer-healthcheck-healthy-threshold " +
		"aws-load-balancer-healthcheck-interval aws-load-balancer-healthcheck-path aws-load-balancer-healthcheck-port " +
		"aws-load-balancer-healthcheck-protocol aws-load-balancer-healthcheck-timeout " +
		"aws-load-balancer-healthcheck-unhealthy-threshold aws-load-balancer-internal aws-load-balancer-nlb-target-type " +
		"aws-load-balancer-proxy-protocol aws-load-balancer-scheme aws-load-balancer-type azure-load-balancer-internal " +
		"azure-load-balancer-tcp-idle-timeout",
	"networking.gke.io": "internal-load-balancer-allow-global-access load-balancer-type",
}

// injects finds what could end a value in the configuration that an ingress controller
// writes, or stand there for another one: $1 is a part of the path, $host is not.
var injects = regexp.MustCompile("[\"'`\\\\;{}#[:cntrl:]]|\\$[^0-9]")

// checkAnnotations keeps an Ingress or a Service to the annotations that are harmless.
func (c *checker) checkAnnotations(file string, o object) {
	for _, name := range foreignAnnotations(o) {
		c.add(ruleNeighbours, file, 0, "%s has the annotation %s, %s", o, clip(name), annotationFlaw(name, o.text("metadata", "annotations", name)))
	}
}

// foreignAnnotations lists the annotations of an Ingress or a Service that may reach
// further than its own routes.
func foreignAnnotations(o object) []string {
	if kind := o.groupKind(); kind != "Service" && kind != "Ingress.networking.k8s.io" {
		return nil
	}
	annotations, _ := o.at("metadata", "annotations").(map[string]any)
	return slices.DeleteFunc(slices.Sorted(maps.Keys(annotations)), func(name string) bool {
		return annotationFlaw(name, o.text("metadata", "annotations", name)) == ""
	})
}

// annotationFlaw says in words why an Ingress or a Service may not have an annotation,
// or "".
func annotationFlaw(name, value string) string {
	domain, rest, _ := strings.Cut(name, "/")
	switch {
	case !slices.Contains(strings.Fields(harmless[domain]), rest):
		return "which is not among those known to change its own routes only"
	case injects.MatchString(value):
		return "with a character that may go on in the ingress controller's own configuration"
	}
	return ""
}
