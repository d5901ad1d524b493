package ws

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// fieldsOf reads lines of "Name: value".
func fieldsOf(lines string) (fields []Field) {
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		fields = append(fields, Field{Name: name, Value: value})
	}
	return fields
}

const good = `
	Host: example.org
	upgrade: WebSocket
	connection: keep-alive, Upgrade
	Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
	Sec-WebSocket-Version: 13
	Origin: https://example.org
	Sec-WebSocket-Protocol: chat, superchat
	Sec-WebSocket-Protocol: other
	Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits`

// RFC 6455 section 1.3 gives this key and its answer.
func TestAccept(t *testing.T) {
	if got := accept("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Error(got)
	}
}

func TestUpgrade(t *testing.T) {
	hello, err := ParseUpgrade("GET", 1, fieldsOf(good))
	if err != nil {
		t.Fatal(err)
	}
	if hello.Origin != "https://example.org" || !slices.Equal(hello.Protocols, []string{"chat", "superchat", "other"}) || len(hello.Extensions) != 1 {
		t.Errorf("%+v", hello)
	}
	want := fieldsOf("Upgrade:websocket\nConnection:Upgrade\nSec-WebSocket-Accept:s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\nSec-WebSocket-Protocol:chat\nSec-WebSocket-Extensions:x")
	if got := AnswerFields(&hello, "chat", "x"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Each change to a good handshake, and the status that refuses it.
func TestUpgradeRefusals(t *testing.T) {
	for _, tc := range []struct {
		why, method string
		minor       uint8
		from, to    string
		status      int
	}{
		{"method", "POST", 1, "", "", 405},
		{"HTTP/1.0", "GET", 0, "", "", 426},
		{"other upgrade", "GET", 1, "WebSocket", "h2c", 426},
		{"no connection upgrade", "GET", 1, "keep-alive, Upgrade", "keep-alive", 426},
		{"version 8", "GET", 1, "Version: 13", "Version: 8", 426},
		{"no version", "GET", 1, "Sec-WebSocket-Version", "X", 426},
		{"no key", "GET", 1, "Sec-WebSocket-Key", "X", 400},
		{"short key", "GET", 1, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", 400},
		{"key is not base64", "GET", 1, "dGhl", "!!!!", 400},
		{"two keys", "GET", 1, "Origin: https://example.org", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", 400},
		{"repeated protocol", "GET", 1, "other", "chat", 400},
		{"protocol is not a token", "GET", 1, "superchat", "super/chat", 400},
		{"malformed extension", "GET", 1, "; client", " client", 400},
		{"two origins", "GET", 1, "Host", "Origin", 400},
	} {
		_, err := ParseUpgrade(tc.method, tc.minor, fieldsOf(strings.Replace(good, tc.from, tc.to, 1)))
		var refusal *HandshakeError
		if !errors.As(err, &refusal) || refusal.Status != tc.status {
			t.Errorf("%s: %v, want %d", tc.why, err, tc.status)
		}
		if tc.status == 426 && !slices.Contains(refusal.Fields, versionField) {
			t.Errorf("%s: the version is not named", tc.why)
		}
	}
}

// RFC 8441 section 5: the same without Upgrade, Connection and key.
func TestConnect(t *testing.T) {
	fields := fieldsOf("sec-websocket-version:13\nsec-websocket-protocol: chat\norigin: https://a")
	hello, err := ParseConnect("websocket", fields)
	if err != nil || hello.Key != "" || hello.Origin != "https://a" || len(hello.Protocols) != 1 {
		t.Errorf("%+v %v", hello, err)
	}
	if got := AnswerFields(&hello, "", ""); len(got) != 0 {
		t.Errorf("%q", got)
	}
	// Firefox sends no version when a proxy is in between.
	if _, err := ParseConnect("websocket", fieldsOf("origin: https://a")); err != nil {
		t.Errorf("without a version: %v", err)
	}
	for _, tc := range []struct {
		protocol, fields string
		status           int
	}{
		{"websocket", "sec-websocket-version: 8", 400},
		{"websocket", "sec-websocket-version:", 400},
		{"websocket", "sec-websocket-version: 13\nsec-websocket-version: 13", 400},
		{"connect-udp", "sec-websocket-version: 13", 501},
	} {
		_, err := ParseConnect(tc.protocol, fieldsOf(tc.fields))
		var refusal *HandshakeError
		if !errors.As(err, &refusal) || refusal.Status != tc.status {
			t.Errorf("%s, %q: %v", tc.protocol, tc.fields, err)
		}
	}
}

func TestOrigins(t *testing.T) {
	for _, tc := range []struct {
		origin, authority, patterns string
		want                        bool
	}{
		{"", "example.org", "", true},
		{"https://example.org", "example.org", "", true},
		{"http://Example.org:80", "example.org", "", true},
		{"https://example.org", "example.org:443", "", true},
		{"http://example.org:8080", "example.org:8080", "", true},
		{"http://[::1]:8080", "[::1]:8080", "", true},
		// RFC 3986 section 6.2: the same host in other words.
		{"https://example.org", "Example.ORG.", "", true},
		{"https://example.org.:443", "example.org", "", true},
		{"https://example.org:", "example.org", "", true},
		{"http://[::1]:8080", "[0:0::1]:8080", "", true},
		{"https://app.org.:443", "example.org", "https://app.org", true},
		{"https://a.app.org:443", "example.org", "https://*.app.org.", true},
		{"https://a.app.org:8443", "example.org", "https://*.app.org:8443", true},
		{"https://a.app.org:8443", "example.org", "https://*.app.org", false},
		{"https://a.app.org", "example.org", "https://*.", false},
		{"https://example.org", "example.org:8443", "", false},
		{"https://example.org:8443", "example.org", "", false},
		{"https://evil.org", "example.org", "", false},
		{"https://example.org.evil.org", "example.org", "", false},
		{"https://evilexample.org", "example.org", "", false},
		{"null", "null", "", false},
		{"null", "example.org", "null", true},
		{"https://", "", "", false},
		{"https://evil.org", "example.org", "*", true},
		{"https://app.org", "example.org", "https://other.org https://app.org", true},
		{"HTTPS://App.org", "example.org", "https://app.org", true},
		{"http://app.org", "example.org", "https://app.org", false},
		{"https://a.app.org", "example.org", "https://*.app.org", true},
		{"https://a.b.app.org", "example.org", "https://*.App.org", true},
		{"https://app.org", "example.org", "https://*.app.org", false},
		{"https://.app.org", "example.org", "https://*.app.org", false},
		{"https://evilapp.org", "example.org", "https://*app.org", false},
		{"http://a.app.org", "example.org", "https://*.app.org", false},
	} {
		if got := OriginAllowed(tc.origin, tc.authority, strings.Fields(tc.patterns)); got != tc.want {
			t.Errorf("origin %q at %q, allowed %q: %v", tc.origin, tc.authority, tc.patterns, got)
		}
	}
}
