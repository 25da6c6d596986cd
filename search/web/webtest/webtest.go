// Package webtest holds answers of a server against the OpenAPI document that
// it gives out, in tests. It knows nothing of what the answers mean.
package webtest

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"shoebox/search/web"
)

// Contract is the OpenAPI document. Its schemas are JSON Schema of 2020-12, as
// those of every OpenAPI 3.1 document.
type Contract struct {
	document any
	compiler *jsonschema.Compiler
}

// New reads the document.
func New(t testing.TB) *Contract {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(web.OpenAPI()))
	if err != nil {
		t.Fatalf("openapi.json: %v", err)
	}
	c := &Contract{document, jsonschema.NewCompiler()}
	c.compiler.AssertFormat()
	c.compiler.AssertContent()
	if err := c.compiler.AddResource("openapi.json", document); err != nil {
		t.Fatal(err)
	}
	return c
}

// at is a part of the document by its keys; references are followed.
func (c *Contract) at(keys ...string) (part any, pointer []string) {
	part = c.document
	for _, key := range keys {
		object, _ := part.(map[string]any)
		part, pointer = object[key], append(pointer, key)
		if object, ok := part.(map[string]any); ok {
			if to, ok := object["$ref"].(string); ok {
				part, pointer = c.at(strings.Split(strings.TrimPrefix(to, "#/"), "/")...)
			}
		}
	}
	return part, pointer
}

// Operations are the documented ones, as patterns of http.ServeMux.
func (c *Contract) Operations() []string {
	var all []string
	paths, _ := c.at("paths")
	for path, item := range paths.(map[string]any) {
		for method := range item.(map[string]any) {
			all = append(all, strings.ToUpper(method)+" "+path)
		}
	}
	return all
}

// path finds the documented path that a request's fits.
func (c *Contract) path(requested string) (string, bool) {
	paths, _ := c.at("paths")
	for path := range paths.(map[string]any) {
		if fits(strings.Split(path, "/"), strings.Split(requested, "/")) {
			return path, true
		}
	}
	return "", false
}

func fits(template, parts []string) bool {
	if len(template) != len(parts) {
		return false
	}
	for i := range template {
		if template[i] != parts[i] && !strings.HasPrefix(template[i], "{") {
			return false
		}
	}
	return true
}

// Check compares an answer with what is documented, or, where nothing is, with
// what a problem looks like.
func (c *Contract) Check(r *http.Response, body []byte) error {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	path, known := c.path(r.Request.URL.Path)
	operation, _ := c.at("paths", path, strings.ToLower(r.Request.Method))
	if !known || operation == nil || r.Request.Method == http.MethodHead {
		if kind == "application/problem+json" {
			return c.CheckSchema("Problem", body)
		}
		return nil
	}
	status := strconv.Itoa(r.StatusCode)
	response, pointer := c.at("paths", path, strings.ToLower(r.Request.Method), "responses", status)
	if response == nil {
		return fmt.Errorf("the status %s is not documented", status)
	}
	content, _ := response.(map[string]any)["content"].(map[string]any)
	switch {
	case content == nil && len(body) > 0 && r.StatusCode < 400:
		return fmt.Errorf("it is documented without a body and has %d bytes", len(body))
	case content == nil:
		return nil
	}
	if _, ok := content[r.Header.Get("Content-Type")]; !ok && content[kind] == nil {
		return fmt.Errorf("the content type %q is not documented", r.Header.Get("Content-Type"))
	}
	if kind == "application/json" || kind == "application/problem+json" {
		return c.validate(body, append(pointer, "content", kind, "schema")...)
	}
	return nil
}

// CheckRequest compares a body with what is documented.
func (c *Contract) CheckRequest(r *http.Request, body []byte) error {
	path, _ := c.path(r.URL.Path)
	schema, _ := c.at("paths", path, strings.ToLower(r.Method), "requestBody", "content", "application/json", "schema")
	if schema == nil {
		return fmt.Errorf("%s %s is not documented with a body", r.Method, r.URL.Path)
	}
	return c.validate(body, "paths", path, strings.ToLower(r.Method), "requestBody", "content", "application/json", "schema")
}

// CheckSchema compares an object with one of the named schemas.
func (c *Contract) CheckSchema(name string, object []byte) error {
	return c.validate(object, "components", "schemas", name)
}

func (c *Contract) validate(body []byte, pointer ...string) error {
	address := "openapi.json#"
	for _, key := range pointer {
		address += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
	}
	schema, err := c.compiler.Compile(strings.NewReplacer("{", "%7B", "}", "%7D").Replace(address))
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the body is no JSON: %w", err)
	}
	return schema.Validate(value)
}

// Transport is http.DefaultTransport, but fails the test when an answer, or
// the JSON of a request that was answered well, is not as documented. Streams
// of events are let through.
func (c *Contract) Transport(t testing.TB) http.RoundTripper { return &transport{c, t} }

type transport struct {
	contract *Contract
	t        testing.TB
}

func (c *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil && r.Header.Get("Content-Type") == "application/json" {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		return response, err
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.Request = r
	if err := c.contract.Check(response, body); err != nil {
		c.t.Errorf("%s %s answers %d, against openapi.json: %v\n%.500s", r.Method, r.URL, response.StatusCode, err, body)
	}
	if sent != nil && response.StatusCode < 300 {
		if err := c.contract.CheckRequest(r, sent); err != nil {
			c.t.Errorf("%s %s took %s, against openapi.json: %v", r.Method, r.URL, sent, err)
		}
	}
	return response, nil
}
