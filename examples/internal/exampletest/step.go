//go:build linux

package exampletest

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Step is a request of a test table and its response.
type Step struct {
	Method, Path, ContentType, Content string
	Status                             int
	// Contains is a part of the response's content.
	Contains string
	// Fields are fields of the response: name, value, name, value.
	Fields []string
	// Send are fields of the request, besides Content-Type.
	Send []string
}

// Run sends the request and checks the response.
func (s Step) Run(t *testing.T, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, s.Method, "http://"+address+s.Path, strings.NewReader(s.Content))
	if err != nil {
		t.Fatal(err)
	}
	if s.ContentType != "" {
		r.Header.Set("Content-Type", s.ContentType)
	}
	for i := 0; i < len(s.Send); i += 2 {
		r.Header.Set(s.Send[i], s.Send[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Errorf("%s %s: %v", s.Method, s.Path, err)
		return
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != s.Status || !strings.Contains(string(content), s.Contains) {
		t.Errorf("%s %s: %s %q, %v; want %d %q", s.Method, s.Path, response.Status, content, err, s.Status, s.Contains)
	}
	for i := 0; i < len(s.Fields); i += 2 {
		if got := response.Header.Get(s.Fields[i]); got != s.Fields[i+1] {
			t.Errorf("%s %s: %s is %q, want %q", s.Method, s.Path, s.Fields[i], got, s.Fields[i+1])
		}
	}
}
