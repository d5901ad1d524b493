//go:build linux

package main

import (
	"regexp"
	"testing"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/app/server"
)

// configured returns the server's configuration for these flags.
func configured(t *testing.T, flags ...string) server.Config {
	t.Helper()
	var c commands
	parser, err := kong.New(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"serve"}, flags...)); err != nil {
		t.Fatal(err)
	}
	config, err := c.Serve.config(zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// testBalance: with --balance two connections use two loops. Without it the kernel chooses, so only the server's
// configuration is compared.
func testBalance(t *testing.T) {
	for flag, want := range map[string]bool{"--balance": false, "--balance=false": true, "--no-balance": true} {
		if got := configured(t, flag).NoBalance; got != want {
			t.Errorf("%s: NoBalance is %v", flag, got)
		}
	}
	c := serve(t, "--loops", "2")
	loops := map[string]bool{}
	for range 2 {
		h := c.http2()
		h.get(1, "/headers")
		loops[regexp.MustCompile(`"loop":\d+`).FindString(h.content(1))] = true
	}
	if len(loops) != 2 {
		t.Errorf("two connections are on %v", loops)
	}
}

// TestCount: /count shows the server's counters.
func TestCount(t *testing.T) {
	c := serve(t)
	c.get("/")
	c.get("/status/404")
	if _, text := c.get("/count"); !regexp.MustCompile(`"200":1\b.*"404":1\b`).MatchString(text) {
		t.Errorf("/count says %s", text)
	}
}
