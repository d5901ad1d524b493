//go:build linux

package interop

import (
	"slices"
	"testing"

	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/gateway"
)

// eachGateway runs a test with a gateway in front of the server, over HTTP/1.1 and HTTP/2 between them.
func eachGateway(t *testing.T, test func(t *testing.T, front *site)) {
	for _, scheme := range []string{"http", "h2c"} {
		t.Run(scheme, func(t *testing.T) {
			behind := serve(t)
			b, err := gateway.NewBackend(client.OriginOptions{}, scheme+"://"+behind.plain)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(b.Close)
			test(t, serveHandler(t, gateway.To(b, gateway.Options{})))
		})
	}
}

// TestChromiumThroughAGateway: what TestChromium wants, WebSockets over HTTP/2 to servers of both protocols included. The
// server refuses uploads while they are sent.
func TestChromiumThroughAGateway(t *testing.T) {
	executable, node := need(t, "chromium", "chromium"), needNode(t, "playwright-core")
	eachGateway(t, func(t *testing.T, front *site) {
		var b browsed
		run(t, &b, node, "testdata/chromium.js", executable, t.TempDir(), "https://"+front.secure)
		if b.PageProtocol != "h2" || b.Echoed != 40 || b.Extensions == "" || b.Code != 4000 || b.Protocol != "blocking" || b.Flood != 300 {
			t.Errorf("reported %+v", b)
		}
		if !slices.Equal(b.Events, []string{"1:1", "2:2", "3:3"}) || !b.Reconnected {
			t.Errorf("events %q, connected again: %v", b.Events, b.Reconnected)
		}
		if f := b.Transfers; f.Uploaded != 3<<20 || f.Downloaded != 10<<20 || !f.Same || !slices.Equal(f.Refused, []int{413, 413, 413}) {
			t.Errorf("fetched %+v", f)
		}
	})
}

// TestSocketsThroughAGateway: compression, subprotocols and closing handshakes are those of the two ends.
func TestSocketsThroughAGateway(t *testing.T) {
	node, python := needNode(t, "ws"), needPython(t)
	eachGateway(t, func(t *testing.T, front *site) {
		for _, url := range []string{"ws://" + front.plain, "wss://" + front.secure} {
			for _, mode := range []string{"plain", "packed"} {
				var d dialogue
				run(t, &d, node, "testdata/node.js", url, mode)
				d.check(t, mode == "packed")
				d = dialogue{}
				run(t, &d, python, "testdata/client.py", url, mode)
				d.check(t, mode == "packed")
			}
		}
	})
}
