package generator_test

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// expand does to a variable's value what the kubelet does
// (k8s.io/kubernetes/third_party/forked/golang/expansion, Expand), when every
// variable that it can refer to exists.
func expand(input string) string {
	var out strings.Builder
	checkpoint := 0
	for cursor := 0; cursor < len(input); cursor++ {
		if input[cursor] == '$' && cursor+1 < len(input) {
			out.WriteString(input[checkpoint:cursor])
			read, isVar, advance := tryReadVariableName(input[cursor+1:])
			if isVar {
				read = "<" + read + ">"
			}
			out.WriteString(read)
			cursor += advance
			checkpoint = cursor + 1
		}
	}
	return out.String() + input[checkpoint:]
}

func tryReadVariableName(input string) (string, bool, int) {
	r, size := utf8.DecodeRuneInString(input)
	switch r {
	case '$':
		return input[:size], false, size
	case '(':
		for i := 1; i < len(input); i++ {
			if input[i] == ')' {
				return input[1:i], true, i + 1
			}
		}
		return "$(", false, 1
	default:
		return "$" + string(r), false, size
	}
}

// TestEnvIsPlainText: what the kubelet makes of a variable is what the spec
// says, and most values are rendered as they are.
func TestEnvIsPlainText(t *testing.T) {
	for _, value := range []string{
		"", "info", "pa$word", "pa$$word", "$", "$$", "$$$", "$(A)", "$$(A)", "$$$(A)", "$(", "$(A", "$()", "$(A)$", "$x$(A)", "a$b$$c$", "${A}", "$ä$(B)", "$(A)$(B)", "($)$)",
	} {
		p := mustProject(t, head+"  image: i:1\n  environments:\n  - name: production\n")
		p.Spec.Env = map[string]string{"A": "a", "V": value}
		plan := mustPlan(t, mustPlatform(t, platformDoc), p)
		built := build(t, repository(t, plan, nil), plan.Targets[0].Overlay)
		got := at(t, built["Deployment/project-shop-production/app"], "spec", "template", "spec", "containers", 0, "env", 1, "value")
		special := strings.Contains(value, "$$") || strings.Contains(value, "$(")
		if text, _ := got.(string); expand(text) != value || !special && text != value {
			t.Errorf("%q is rendered as %q, and arrives as %q", value, text, expand(text))
		}
	}
}
