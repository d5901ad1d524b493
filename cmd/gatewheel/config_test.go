//go:build linux

package main

import (
	"fmt"
	"testing"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"
)

// testTrustProxy looks at what the server is given: who a client is behind a proxy is shown by the
// tests of the packages that read the fields.
func testTrustProxy(t *testing.T) {
	var c commands
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"serve", "--trust-proxy", "10.0.0.0/8", "--trust-proxy", "192.0.2.1", "--trust-proxy", "2001:db8::/32"}); err != nil {
		t.Fatal(err)
	}
	config, err := c.Serve.config(zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(config.TrustedProxies); got != "[10.0.0.0/8 192.0.2.1/32 2001:db8::/32]" {
		t.Errorf("trusted networks are %s", got)
	}
}
