//go:build linux

package main

import (
	"net/http"
	"testing"
)

func testStallWarn(t *testing.T) {
	c := serve(t, "--allow-stall", "--stall-warn", "20ms", "--stall-timeout", "0")
	if status, _ := c.get("/stall/500ms"); status != http.StatusOK {
		t.Errorf("answered %d", status)
	}
	c.logs("/stall/500ms")
}

// testStallTimeout: the loop continues with all connections but the one whose handler blocks it.
func testStallTimeout(t *testing.T) {
	c := serve(t, "--allow-stall", "--stall-timeout", "150ms", "--loops", "1")
	other := c.dial()
	send(t, other, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	wantStatus(t, other, http.StatusOK)
	blamed := c.dial()
	send(t, blamed, "GET /stall/10m HTTP/1.1\r\nHost: x\r\n\r\n")
	if got := rest(t, blamed); got != "" {
		t.Errorf("the blamed connection got %q", got)
	}
	send(t, other, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	wantStatus(t, other, http.StatusOK)
}

func testStallRestarts(t *testing.T) {
	c := serve(t, "--allow-stall", "--stall-timeout", "100ms", "--stall-restarts", "1", "--loops", "1")
	for range 2 {
		blamed := c.dial()
		send(t, blamed, "GET /stall/10m HTTP/1.1\r\nHost: x\r\n\r\n")
		rest(t, blamed)
	}
	if code := c.exit(); code != exitStalled {
		t.Errorf("exit %d", code)
	}
}
