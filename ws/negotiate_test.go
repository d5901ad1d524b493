package ws

import (
	"strings"
	"testing"
)

// Offers of a client, the server's answer to each, and what was agreed:
// S and C for contexts that are not kept, and both windows.
func TestDeflateAnswers(t *testing.T) {
	keep := DeflatePolicy{ServerContext: true, ClientContext: true}
	small := DeflatePolicy{ServerContext: true, ClientContext: true, ServerWindowBits: 12, ClientWindowBits: 11}
	const none = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for _, tc := range []struct {
		why    string
		policy DeflatePolicy
		offer  string
		want   string
		ext    Deflate
	}{
		{"default", DeflatePolicy{}, "permessage-deflate", none, Deflate{true, true, true, 15, 15}},
		{"what browsers offer", DeflatePolicy{}, "permessage-deflate; client_max_window_bits", none, Deflate{true, true, true, 15, 15}},
		{"contexts kept", keep, "permessage-deflate", "permessage-deflate", Deflate{true, false, false, 15, 15}},
		{"server context refused", keep, "permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover", Deflate{true, true, false, 15, 15}},
		{"client context given up", keep, "permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover", Deflate{true, false, true, 15, 15}},
		{"server window", keep, "permessage-deflate; server_max_window_bits=9", "permessage-deflate; server_max_window_bits=9", Deflate{true, false, false, 9, 15}},
		{"smallest server window", keep, "permessage-deflate; server_max_window_bits=8", "permessage-deflate; server_max_window_bits=8", Deflate{true, false, false, 8, 15}},
		{"largest server window", keep, "permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=15", Deflate{true, false, false, 15, 15}},
		{"client window", keep, "permessage-deflate; client_max_window_bits=10", "permessage-deflate; client_max_window_bits=10", Deflate{true, false, false, 15, 10}},
		{"smallest client window", keep, "permessage-deflate; client_max_window_bits=8", "permessage-deflate; client_max_window_bits=8", Deflate{true, false, false, 15, 8}},
		{"policy asks for windows", small, "permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=11", Deflate{true, false, false, 12, 11}},
		{"client window not to be asked for", small, "permessage-deflate", "permessage-deflate; server_max_window_bits=12", Deflate{true, false, false, 12, 15}},
		{"smaller of both", small, "permessage-deflate; client_max_window_bits=13; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11", Deflate{true, false, false, 10, 11}},
		{"all four", keep, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=11",
			none + "; server_max_window_bits=10; client_max_window_bits=11", Deflate{true, true, true, 10, 11}},
		{"quoted value", keep, `permessage-deflate; server_max_window_bits="1\0"`, "permessage-deflate; server_max_window_bits=10", Deflate{true, false, false, 10, 15}},
		{"no blanks, other case", keep, "PerMessage-Deflate;client_max_window_bits", "permessage-deflate", Deflate{true, false, false, 15, 15}},
		{"first that is good", keep, "x-webkit-deflate-frame, permessage-deflate; unknown, permessage-deflate; server_max_window_bits=11, permessage-deflate", "permessage-deflate; server_max_window_bits=11", Deflate{true, false, false, 11, 15}},
		{"empty elements", keep, ", permessage-deflate ,, ", "permessage-deflate", Deflate{true, false, false, 15, 15}},
		{"policy off", DeflatePolicy{Off: true}, "permessage-deflate", "", Deflate{}},
		{"nothing offered", keep, "", "", Deflate{}},
		{"other extension", keep, "foo; bar=1", "", Deflate{}},
		{"unknown parameter", keep, "permessage-deflate; foo", "", Deflate{}},
		{"value for a flag", keep, "permessage-deflate; server_no_context_takeover=1", "", Deflate{}},
		{"repeated flag", keep, "permessage-deflate; client_no_context_takeover; client_no_context_takeover", "", Deflate{}},
		{"repeated window", keep, "permessage-deflate; client_max_window_bits; client_max_window_bits=9", "", Deflate{}},
		{"window without value", keep, "permessage-deflate; server_max_window_bits", "", Deflate{}},
		{"window of 7", keep, "permessage-deflate; server_max_window_bits=7", "", Deflate{}},
		{"window of 16", keep, "permessage-deflate; client_max_window_bits=16", "", Deflate{}},
		{"leading zero", keep, "permessage-deflate; client_max_window_bits=09", "", Deflate{}},
		{"huge window", keep, "permessage-deflate; client_max_window_bits=1111111111", "", Deflate{}},
	} {
		ext, got := tc.policy.Answer([]string{tc.offer})
		if got != tc.want || ext != tc.ext {
			t.Errorf("%s: %s\n got %q %+v\nwant %q %+v", tc.why, tc.offer, got, ext, tc.want, tc.ext)
		}
	}
	ext, got := keep.Answer([]string{"foo", "permessage-deflate; server_max_window_bits=9"})
	if !ext.On || got != "permessage-deflate; server_max_window_bits=9" {
		t.Errorf("second field line: %q", got)
	}
}

func TestMalformedExtensions(t *testing.T) {
	for _, value := range []string{"a b", "a;", "a; =1", "a; b=", `a; b="`, `a; b="c d"`, `a; b=""`, `a; b="x\`, "a/b", "=", ";", `"a"`, "a; b c"} {
		if parseExtensions([]string{value}, func(extension) {}) {
			t.Errorf("%q is taken", value)
		}
	}
}

// A client's offer, and answers to it that are good or fail the handshake.
func TestDeflateChecks(t *testing.T) {
	keep := DeflatePolicy{ServerContext: true, ClientContext: true}
	small := DeflatePolicy{ServerContext: true, ClientContext: true, ServerWindowBits: 10, ClientWindowBits: 11}
	for _, tc := range []struct {
		policy DeflatePolicy
		offer  string
		good   map[string]Deflate
		bad    []string
	}{
		{DeflatePolicy{}, "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
			map[string]Deflate{
				"": {},
				"permessage-deflate; server_no_context_takeover":                             {true, true, true, 15, 15},
				"permessage-deflate; server_no_context_takeover; client_max_window_bits=9":   {true, true, true, 15, 9},
				"permessage-deflate; server_no_context_takeover; server_max_window_bits=8":   {true, true, true, 8, 15},
				"permessage-deflate; server_no_context_takeover; client_no_context_takeover": {true, true, true, 15, 15},
			},
			[]string{"permessage-deflate", "foo", "permessage-deflate; foo", "permessage-deflate; server_no_context_takeover, foo",
				"permessage-deflate; server_no_context_takeover; client_max_window_bits", "permessage-deflate; server_max_window_bits=16", "a b"}},
		{keep, "permessage-deflate; client_max_window_bits",
			map[string]Deflate{
				"permessage-deflate": {true, false, false, 15, 15},
				"permessage-deflate; client_no_context_takeover; client_max_window_bits=8": {true, false, true, 15, 8},
			}, []string{"permessage-deflate, permessage-deflate"}},
		{small, "permessage-deflate; server_max_window_bits=10; client_max_window_bits=11",
			map[string]Deflate{
				"permessage-deflate; server_max_window_bits=10":                           {true, false, false, 10, 11},
				"permessage-deflate; server_max_window_bits=9; client_max_window_bits=11": {true, false, false, 9, 11},
				"permessage-deflate; server_max_window_bits=9; client_max_window_bits=8":  {true, false, false, 9, 8},
			}, []string{"permessage-deflate", "permessage-deflate; server_max_window_bits=11",
				"permessage-deflate; server_max_window_bits=10; client_max_window_bits=12",
				"permessage-deflate; server_max_window_bits=10; client_max_window_bits=15"}},
		{DeflatePolicy{Off: true}, "", map[string]Deflate{"": {}}, []string{"permessage-deflate"}},
	} {
		if got := tc.policy.Offer(); got != tc.offer {
			t.Errorf("offer %q, want %q", got, tc.offer)
		}
		for answer, want := range tc.good {
			if got, err := tc.policy.Check([]string{answer}); err != nil || got != want {
				t.Errorf("%q: %+v %v, want %+v", answer, got, err, want)
			}
		}
		for _, answer := range tc.bad {
			if got, err := tc.policy.Check([]string{answer}); err == nil {
				t.Errorf("%q is taken for %+v", answer, got)
			}
		}
	}
}

// Every pair of policies agrees on something that both understand alike, and
// that either policy wants.
func TestPoliciesAgree(t *testing.T) {
	var policies []DeflatePolicy
	for contexts := range 4 {
		for _, bits := range []uint8{0, 8, 9, 13, 15, 200} {
			policies = append(policies, DeflatePolicy{ServerContext: contexts&1 != 0, ClientContext: contexts&2 != 0, ServerWindowBits: bits, ClientWindowBits: bits})
		}
	}
	for _, client := range policies {
		for _, server := range policies {
			atServer, response := server.Answer([]string{client.Offer()})
			atClient, err := client.Check([]string{response})
			if err != nil || atServer != atClient {
				t.Fatalf("client %+v, server %+v: %q: %+v and %+v: %v", client, server, response, atServer, atClient, err)
			}
			if atServer.ServerNoContext != (!client.ServerContext || !server.ServerContext) ||
				atServer.ClientNoContext != (!client.ClientContext || !server.ClientContext) ||
				atServer.ServerWindowBits != min(windowBits(client.ServerWindowBits), windowBits(server.ServerWindowBits)) ||
				atServer.ClientWindowBits != min(windowBits(client.ClientWindowBits), windowBits(server.ClientWindowBits)) {
				t.Fatalf("client %+v, server %+v: agreed on %+v", client, server, atServer)
			}
			if strings.Contains(response, "=8") {
				t.Fatalf("%q asks for what zlib cannot", response)
			}
		}
	}
}
