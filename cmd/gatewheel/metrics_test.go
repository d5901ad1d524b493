//go:build linux

package main

import "testing"

// testMetrics: /metrics counts requests of all routes, unless it was turned off.
func testMetrics(t *testing.T) {
	c := serve(t, "--admin", "127.0.0.1:0")
	c.get("/status/204")
	for _, part := range []string{
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="204",http_route="GET /status/{parameter...}",network_protocol_version="1.1"} 1`,
		`gatewheel_connections_accepted_total{loop="0"}`, "go_goroutines", "process_cpu_seconds_total", "gatewheel_build_info{",
	} {
		wantAsked(t, 200, part, "GET", adminURL(c)+"/metrics")
	}
	wantAsked(t, 200, `"HTTP/1.1"`, "GET", adminURL(c)+"/snapshot")
	off := serve(t, "--admin", "127.0.0.1:0", "--no-metrics")
	wantAsked(t, 404, "", "GET", adminURL(off)+"/metrics")
}
