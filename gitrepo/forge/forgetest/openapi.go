package forgetest

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

//go:embed testdata/api.github.com.json
var githubDescription []byte

// description is an OpenAPI description that requests and answers are held to.
type description struct{ doc *openapi3.T }

func loadDescription(t testing.TB) *description {
	t.Helper()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(githubDescription)
	if err != nil {
		t.Fatalf("GitHub's description: %v", err)
	}
	// GitHub's own examples break a few of its schemas; those that are used
	// here are mended where they are used.
	if err := doc.Validate(loader.Context, openapi3.DisableExamplesValidation()); err != nil {
		t.Fatalf("GitHub's description: %v", err)
	}
	return &description{doc: doc}
}

// operation finds an operation by the description's own path.
func (d *description) operation(method, path string) (*routers.Route, error) {
	item := d.doc.Paths.Value(path)
	if item == nil || item.GetOperation(method) == nil {
		return nil, fmt.Errorf("GitHub has no %s %s", method, path)
	}
	return &routers.Route{Spec: d.doc, Path: path, PathItem: item, Method: method, Operation: item.GetOperation(method)}, nil
}

// checked is a request that was found to be right.
type checked struct {
	input *openapi3filter.RequestValidationInput
}

func (d *description) request(r *http.Request, route *routers.Route, body map[string]any) (*checked, error) {
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: map[string]string{}, Route: route,
		Options: &openapi3filter.Options{MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	allowed := map[string]bool{}
	for _, p := range route.Operation.Parameters {
		switch p.Value.In {
		case "path":
			in.PathParams[p.Value.Name] = r.PathValue(p.Value.Name)
		case "query":
			allowed[p.Value.Name] = true
		}
	}
	for name := range r.URL.Query() {
		if !allowed[name] {
			return nil, fmt.Errorf("there is no query parameter %s", name)
		}
	}
	if err := knownFields(route.Operation.RequestBody, body); err != nil {
		return nil, err
	}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
		return nil, err
	}
	return &checked{in}, nil
}

// knownFields finds a misspelt field, which GitHub's schemas would let pass.
func knownFields(ref *openapi3.RequestBodyRef, body map[string]any) error {
	if len(body) == 0 {
		return nil
	}
	if ref == nil {
		return fmt.Errorf("this operation takes no body")
	}
	media := ref.Value.Content.Get("application/json")
	if media == nil {
		return fmt.Errorf("this operation takes no JSON")
	}
	known := map[string]bool{}
	for _, s := range append(openapi3.SchemaRefs{media.Schema}, media.Schema.Value.OneOf...) {
		for name := range s.Value.Properties {
			known[name] = true
		}
	}
	for name := range body {
		if !known[name] {
			return fmt.Errorf("the body has no field %s", name)
		}
	}
	return nil
}

// response holds an answer to the description. A status that the description
// does not name is let through: it names few of GitHub's refusals.
func (c *checked) response(got *httptest.ResponseRecorder) error {
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: c.input, Status: got.Code, Header: got.Header(),
		Body:    io.NopCloser(bytes.NewReader(got.Body.Bytes())),
		Options: c.input.Options,
	})
}

// example is a copy of one of the description's examples.
func (d *description) example(name string) any {
	ref := d.doc.Components.Examples[name]
	if ref == nil {
		panic("GitHub's description has no example " + name)
	}
	return clone(ref.Value.Value)
}
