//go:build linux

package exampletest

import (
	"strings"
	"testing"
)

const jsonType = "application/json"

// CRUD tests examples/crud, or its twin, at that address.
func CRUD(t *testing.T, address string) {
	t.Helper()
	Open(t, "http://"+address+"/books")
	for _, s := range []Step{
		{"GET", "/books", "", "", 200, "[]", nil, nil},
		{"POST", "/books", jsonType, `{"title":"Emma","pages":474}`, 201, `{"id":1,"title":"Emma","pages":474}`, []string{"Location", "/books/1"}, nil},
		{"GET", "/books/1", "", "", 200, `"title":"Emma"`, []string{"Content-Type", jsonType}, nil},
		{"PUT", "/books/1", jsonType, `{"title":"Emma","pages":500}`, 200, `"pages":500`, nil, nil},
		{"POST", "/books", jsonType, `{"title":"Persuasion","pages":249}`, 201, `"id":2`, nil, nil},
		{"GET", "/books", "", "", 200, `Persuasion`, nil, nil},
		{"GET", "/books?limit=1", "", "", 200, `[{"id":1,"title":"Emma","pages":500}]`, nil, nil},
		{"GET", "/books?limit=all", "", "", 400, "limit", nil, nil},
		{"POST", "/books", jsonType, `{"title":`, 400, "", []string{"Content-Type", "application/problem+json"}, nil},
		{"POST", "/books", jsonType, `{"title":"A"} {}`, 400, "", nil, nil},
		{"POST", "/books", jsonType, `{"title":"A","pages":"many"}`, 422, "pages", nil, nil},
		{"POST", "/books", jsonType, `{"title":"A","author":"B"}`, 422, "author", nil, nil},
		{"POST", "/books", "text/plain", `{"title":"A"}`, 415, "", nil, nil},
		{"POST", "/books", jsonType, `{"title":"` + strings.Repeat("a", 1<<20) + `"}`, 413, "", nil, nil},
		{"PUT", "/books/7", jsonType, `{"title":"A"}`, 404, "no such book", nil, nil},
		{"PATCH", "/books/1", jsonType, `{}`, 405, "", nil, nil},
		{"DELETE", "/books/1", "", "", 204, "", nil, nil},
		{"GET", "/books/1", "", "", 404, "no such book", nil, nil},
		{"GET", "/authors", "", "", 404, "", nil, nil},
	} {
		s.Run(t, address)
	}
}
