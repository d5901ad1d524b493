//go:build linux

package exampletest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// step is a request of a test table and its response.
type step struct {
	method, path, contentType, content string
	status                             int
	contains                           string   // of the content
	fields                             []string // of the response: name, value, name, value
}

const jsonType = "application/json"

// CRUD tests examples/crud, or its twin, at that address.
func CRUD(t *testing.T, address string) {
	t.Helper()
	Open(t, "http://"+address+"/books")
	for _, s := range []step{
		{"GET", "/books", "", "", 200, "[]", nil},
		{"POST", "/books", jsonType, `{"title":"Emma","pages":474}`, 201, `{"id":1,"title":"Emma","pages":474}`, []string{"Location", "/books/1"}},
		{"GET", "/books/1", "", "", 200, `"title":"Emma"`, []string{"Content-Type", jsonType}},
		{"PUT", "/books/1", jsonType, `{"title":"Emma","pages":500}`, 200, `"pages":500`, nil},
		{"POST", "/books", jsonType, `{"title":"Persuasion","pages":249}`, 201, `"id":2`, nil},
		{"GET", "/books", "", "", 200, `Persuasion`, nil},
		{"GET", "/books?limit=1", "", "", 200, `[{"id":1,"title":"Emma","pages":500}]`, nil},
		{"GET", "/books?limit=all", "", "", 400, "limit", nil},
		{"POST", "/books", jsonType, `{"title":`, 400, "", []string{"Content-Type", "application/problem+json"}},
		{"POST", "/books", jsonType, `{"title":"A"} {}`, 400, "", nil},
		{"POST", "/books", jsonType, `{"title":"A","pages":"many"}`, 422, "pages", nil},
		{"POST", "/books", jsonType, `{"title":"A","author":"B"}`, 422, "author", nil},
		{"POST", "/books", "text/plain", `{"title":"A"}`, 415, "", nil},
		{"POST", "/books", jsonType, `{"title":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "", nil},
		{"PUT", "/books/7", jsonType, `{"title":"A"}`, 404, "no such book", nil},
		{"PATCH", "/books/1", jsonType, `{}`, 405, "", nil},
		{"DELETE", "/books/1", "", "", 204, "", nil},
		{"GET", "/books/1", "", "", 404, "no such book", nil},
		{"GET", "/authors", "", "", 404, "", nil},
	} {
		s.run(t, address)
	}
}

// run sends the request and checks the response.
func (s step) run(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, s.method, "http://"+address+s.path, strings.NewReader(s.content))
	if err != nil {
		t.Fatal(err)
	}
	if s.contentType != "" {
		r.Header.Set("Content-Type", s.contentType)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Errorf("%s %s: %v", s.method, s.path, err)
		return
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != s.status || !strings.Contains(string(content), s.contains) {
		t.Errorf("%s %s: %s %q, %v; want %d %q", s.method, s.path, response.Status, content, err, s.status, s.contains)
	}
	for i := 0; i < len(s.fields); i += 2 {
		if got := response.Header.Get(s.fields[i]); got != s.fields[i+1] {
			t.Errorf("%s %s: %s is %q, want %q", s.method, s.path, s.fields[i], got, s.fields[i+1])
		}
	}
}
