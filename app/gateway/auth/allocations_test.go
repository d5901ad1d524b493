// The race detector makes sync.Pool forget at random.

//go:build !race

package auth_test

import (
	"testing"

	"github.com/gatewheel/gatewheel/app/apptest"
	"github.com/gatewheel/gatewheel/app/gateway/auth"
)

func TestBasicAllocatesNothing(t *testing.T) {
	b, _ := newBasic(t, auth.BasicOptions{})
	r := apptest.New(auth.Require(b)(seen)).Do(apptest.Get("/", "Authorization", basic("alice", "secret"))).Request
	if n := testing.AllocsPerRun(1000, func() { b.Check(r) }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func TestJWTAllocations(t *testing.T) {
	for want, o := range []auth.JWTOptions{{}, {Claims: map[string]string{"sub": "X-User"}}} {
		j, _ := newJWT(t, o, first)
		call := apptest.New(auth.Require(j)(seen)).Do(apptest.Get("/", "Authorization", "Bearer "+first.sign(t, "RS256", ordinary)))
		fields := call.Request.Fields
		n := testing.AllocsPerRun(1000, func() {
			call.Request.Fields = fields
			j.Check(call.Request)
		})
		if call.Status != 200 || n != float64(want) {
			t.Errorf("%v allocations a request, want %d", n, want)
		}
	}
}
