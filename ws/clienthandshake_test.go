package ws

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// openBoth makes the opening handshake of a client and a server with those policies, over
// HTTP/1.1 or HTTP/2.
func openBoth(t testing.TB, client, server *DeflatePolicy, http2 bool) (protocol string, atClient, atServer Deflate) {
	t.Helper()
	hello := &Hello{Origin: "https://a", Protocols: []string{"x", "y"}, Extensions: []string{client.Offer()}}
	status, parse := 200, func(fields []Field) (Hello, error) { return ParseConnect("websocket", fields) }
	if !http2 {
		hello.Key = NewKey(new(Shared))
		status, parse = 101, func(fields []Field) (Hello, error) { return ParseUpgrade("GET", 1, fields) }
	}
	offer, err := OfferFields(hello)
	if err != nil {
		t.Fatal(err)
	}
	got, err := parse(offer)
	if err != nil || got.Key != hello.Key || got.Origin != hello.Origin || !slices.Equal(got.Protocols, hello.Protocols) {
		t.Fatalf("server read %+v of %q: %v", got, offer, err)
	}
	atServer, response := server.Answer(got.Extensions)
	answer := AnswerFields(&got, ChooseProtocol(got.Protocols, []string{"y", "z"}), response)
	protocol, atClient, err = CheckAnswer(hello, client, status, answer)
	if err != nil {
		t.Fatalf("client refuses %q: %v", answer, err)
	}
	return protocol, atClient, atServer
}

// A server takes a client's handshake, and the client its answer, with and without
// compression.
func TestHandshakeBothWays(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, policy := range []DeflatePolicy{{}, {Off: true}, {ServerContext: true, ClientContext: true}} {
			protocol, atClient, atServer := openBoth(t, &policy, &DeflatePolicy{ServerContext: true}, http2)
			if protocol != "y" || atClient != atServer || atClient.On == policy.Off {
				t.Errorf("%q %+v %+v", protocol, atClient, atServer)
			}
		}
	}
}

// The fields of both forms of the handshake. RFC 6455 section 4.1, RFC 8441 section 5.1.
func TestOfferFields(t *testing.T) {
	hello := &Hello{Key: "dGhlIHNhbXBsZSBub25jZQ==", Origin: "https://example.org", Protocols: []string{"chat", "superchat"},
		Extensions: []string{(&DeflatePolicy{}).Offer()}}
	const common = "Sec-WebSocket-Version:13 Origin:https://example.org Sec-WebSocket-Protocol:chat,_superchat " +
		"Sec-WebSocket-Extensions:permessage-deflate;_server_no_context_takeover;_client_no_context_takeover;_client_max_window_bits"
	for key, want := range map[string]string{
		hello.Key: "Upgrade:websocket Connection:Upgrade Sec-WebSocket-Key:dGhlIHNhbXBsZSBub25jZQ== " + common,
		"":        common,
	} {
		hello.Key = key
		fields, err := OfferFields(hello)
		var shown []string
		for _, f := range fields {
			shown = append(shown, f.Name+":"+strings.ReplaceAll(f.Value, " ", "_"))
		}
		if got := strings.Join(shown, " "); err != nil || got != want {
			t.Errorf("%v\n got %s\nwant %s", err, got, want)
		}
	}
	if fields, err := OfferFields(&Hello{}); err != nil || len(fields) != 1 {
		t.Errorf("least handshake: %q %v", fields, err)
	}
}

func TestOffersThatMustNotBeSent(t *testing.T) {
	for why, hello := range map[string]Hello{
		"repeated subprotocol":     {Protocols: []string{"a", "b", "a"}},
		"empty subprotocol":        {Protocols: []string{""}},
		"list as a subprotocol":    {Protocols: []string{"a, b"}},
		"line break":               {Protocols: []string{"a\r\nHost: b"}},
		"origin with a line break": {Origin: "https://a\r\nHost: b"},
	} {
		if fields, err := OfferFields(&hello); err != ErrOffer {
			t.Errorf("%s: %q %v", why, fields, err)
		}
	}
}

// RFC 6455 section 4.1: each key is 16 random bytes in base64.
func TestNewKey(t *testing.T) {
	sh := new(Shared)
	seen := make(map[string]bool)
	for range 1000 {
		key := NewKey(sh)
		if raw, err := base64.StdEncoding.DecodeString(key); err != nil || len(raw) != 16 || !validKey(key) || seen[key] {
			t.Fatalf("%q: %v", key, err)
		}
		seen[key] = true
	}
}

// Answers over HTTP/1.1 that a client takes or refuses.
func TestAnswersToUpgrade(t *testing.T) {
	hello := &Hello{Key: "dGhlIHNhbXBsZSBub25jZQ==", Protocols: []string{"chat"}}
	policy := &DeflatePolicy{Off: true}
	const answer = "Upgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n"
	for why, fields := range map[string]string{
		"as in the RFC":   answer,
		"other case":      strings.ToLower(strings.Replace(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "", 1)) + "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
		"Connection list": strings.Replace(answer, "Connection: Upgrade", "Connection: keep-alive, upgrade", 1),
		"subprotocol":     answer + "Sec-WebSocket-Protocol: chat",
		"no extension":    answer + "Sec-WebSocket-Extensions: ",
	} {
		if why == "other case" {
			fields = strings.Replace(fields, "sec-websocket-accept: \n", "", 1)
		}
		if _, _, err := CheckAnswer(hello, policy, 101, fieldsOf(fields)); err != nil {
			t.Errorf("%s: %v", why, err)
		}
	}
	for why, fields := range map[string]string{
		"no Upgrade":                   strings.Replace(answer, "Upgrade: websocket", "X: y", 1),
		"another protocol":             strings.Replace(answer, "Upgrade: websocket", "Upgrade: h2c", 1),
		"another protocol as well":     strings.Replace(answer, "Upgrade: websocket", "Upgrade: h2c, websocket", 1),
		"two Upgrades":                 answer + "Upgrade: h2c",
		"no Connection":                strings.Replace(answer, "Connection", "X", 1),
		"Connection without Upgrade":   strings.Replace(answer, "Connection: Upgrade", "Connection: close", 1),
		"wrong Accept":                 strings.Replace(answer, "s3pP", "S3pP", 1),
		"no Accept":                    strings.Replace(answer, "Sec-WebSocket-Accept", "X", 1),
		"two Accepts":                  answer + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
		"key of another handshake":     strings.Replace(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", accept("AAAAAAAAAAAAAAAAAAAAAA=="), 1),
		"subprotocol not offered":      answer + "Sec-WebSocket-Protocol: Chat",
		"two subprotocols":             answer + "Sec-WebSocket-Protocol: chat\nSec-WebSocket-Protocol: chat",
		"list of subprotocols":         answer + "Sec-WebSocket-Protocol: chat, chat",
		"empty subprotocol":            answer + "Sec-WebSocket-Protocol:",
		"extension that is not wanted": answer + "Sec-WebSocket-Extensions: permessage-deflate",
		"malformed extension":          answer + "Sec-WebSocket-Extensions: ;",
	} {
		checkRefused(t, why, hello, policy, 101, fields)
	}
	for _, status := range []int{100, 200, 301, 401, 426, 500} {
		checkRefused(t, fmt.Sprint("status ", status), hello, policy, status, answer)
	}
}

// Answers over HTTP/2 that a client takes or refuses.
func TestAnswersToConnect(t *testing.T) {
	hello := &Hello{Protocols: []string{"chat"}}
	policy := new(DeflatePolicy)
	for _, status := range []int{200, 201, 299} {
		protocol, ext, err := CheckAnswer(hello, policy, status, fieldsOf("sec-websocket-protocol: chat\n"+
			"sec-websocket-extensions: permessage-deflate; server_no_context_takeover"))
		if err != nil || protocol != "chat" || !ext.On {
			t.Errorf("status %d: %q %+v %v", status, protocol, ext, err)
		}
	}
	for _, status := range []int{101, 300, 403, 501} {
		checkRefused(t, fmt.Sprint("status ", status), hello, policy, status, "date: now")
	}
	checkRefused(t, "subprotocol not offered", hello, policy, 200, "sec-websocket-protocol: other")
	checkRefused(t, "extension not offered", hello, policy, 200, "sec-websocket-extensions: foo")
}

func checkRefused(t *testing.T, why string, hello *Hello, policy *DeflatePolicy, status int, fields string) {
	t.Helper()
	_, _, err := CheckAnswer(hello, policy, status, fieldsOf(fields))
	var refusal *HandshakeError
	if !errors.As(err, &refusal) || refusal.Status != 0 || refusal.Reason == "" {
		t.Errorf("%s: %v", why, err)
	}
}
