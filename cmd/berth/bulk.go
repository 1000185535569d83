package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-gitops/berth/generator"
	"github.com/berth-gitops/berth/internal/project"
	"github.com/berth-gitops/berth/sops"
)

// credential is one line of --credentials-stdin.
type credential struct {
	Owner    string `json:"owner"`
	Registry string `json:"registry"`
	Username string `json:"username"`
	Token    string `json:"token"`
}

// whose tells credentials apart.
type whose struct{ owner, registry, username string }

// lineToken is the token of a line.
type lineToken struct {
	token sops.Token
	line  int
	used  bool
}

// credentials are the tokens of --credentials-stdin.
type credentials map[whose]*lineToken

// of returns the token for a project, or nil.
func (c credentials) of(p *generator.Project) *sops.Token {
	secret := p.Spec.PullSecret
	if secret == nil {
		return nil
	}
	found := c[whose{p.Spec.Owner, secret.Registry, secret.Username}]
	if found == nil {
		return nil
	}
	found.used = true
	return &found.token
}

// unused returns the lines that no project asked for.
func (c credentials) unused() []int {
	var lines []int
	for _, t := range c {
		if !t.used {
			lines = append(lines, t.line)
		}
	}
	slices.Sort(lines)
	return lines
}

// readCredentials reads JSON lines. What is said of them names the line and never its
// content: in whichever field a token stands by mistake, it is not repeated.
func readCredentials(in io.Reader) (credentials, error) {
	all := credentials{}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxToken)
	var bad []error
	n := 0
	for lines.Scan() {
		n++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var c credential
		decoder := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		decoder.DisallowUnknownFields()
		if decoder.Decode(&c) != nil || decoder.More() {
			bad = append(bad, usagef(`credentials, line %d: not of the form {"owner":…,"registry":…,"username":…,"token":…}`, n))
			continue
		}
		token := sops.NewToken(c.Token)
		key := whose{c.Owner, c.Registry, c.Username}
		switch err := token.Validate(); {
		case err != nil:
			bad = append(bad, usagef("credentials, line %d: %w", n, err))
		case all[key] != nil:
			bad = append(bad, usagef("credentials, line %d: a second token for what line %d names", n, all[key].line))
		default:
			all[key] = &lineToken{token: token, line: n}
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		bad = append(bad, usagef("credentials, line %d: longer than %d bytes", n+1, maxToken))
	} else if err != nil {
		bad = append(bad, usagef("credentials, line %d: %w", n+1, err))
	}
	return all, errors.Join(bad...)
}

// bulkItem is one spec of a folder: where it came from, and what became of it.
type bulkItem struct {
	File   string          `json:"file"`
	Result *project.Result `json:"result,omitempty"`
	Error  *report         `json:"error,omitempty"`
}

// createAll creates the projects of every spec in a folder.
func (g *globals) createAll(ctx context.Context, o *specOptions, pull *pullRequestOptions, args []string) error {
	if len(args) > 0 {
		return usagef("%s is one project, and -f names a folder", args[0]).next("name the project's own file")
	}
	for _, flag := range append(specFlags(), "password-stdin", "password-file") {
		if o.flags.Changed(flag) {
			return usagef("--%s is for one project, and -f names a folder", flag).next("write it into the specs; tokens come by --credentials-stdin")
		}
	}
	var tokens credentials
	if o.credentialsStdin {
		var err error
		if tokens, err = await(ctx, func() (credentials, error) { return readCredentials(o.in) }); err != nil {
			return err
		}
	}
	items, requests, err := o.readFolder(ctx, tokens)
	if err != nil {
		return err
	}
	for _, line := range tokens.unused() {
		g.ui.warn("credentials, line %d: no spec in %s is of this owner, registry and username", line, o.file)
	}
	steps, err := g.steps(ctx)
	if err != nil {
		return err
	}
	if steps.Forge, err = pull.open(g); err != nil {
		return err
	}
	progress := newProgress(g.ui, len(items))
	sent := make([]int, 0, len(items)) // request → item
	for i := range items {
		if items[i].Error == nil {
			sent = append(sent, i)
		} else {
			progress.step()
		}
	}
	steps.CreateAll(ctx, requests, func(request int, result *project.Result, err error) {
		items[sent[request]].Result = result
		items[sent[request]].fail(ctx, writing(err))
		progress.step()
	})
	progress.end()
	return g.tellAll(items)
}

// readFolder reads the specs of a folder in name order. A bad one is an item with an
// error, and no request.
func (o *specOptions) readFolder(ctx context.Context, tokens credentials) ([]bulkItem, []project.Request, error) {
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		found, err := filepath.Glob(filepath.Join(globQuote(o.file), pattern))
		if err != nil {
			return nil, nil, usageError{err: err}
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return nil, nil, usagef("%s: no *.yaml files", o.file)
	}
	slices.Sort(files)
	if err := o.tellSkipped(files); err != nil {
		return nil, nil, err
	}
	items := make([]bulkItem, len(files))
	var requests []project.Request
	byID := map[string]string{}
	for i, file := range files {
		items[i].File = file
		p, err := readProject(ctx, file)
		if err == nil {
			if other := byID[p.Metadata.Name]; other != "" {
				err = generator.Problems{{File: file, Field: "metadata.name", Reason: fmt.Sprintf("%s is in %s, too", p.Metadata.Name, other)}}
			}
		}
		if err != nil {
			items[i].fail(ctx, err)
			continue
		}
		byID[p.Metadata.Name] = file
		requests = append(requests, project.Request{Project: p.Metadata.Name, Overwrite: o.overwrite, Whole: p, Token: tokens.of(p)})
	}
	return items, requests, nil
}

// tellSkipped names what somebody may take for a spec of the folder: the folders in it, and
// names such as shop.YAML.
func (o *specOptions) tellSkipped(read []string) error {
	entries, err := os.ReadDir(o.file)
	if err != nil {
		return usageError{err: err}
	}
	for _, e := range entries {
		name := filepath.Join(o.file, e.Name())
		extension := strings.ToLower(filepath.Ext(name))
		if (e.IsDir() || extension == ".yaml" || extension == ".yml") && !slices.Contains(read, name) {
			o.ui.warn("%s is not read: only *.yaml and *.yml of the folder itself are", name)
		}
	}
	return nil
}

// globQuote takes the meaning from what a folder's name shares with a pattern.
func globQuote(name string) string {
	var quoted []byte
	for _, c := range []byte(name) {
		if bytes.IndexByte([]byte(`*?[\`), c) >= 0 {
			quoted = append(quoted, '\\')
		}
		quoted = append(quoted, c)
	}
	return string(quoted)
}

func readProject(ctx context.Context, file string) (*generator.Project, error) {
	doc, err := readFileAtMost(ctx, file, maxSpec)
	if err != nil {
		return nil, usageError{err: err}
	}
	return parseSpec(file, doc)
}

func (item *bulkItem) fail(ctx context.Context, err error) {
	if err == nil {
		return
	}
	r := explain(ctx, err)
	if errors.Is(err, sops.ErrNoToken) { // the flags of one project's token are refused beside a folder
		r.Hints = []string{"give its owner's token as a line of --credentials-stdin"}
	}
	item.Error = &r
}

// tellAll says what became of each spec; its error holds the exit status if any failed.
func (g *globals) tellAll(items []bulkItem) error {
	changed, failed := 0, 0
	for _, item := range items {
		switch {
		case item.Error != nil:
			failed++
		case item.Result.Changed:
			changed++
		}
	}
	if g.output != "" {
		if err := g.ui.print(items, g.output); err != nil {
			return err
		}
		return bulkStatus(items)
	}
	for _, item := range items {
		if item.Error != nil {
			g.ui.failed("%s", item.File)
			g.ui.report(*item.Error)
		} else {
			g.tellWarnings(item.Result)
			g.tellPullRequest(item.Result.PullRequest)
		}
	}
	conclude := g.ui.done
	if failed > 0 {
		conclude = g.ui.failed
	}
	conclude("%s created or changed, %d as they were, %d failed", count(changed, "project"), len(items)-changed-failed, failed)
	return bulkStatus(items)
}

// bulkStatus is nil when all went well; else the exit status of an interruption before a
// failure, and of a failure before a bad spec.
func bulkStatus(items []bulkItem) error {
	for _, status := range []int{exitInterrupted, exitFailure, exitUsage} {
		if slices.ContainsFunc(items, func(item bulkItem) bool { return item.Error != nil && item.Error.Status == status }) {
			return statusError(status)
		}
	}
	return nil
}
