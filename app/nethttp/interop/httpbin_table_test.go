//go:build linux

package interop

import (
	"strings"
	"testing"

	"github.com/mccutchen/go-httpbin/v2/httpbin"
)

// TestGoHTTPBinEndpoints: endpoints of go-httpbin answer in each mode.
func TestGoHTTPBinEndpoints(t *testing.T) {
	inEachMode(t, httpbin.New().Handler(), func(t *testing.T, c asker) {
		for path, status := range map[string]int{
			"/get?a=b": 200, "/status/418": 418, "/redirect/1": 302, "/stream/3": 200, "/stream-bytes/1000?seed=1": 200,
			"/drip?numbytes=5&duration=50ms": 200, "/range/100": 200, "/basic-auth/u/p": 401, "/cookies/set?a=b": 302,
			"/deflate": 200, "/gzip": 200, "/image/png": 200, "/sse?count=2&duration=10ms": 200, "/trailers?X-End=1": 200,
			"/etag/x": 200, "/cache": 200, "/unstable?failure_rate=1": 500, "/absent": 404,
		} {
			response, content := c.get(path)
			if response.StatusCode != status {
				t.Errorf("%s: %s, want %d\n%s", path, response.Status, status, content)
			}
			if path == "/trailers?X-End=1" && response.Trailer.Get("X-End") != "1" {
				t.Errorf("trailers %v", response.Trailer)
			}
		}
		response, content := c.read(c.open("POST", "/post", strings.NewReader("a=b"), "Content-Type", "application/x-www-form-urlencoded"))
		if response.StatusCode != 200 || !strings.Contains(content, `"a": [`) {
			t.Errorf("post: %s %s", response.Status, content)
		}
	})
}
