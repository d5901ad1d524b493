//go:build linux

package server_test

import (
	"testing"

	"github.com/gatewheel/gatewheel/app"
	kinds "github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/app/spi"
)

func TestUpstreamRefused(t *testing.T) {
	b := scripted(t)
	b.Close()
	a := queries(t)
	d := a.begin(&spi.Dial{Address: b.address(), Protocol: app.HTTP11})
	failure, ok := d.end().(*kinds.Error)
	if !ok || failure.Kind != kinds.ConnectFail || !failure.Safe || failure.Sent {
		t.Errorf("ended with %#v", failure)
	}
}
