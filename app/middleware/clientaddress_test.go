package middleware_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/middleware"
)

func whoAsks(r *app.Request) app.Answer {
	c := r.Client()
	return app.Ready(app.Text(200, fmt.Sprint(c.Addr.Addr(), " ", c.Scheme, " ", c.Host)))
}

func TestClientAddress(t *testing.T) {
	ignored := 0
	trust := forwarded.TrustNetworks(netip.MustParsePrefix("10.0.0.0/8"))
	trust.OnIgnored = func(forwarded.Client, string) { ignored++ }
	other := forwarded.TrustNetworks(netip.MustParsePrefix("192.0.2.0/24"))
	for _, c := range []struct {
		trust, servers *forwarded.Trust
		peer, want     string
	}{
		{trust, nil, "10.0.0.1:1", "203.0.113.7 https shop.example"},
		{trust, nil, "192.0.2.1:1", "192.0.2.1 http example.com"},
		{trust, other, "192.0.2.1:1", "192.0.2.1 http example.com"},
		{trust, other, "10.0.0.1:1", "203.0.113.7 https shop.example"},
		{nil, trust, "10.0.0.1:1", "10.0.0.1 http example.com"},
	} {
		r := apptest.Get("/", "X-Forwarded-For", "203.0.113.7", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop.example")
		r.Conn = &app.ConnInfo{Peer: netip.MustParseAddrPort(c.peer), Trust: c.servers}
		apptest.New(middleware.ClientAddress(c.trust)(whoAsks)).Do(r).Want(t, 200, c.want)
	}
	if ignored != 2 {
		t.Errorf("%d requests of strangers were reported, want 2", ignored)
	}
}

func ExampleClientAddress() {
	behindProxies := middleware.ClientAddress(forwarded.TrustNetworks(netip.MustParsePrefix("192.0.2.0/24")))

	call := apptest.New(behindProxies(whoAsks)).Do(apptest.Get("/", "X-Forwarded-For", "203.0.113.7"))
	fmt.Println(string(call.Content))
	// Output: 203.0.113.7 http example.com
}
