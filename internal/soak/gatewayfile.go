//go:build linux

package soak

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// gatewayFile returns the gateway's file of a generation. The shares of the three ways to the application vary, so that
// each reload moves requests between backends, and every other generation has a further route and backend.
func gatewayFile(e *environment, generation int, r *rand.Rand) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	share := func() int { return 10 + r.IntN(40) }
	backend := func(name, url, more string) {
		line("  %s: {peers: %q, idle: %v, connect: 30s%s}", name, url, upstreamIdle, more)
	}
	plain, h2c := "http://"+e.serve.plain, "h2c://"+e.serve.plain

	line("routes:")
	line("  /: {to: {h1: %d, h2: %d, tls: %d}, timeout: %v}", share(), share(), share(), patience)
	line("  /ws: {to: {h1: 50, h2: 50}}")
	line("  /stall/: {to: stall, retry: 0}")
	line("  /soak.Echo/: {to: grpc, timeout: %v}", patience)
	line(`  /generation: {respond: {status: 200, body: "generation %d\n"}}`, generation)
	if generation%2 == 1 {
		line("  /extra: extra")
	}
	line("backends:")
	backend("h1", plain, "")
	backend("h2", h2c, "")
	backend("tls", "https://"+e.serve.secure, fmt.Sprintf(", tls: {ca: %q, name: %q}", e.authority.path("ca.pem"), serverName))
	backend("stall", plain, ", eject: off")
	backend("grpc", "h2c://"+e.grpcAddress, "")
	if generation%2 == 1 {
		backend("extra", h2c, "")
	}
	return b.String()
}

// brokenGatewayFile names a backend that does not exist.
const brokenGatewayFile = "routes:\n  /: nowhere\nbackends: {}\n"
