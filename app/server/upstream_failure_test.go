//go:build linux

package server

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/gatewheel/gatewheel/app/client"
	"github.com/gatewheel/gatewheel/reactor"
)

// A dial that fails for lack of a port or a descriptor says nothing about the server.
func TestDialsWithoutASocket(t *testing.T) {
	for _, c := range []struct {
		stage reactor.DialStage
		err   error
		want  client.Kind
	}{
		{reactor.DialConnect, fmt.Errorf("127.0.0.1:80: %w", unix.EADDRNOTAVAIL), client.NoSocket},
		{reactor.DialDescriptors, unix.EMFILE, client.NoSocket},
		{reactor.DialConnect, unix.ECONNREFUSED, client.ConnectFail},
		{reactor.DialHandshake, unix.ECONNRESET, client.TLSFail},
	} {
		if got := dialKind(&reactor.DialError{Stage: c.stage, Err: c.err}); got != c.want {
			t.Errorf("%v: %v is %v, want %v", c.stage, c.err, got, c.want)
		}
	}
	var l counts
	if kind := int(client.NoSocket); kind >= len(l.upstream.failed) {
		t.Errorf("%v has no counter", client.NoSocket)
	}
}
