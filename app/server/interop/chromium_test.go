//go:build linux

package interop

import (
	"slices"
	"testing"

	"github.com/gatewheel/gatewheel/app"
)

// browsed is what testdata/chromium.js reports.
type browsed struct {
	dialogue
	Protocol     string
	Events       []string
	Reconnected  bool
	PageProtocol string
	Transfers    transfers
}

// transfers is what became of fetched content: bytes sent and received, whether both sides have the same, and the
// statuses of content that is too large.
type transfers struct {
	Uploaded, Downloaded int
	Same                 bool
	Refused              []int
}

// A browser opens WebSockets over the connection that it has: over HTTP/1.1 by Upgrade, over HTTP/2 by extended
// CONNECT. Which of the two it was is what the server has counted.
func TestChromium(t *testing.T) {
	executable, node := need(t, "chromium", "chromium"), needNode(t, "playwright-core")
	const opened = 10 + 1 + 1
	for name, c := range map[string]struct {
		protocol     string
		http1, http2 uint64
	}{"cleartext": {"http/1.1", opened, 0}, "TLS": {"h2", 0, opened}} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			origin := "http://" + s.plain
			if name == "TLS" {
				origin = "https://" + s.secure
			}
			var b browsed
			run(t, &b, node, "testdata/chromium.js", executable, t.TempDir(), origin)
			if b.PageProtocol != c.protocol || b.Echoed != 40 || b.Extensions == "" || b.Code != 4000 || b.Reason != "" ||
				b.Protocol != "blocking" || b.Flood != 300 {
				t.Errorf("reported %+v", b)
			}
			if !slices.Equal(b.Events, []string{"1:1", "2:2", "3:3"}) || !b.Reconnected {
				t.Errorf("events %q, connected again: %v", b.Events, b.Reconnected)
			}
			if f := b.Transfers; f.Uploaded != 3<<20 || f.Downloaded != 10<<20 || !f.Same || !slices.Equal(f.Refused, []int{413, 413, 413}) {
				t.Errorf("fetched %+v", f)
			}
			s.sockets(c.http1, c.http2)
			counts := s.Counts()
			protocol, upgrades := app.HTTP11, counts.Responses[app.HTTP11][101]
			if name == "TLS" {
				protocol = app.HTTP2
			}
			if upgrades != c.http1 || counts.Responses[protocol][204] != 1 {
				t.Errorf("counted %v", counts.Responses)
			}
		})
	}
}
