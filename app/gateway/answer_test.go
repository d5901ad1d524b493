package gateway

import (
	"math"
	"testing"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

func TestGRPCTimeouts(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "100m": 100 * time.Millisecond, "5u": 5 * time.Microsecond, "6n": 6,
		"99999999H": math.MaxInt64, "0S": 1,
	} {
		if got, ok := parseGRPCTimeout(value); !ok || got != want {
			t.Errorf("%s: %v, %v; want %v", value, got, ok, want)
		}
	}
	for _, value := range []string{"", "1", "S", "1s", "-1S", "+1S", "1.5S", "123456789S", " 1S", "1 S", "0x1S"} {
		if got, ok := parseGRPCTimeout(value); ok {
			t.Errorf("%q: %v, want none", value, got)
		}
	}
}

func TestContentTypesOfGRPC(t *testing.T) {
	for value, want := range map[string]bool{
		"application/grpc": true, "application/grpc+proto": true, "Application/GRPC; charset=utf-8": true,
		"application/grpc-web": false, "application/grp": false, "": false, "text/plain": false,
	} {
		if got := isGRPC(value); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}

func TestErrorsOfTheGateway(t *testing.T) {
	status := ownPolicy
	status.proxyStatus = true
	for _, c := range []struct {
		reason  Reason
		status  int
		grpc    string
		details string
	}{
		{NoPeer, 503, "14", `gw; error=destination_unavailable; details="no-peer"`},
		{ConnectFail, 502, "14", `gw; error=connection_refused; details="connect-fail"`},
		{ConnectTimeout, 504, "14", `gw; error=connection_timeout; details="connect-timeout"`},
		{UpstreamMalformed, 502, "14", `gw; error=http_protocol_error; details="upstream-malformed"`},
		{HeadTimeout, 504, "14", `gw; error=http_response_timeout; details="head-timeout"`},
		{BodyLimit, 413, "8", `gw; error=http_request_error; details="body-limit"`},
		{Loop, 508, "13", `gw; error=proxy_loop_detected; details="loop"`},
	} {
		resp := status.errorResponse(&refusals[c.reason], false)
		if resp.Status != c.status || resp.Fields.Get("Proxy-Status") != c.details || resp.Fields.Has("Retry-After") != (c.status == 503) {
			t.Errorf("%v: %d\n%s", c.reason, resp.Status, written(resp.Fields))
		}
		// A client of gRPC reads no content: the status is in a head that ends the stream.
		resp = ownPolicy.errorResponse(&refusals[c.reason], true)
		if resp.Status != 200 || resp.Content != nil || resp.Fields.Get("grpc-status") != c.grpc || resp.Fields.Get("Content-Type") != "application/grpc" || resp.Fields.Get("grpc-message") == "" {
			t.Errorf("%v to a client of gRPC: %d\n%s", c.reason, resp.Status, written(resp.Fields))
		}
	}
	if got, want := grpcMessage("50% of \"é\"\n"), `50%25 of "%C3%A9"%0A`; got != want {
		t.Errorf("grpc-message: %s, want %s", got, want)
	}
}

// Every reason has a label of its own; those that the gateway answers for have a status, a text, and an error type of
// RFC 9209.
func TestReasons(t *testing.T) {
	labels := map[string]bool{}
	for _, r := range Reasons() {
		row := reasonTable[r]
		if row.label == "" || labels[row.label] {
			t.Errorf("reason %d has the label %q, which it does not have alone", r, row.label)
		}
		labels[row.label] = true
		if answered := r != OK && r != ClientGone; answered != (row.status >= 400) || answered != (row.text != "") || answered != (row.proxy != "") || answered && row.grpc == 0 {
			t.Errorf("%v: %+v", r, row)
		}
	}
	if Reason(200).String() != "unknown" {
		t.Error("a number that is no reason has the label of one")
	}
}

// What is answered once is answered in the same way to the next one.
func TestRefusalsAreNotChanged(t *testing.T) {
	status := ownPolicy
	status.proxyStatus = true
	for range 2 {
		if got := status.errorResponse(refusedTrace, false).Fields; len(got.Values("Proxy-Status")) != 1 || len(methods) != 1 {
			t.Errorf("fields of a 405:\n%s", written(got))
		}
	}
	if resp := ownPolicy.errorResponse(answeredOptions, false); resp.Status != 204 || resp.Content != app.Content(nil) || resp.Fields.Get("Allow") == "" {
		t.Errorf("OPTIONS: %+v", resp)
	}
}
