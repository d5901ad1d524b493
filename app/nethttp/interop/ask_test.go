//go:build linux

package interop

import (
	"io"
	"net/http"
	"testing"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// inEachMode runs the test with a site around h in each mode.
func inEachMode(t *testing.T, h http.Handler, test func(t *testing.T, c asker)) {
	for _, mode := range nethttptest.Modes {
		t.Run(string(mode), func(t *testing.T) {
			site := nethttptest.Start(t, mode, &http.Server{Handler: h})
			client := site.Client()
			client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			test(t, asker{t, client, site.URL})
		})
	}
}

// asker asks the server at url.
type asker struct {
	*testing.T
	client *http.Client
	url    string
}

// open sends a request with pairs of field name and value, and returns the response with its content unread.
func (c asker) open(method, path string, content io.Reader, fields ...string) *http.Response {
	c.Helper()
	r, err := http.NewRequestWithContext(c.Context(), method, c.url+path, content)
	if err != nil {
		c.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	response, err := c.client.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { response.Body.Close() })
	return response
}

// get sends a GET and returns the response and its content.
func (c asker) get(path string, fields ...string) (*http.Response, string) {
	c.Helper()
	return c.read(c.open("GET", path, nil, fields...))
}

// read reads the content.
func (c asker) read(response *http.Response) (*http.Response, string) {
	c.Helper()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		c.Errorf("%s: content: %v", response.Request.URL.Path, err)
	}
	return response, string(content)
}

// expect sends a GET, whose response must have the status and content.
func (c asker) expect(path string, status int, content string, fields ...string) *http.Response {
	c.Helper()
	response, got := c.get(path, fields...)
	if response.StatusCode != status || got != content {
		c.Errorf("%s: %d %q, want %d %q", path, response.StatusCode, got, status, content)
	}
	return response
}
