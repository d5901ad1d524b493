//go:build linux

package gateway_test

import (
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/gateway/file"
)

// The tests of the Kubernetes Gateway API that show only with servers: what they expect of responses, copies, times,
// protocols and tries. See gatewayapi_test.go.

// echoServer answers as that of the conformance tests does, whose response has the fields that X-Echo-Set-Header names,
// and which waits for the parameter delay.
func echoServer(name string) app.Handler {
	return func(r *app.Request) app.Answer {
		resp := app.Text(200, r.Protocol).With("X-Server", name)
		for text := range strings.SplitSeq(r.Fields.Get("X-Echo-Set-Header"), ",") {
			if name, value, ok := strings.Cut(text, ":"); ok {
				resp.Fields.Add(name, value)
			}
		}
		delay, err := time.ParseDuration(strings.TrimPrefix(r.RawQuery, "delay="))
		if err != nil {
			return app.Ready(resp)
		}
		return app.Map(app.Sleep(r, delay), func(app.Done) (*app.Response, error) { return resp, nil })
	}
}

func TestGatewayAPIResponseHeaderModifier(t *testing.T) {
	url, _ := open(t, `
routes:
  /set: {to: v1, response: {set: {X-Header-Set: set-overwrites-values}}}
  /add: {to: v1, response: {add: {X-Header-Add: add-appends-values}}}
  /remove: {to: v1, response: {remove: [X-Header-Remove]}}
  /multiple: {to: v1, response: {set: {X-Header-Set-1: header-set-1, X-Header-Set-2: header-set-2},
    add: {X-Header-Add-1: header-add-1, X-Header-Add-2: header-add-2, X-Header-Add-3: header-add-3}, remove: [X-Header-Remove-1, X-Header-Remove-2]}}
  /case-insensitivity: {to: v1, response: {set: {X-Header-Set: header-set}, add: {X-Header-Add: header-add}, remove: [X-Header-Remove]}}
backends: {v1: SERVER}
`, map[string]app.Handler{"SERVER": echoServer("v1")})
	for _, s := range []struct {
		path, sent string
		want       []string // "-Name" must be absent
	}{
		{"/set", "Some-Other-Header:val", []string{"Some-Other-Header: val", "X-Header-Set: set-overwrites-values"}},
		{"/set", "Some-Other-Header:val,X-Header-Set:some-other-value", []string{"Some-Other-Header: val", "X-Header-Set: set-overwrites-values"}},
		{"/add", "Some-Other-Header:val", []string{"Some-Other-Header: val", "X-Header-Add: add-appends-values"}},
		{"/add", "X-Header-Add:some-other-value", []string{"X-Header-Add: some-other-value,add-appends-values"}},
		{"/remove", "X-Header-Remove:val", []string{"-X-Header-Remove"}},
		{"/multiple", "X-Header-Set-2:set-val-2,X-Header-Add-2:add-val-2,X-Header-Remove-2:remove-val-2,Another-Header:another-header-val",
			[]string{"X-Header-Set-1: header-set-1", "X-Header-Set-2: header-set-2", "X-Header-Add-1: header-add-1", "X-Header-Add-2: add-val-2,header-add-2",
				"X-Header-Add-3: header-add-3", "Another-Header: another-header-val", "-X-Header-Remove-1", "-X-Header-Remove-2"}},
		{"/case-insensitivity", "x-header-set:original-val-set,x-header-add:original-val-add,x-header-remove:original-val-remove,Another-Header:another-header-val",
			[]string{"X-Header-Set: header-set", "X-Header-Add: original-val-add,header-add", "Another-Header: another-header-val", "-X-Header-Remove"}},
	} {
		for _, http2 := range []bool{false, true} {
			resp, _ := ask(t, clientOf(t, http2), "GET", url+s.path, "", "X-Echo-Set-Header", s.sent)
			for _, want := range s.want {
				name, value, found := strings.Cut(want, ": ")
				if got := strings.Join(resp.Header.Values(strings.TrimPrefix(name, "-")), ","); got != value || found == strings.HasPrefix(name, "-") {
					t.Errorf("HTTP/2 %v: %s with %s: %s is %q, want %q", http2, s.path, s.sent, name, got, value)
				}
			}
		}
	}
}

// timeouts.request is timeout, and timeouts.backendRequest is try-timeout.
func TestGatewayAPITimeouts(t *testing.T) {
	url, _ := open(t, "routes: {/request-timeout: {to: v1, timeout: 500ms}, /disable-request-timeout: v1, /backend-timeout: {to: v1, try-timeout: 500ms, retry: 0}}\nbackends: {v1: SERVER}\n",
		map[string]app.Handler{"SERVER": echoServer("v1")})
	for target, want := range map[string]int{
		"/request-timeout": 200, "/request-timeout?delay=1h": 504, "/disable-request-timeout?delay=1s": 200,
		"/backend-timeout": 200, "/backend-timeout?delay=1h": 504,
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			if resp, _ := ask(t, clientOf(t, true), "GET", url+target, ""); resp.StatusCode != want {
				t.Errorf("status %d, want %d", resp.StatusCode, want)
			}
		})
	}
}

// One mirror, two, and those of a share of the requests: 20, 50 and 35 % within 5 %, with the fields changed.
func TestGatewayAPIMirrors(t *testing.T) {
	var copies [2]atomic.Int32
	var faults atomic.Int32
	mirror := func(n *atomic.Int32) app.Handler {
		return func(r *app.Request) app.Answer {
			n.Add(1)
			if r.Method != "GET" || strings.HasSuffix(r.RawPath, "headers") && (r.Fields.Has("X-Header-Remove") || r.Fields.Get("X-Header-Add") != "header-val-1" ||
				r.Fields.Joined("X-Header-Add-Append") != "append-val-1, header-val-2" || r.Fields.Get("X-Header-Set") != "set-overwrites-values") {
				faults.Add(1)
			}
			return app.Ready(app.Error(500, "dropped"))
		}
	}
	url, g := open(t, `
routes:
  /mirror: {to: v1, mirror: v2}
  /multi-mirror: {to: v1, mirror: {v2: 100%, v3: 100%}}
  /multi-mirror-and-modify-request-headers: &modified {to: v1, mirror: {v2: 100%, v3: 100%}, request: {set: {X-Header-Set: set-overwrites-values},
    add: {X-Header-Add: header-val-1, X-Header-Add-Append: header-val-2}, remove: [X-Header-Remove]}}
  /percent-mirror: {to: v1, mirror: {v2: 20%}}
  /percent-mirror-fraction: {to: v1, mirror: {v2: 50%}}
  /percent-mirror-and-modify-headers: {<<: *modified, mirror: {v2: 35%}}
backends: {v1: ONE, v2: TWO, v3: THREE}
`, map[string]app.Handler{"ONE": echoServer("v1"), "TWO": mirror(&copies[0]), "THREE": mirror(&copies[1])})
	c := clientOf(t, true)
	for _, s := range []struct {
		path   string
		asked  int
		shares [2]float64
	}{
		{"/mirror", 20, [2]float64{1, 0}},
		{"/multi-mirror", 20, [2]float64{1, 1}},
		{"/multi-mirror-and-modify-request-headers", 20, [2]float64{1, 1}},
		{"/percent-mirror", 2000, [2]float64{0.2, 0}},
		{"/percent-mirror-fraction", 2000, [2]float64{0.5, 0}},
		{"/percent-mirror-and-modify-headers", 2000, [2]float64{0.35, 0}},
	} {
		before := [2]int32{copies[0].Load(), copies[1].Load()}
		for n := range s.asked {
			resp, _ := ask(t, c, "GET", url+s.path, "", "X-Header-Remove", "remove-val", "X-Header-Add-Append", "append-val-1")
			if resp.StatusCode != 200 || resp.Header.Get("X-Server") != "v1" {
				t.Fatalf("%s: status %d from %q", s.path, resp.StatusCode, resp.Header.Get("X-Server"))
			}
			if n%100 == 99 {
				eventually(t, "the copies end", func() bool { m := g.Counts().Mirrors; return m.Sent == m.Failed })
			}
		}
		eventually(t, "the copies end", func() bool { m := g.Counts().Mirrors; return m.Sent == m.Failed })
		for i, share := range s.shares {
			got := float64(copies[i].Load()-before[i]) / float64(s.asked)
			// Shares of 2000 requests have a deviation of about 1 %.
			if (share == 0 || share == 1) && got != share || math.Abs(got-share) > 0.05 {
				t.Errorf("%s: v%d got copies of %.3f of the requests, want %.2f", s.path, i+2, got, share)
			}
		}
	}
	if n := faults.Load(); n > 0 {
		t.Errorf("%d copies differ from what they should be", n)
	}
	if m := g.Counts().Mirrors; m.Skipped > 0 {
		t.Errorf("%d copies were not made", m.Skipped)
	}
}

// A server that is named with kubernetes.io/h2c or kubernetes.io/ws is one with h2c:// or http:// here.
func TestGatewayAPIBackendProtocols(t *testing.T) {
	for scheme, protocol := range map[string]string{"h2c": app.HTTP2, "http": app.HTTP11} {
		url, _ := openOver(t, scheme, "routes: {/: a, /ws/: sockets}\nbackends: {a: SERVER, sockets: SOCKETS}\n",
			map[string]app.Handler{"SERVER": echoServer("v1"), "SOCKETS": sockets})
		for _, http2 := range []bool{false, true} {
			if resp, content := ask(t, clientOf(t, http2), "GET", url, ""); resp.StatusCode != 200 || content != protocol {
				t.Errorf("%s: status %d, and the server saw %s", scheme, resp.StatusCode, content)
			}
			w := openTunnel(t, strings.TrimPrefix(url, "http://"), "/ws/", http2)
			if want := map[bool]int{false: http.StatusSwitchingProtocols, true: http.StatusOK}[http2]; w.status != want {
				t.Errorf("%s: a WebSocket: status %d, want %d", scheme, w.status, want)
			}
		}
	}
}

// retry.attempts and retry.codes: a server fails so many times, and then answers with 200.
func TestGatewayAPIRetry(t *testing.T) {
	for i, s := range []struct {
		retry            string
		status, failures int32
		want             int
	}{
		{"{tries: 3, on: [500]}", 500, 2, 200},
		{"{tries: 3, on: [500]}", 500, 4, 500},
		{"{tries: 3, on: [500]}", 503, 2, 503},
		{"{tries: 2, on: [500, 502, 503, 504]}", 500, 1, 200},
		{"{tries: 2, on: [500, 502, 503, 504]}", 500, 3, 500},
		{"{tries: 2, on: [500, 502, 503, 504]}", 502, 1, 200},
		{"{tries: 2, on: [500, 502, 503, 504]}", 502, 3, 502},
		{"{tries: 2, on: [500, 502, 503, 504]}", 503, 1, 200},
		{"{tries: 2, on: [500, 502, 503, 504]}", 503, 3, 503},
		{"{tries: 2, on: [500, 502, 503, 504]}", 504, 1, 200},
		{"{tries: 2, on: [500, 502, 503, 504]}", 504, 3, 504},
	} {
		var n atomic.Int32
		url, _ := open(t, "routes: {/: {to: a, retry: "+s.retry+"}}\nbackends: {a: FAILS}\n", map[string]app.Handler{
			"FAILS": counted(&n, func(n int32) int {
				if n <= s.failures {
					return int(s.status)
				}
				return 200
			})})
		if resp, _ := ask(t, clientOf(t, false), "GET", url, ""); resp.StatusCode != s.want {
			t.Errorf("case %d: status %d after %d requests, want %d", i, resp.StatusCode, n.Load(), s.want)
		}
	}
}

// The Gateway API wants 500 for rules whose backends do not exist or have no weight. Here they are mistakes of the file,
// which is not taken.
func TestGatewayAPIWithoutBackends(t *testing.T) {
	for _, text := range []string{
		"routes: {/: missing}\nbackends: {}\n",
		"routes: {/: {to: {a: 0}}}\nbackends: {a: http://h}\n",
		"routes: {/: {to: []}}\nbackends: {}\n",
	} {
		if _, err := file.Parse("f.yaml", []byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
