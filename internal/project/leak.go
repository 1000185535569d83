package project

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/sops"
)

const (
	leaked   = "has the registry token that was given, and would show it to everybody who reads the repository"
	takeAway = "take it out; if it is a word that stands there by chance, it is too weak for a token"
)

// checkID refuses a project's id that has the token in it, before a message can name it.
func checkID(id string, token *sops.Token) error {
	if token == nil || !token.In([]byte(id)) {
		return nil
	}
	return generator.Problems{{Field: "metadata.name", Reason: leaked, Hint: takeAway}}
}

// checkSpec refuses a spec that has the token in it, by the name of the field.
func checkSpec(p *generator.Project, token *sops.Token) error {
	if token == nil {
		return nil
	}
	doc, err := json.Marshal(p)
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(doc, &value); err != nil {
		return err
	}
	var problems generator.Problems
	for _, field := range holding("", value, token) {
		problems = append(problems, p.Problem(field, takeAway, leaked))
	}
	return asError(problems)
}

// holding lists the fields below value that have the token in them. Where it is a key, that
// is the field around it.
func holding(field string, value any, token *sops.Token) []string {
	var found []string
	switch v := value.(type) {
	case string:
		if token.In([]byte(v)) {
			found = append(found, field)
		}
	case []any:
		for i, item := range v {
			found = append(found, holding(fmt.Sprintf("%s[%d]", field, i), item, token)...)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			inner := strings.TrimPrefix(field+"."+key, ".")
			if strings.HasSuffix(field, ".env") {
				inner = field + "[" + key + "]"
			}
			if token.In([]byte(key)) {
				found = append(found, field)
				continue
			}
			found = append(found, holding(inner, v[key], token)...)
		}
	}
	return found
}

// checkFiles refuses what is to be committed when the token stands anywhere in it, be it
// in a comment.
func checkFiles(r *Result, token *sops.Token) error {
	if token == nil {
		return nil
	}
	var problems generator.Problems
	for _, f := range r.Files {
		if token.In(f.After) {
			problems = append(problems, generator.Problem{File: f.Path, Reason: leaked, Hint: takeAway})
		}
	}
	if change := r.change(subject(r)); len(problems) == 0 && change != nil && token.In([]byte(change.Message)) {
		problems = append(problems, generator.Problem{Field: "the commit's message", Reason: leaked, Hint: takeAway})
	}
	return asError(problems)
}
