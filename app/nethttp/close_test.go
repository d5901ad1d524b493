//go:build linux

package nethttp_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// "Connection: close" ends the connection after the response, over HTTP/2 by GOAWAY.
func TestConnectionClose(t *testing.T) {
	for _, mode := range []nethttptest.Mode{nethttptest.H1, nethttptest.H2TLS} {
		s := nethttptest.Start(t, mode, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, r.RemoteAddr)
		})})
		var seen [2]string
		for i := range seen {
			resp, err := s.Client().Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			seen[i] = string(content)
		}
		if seen[0] == seen[1] {
			t.Errorf("mode %v: both requests came from %s", mode, seen[0])
		}
	}
}
