//go:build linux

package accesslog

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/app"
	"github.com/gatewheel/gatewheel/app/forwarded"
	"github.com/gatewheel/gatewheel/app/server"
	"github.com/gatewheel/gatewheel/app/spi"
)

func TestFormats(t *testing.T) {
	for format, want := range map[string]string{
		"common":   `192.0.2.7 - alice [28/Nov/2026:21:30:05 +0000] "GET /a%20b?q=1 HTTP/2.0" 200 13`,
		"combined": `192.0.2.7 - alice [28/Nov/2026:21:30:05 +0000] "GET /a%20b?q=1 HTTP/2.0" 200 13 "https://example.org/" "curl/8.0"`,
		"tiny":     `GET /a%20b?q=1 200 13 1.234`,

		"%a %{c}a %A %h %l":                             "192.0.2.7 192.0.2.7 198.51.100.1 192.0.2.7 -",
		"%p %{local}p %{canonical}p %{remote}p":         "8443 8443 8443 5000",
		"%b %B %I %O":                                   "13 13 180 250",
		"%d %D %T %{s}T %{ms}T %{us}T":                  "1.234 1234567 1 1 1234 1234567",
		"%H %m %U %q %v %X":                             "HTTP/2.0 GET /a%20b ?q=1 example.org +",
		"%s %>s %<s %%":                                 "200 200 200 %",
		"%{Accept}i %{X}i \"%{accept}i\"":               `text/html,\x20text/plain - "text/html, text/plain"`,
		"%{content-type}o %{theme}C %{b}C %{c}C":        "text/plain dark two -",
		"%200{Accept-X}i %!200{user-agent}i %200,304>s": "- - 200",
		"%404{user-agent}i %!404,500{user-agent}i":      "- curl/8.0",

		"%{%Y-%m-%dT%H:%M:%S%z}t":                                        "2026-11-28T21:30:05+0000",
		"%{begin:sec}t %{sec}t %{msec}t %{usec}t":                        "1795901405 1795901405 1795901405123 1795901405123456",
		"%{end:%T}t %{end:msec_frac}t %{usec_frac}t %{begin:usec_frac}t": "21:30:06 358 123456 123456",
		"%{%d/%b/%y %I %p %j %u %V %%}t":                                 "28/Nov/26 09 PM 332 6 48 %",

		"%{conn}x %{stream}x %{conn_requests}x %{loop}x":          "42 7 3 1",
		"%{tls_version}x %{tls_cipher}x %{sni}x %{alpn}x":         "TLSv1.3 TLS_AES_128_GCM_SHA256 example.org h2",
		"%{tls_resumed}x %{client}x %{peer}x %{route}x":           `true 192.0.2.7 192.0.2.7:5000 GET\x20/{name}`,
		"%{end}x %{event}x %{reason}x %{status}x":                 "-- - - 200",
		"%{backend}x %{backend_peer}x %{backend_tries}x":          "users 10.0.0.1:80 2",
		"%{time_head}x %{time_wait}x %{time_first_byte}x":         "0.001000 0.002000 0.002500",
		"%{time_total}x %{time_backend_head}x %{backend_reason}x": "1.234567 0.003000 ok",
	} {
		r, rec := sample()
		if got := string(mustCompile(t, format).Append(nil, r, rec)); got != want+"\n" {
			t.Errorf("%s\ngives %swant  %s", format, got, want)
		}
	}
}

// TestRefusedHead: what was not understood is missing, and so is what a connection without TLS and gateway lacks.
func TestRefusedHead(t *testing.T) {
	r := &app.Request{Arrived: arrival}
	spi.Bind(r, nil, &app.ConnInfo{PeerName: "@"})
	rec := &server.Record{Status: 400, End: spi.Termination{By: spi.EndedByMalformed, In: spi.PhaseHead}, Reason: "h1-malformed",
		Conn: &server.ConnRecord{PeerName: "@", KeepAlive: '-'}}
	for format, want := range map[string]string{
		"combined": `@ - - [28/Nov/2026:21:30:05 +0000] "-" 400 - "-" "-"`,
		"%{end}x %{reason}x %{peer}x %A %p %{remote}p %{c}a":      "MQ h1-malformed @ - - - @",
		"%{stream}x %{sni}x %{tls_resumed}x %{backend}x %v %U%q.": "- - - - - -.",
		"logfmt": "time=2026-11-28T21:30:05.123456Z client=@ peer=@ status=400 end=MQ reason=h1-malformed content_in=0 " +
			"content_out=0 received=0 sent=0 time_head=0.000000 time_total=0.000000 loop=0 conn=0 conn_requests=0",
	} {
		if got := string(mustCompile(t, format).Append(nil, r, rec)); got != want+"\n" {
			t.Errorf("%s\ngives %swant  %s", format, got, want)
		}
	}
}

func TestJSONHasNumbersAndFlags(t *testing.T) {
	r, rec := sample()
	var got map[string]any
	if err := json.Unmarshal(mustCompile(t, "json").Append(nil, r, rec), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"time": "2026-11-28T21:30:05.123456Z", "status": 200.0, "time_total": 1.234567, "tls_resumed": true, "user": "alice",
		"target": "/a%20b?q=1", "backend_tries": 2.0, "end": "--", "event": nil,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

// TestTrustedProxy: the client is the one that a trusted proxy names, the peer that of the connection.
func TestTrustedProxy(t *testing.T) {
	r, rec := sample()
	r.Fields.Add("X-Forwarded-For", "203.0.113.9")
	spi.Bind(r, nil, &app.ConnInfo{Peer: rec.Conn.Peer, Trust: &forwarded.Trust{Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}})
	if got := string(mustCompile(t, "%a %h %{c}a %{client}x %{peer}x").Append(nil, r, rec)); got != "203.0.113.9 203.0.113.9 192.0.2.7 203.0.113.9 192.0.2.7:5000\n" {
		t.Errorf("the line is %q", got)
	}
}

// TestMistakes: a mistake is refused with its column and what may have been meant.
func TestMistakes(t *testing.T) {
	for format, c := range map[string]struct {
		column int
		says   string
	}{
		"combind":                  {1, `did you mean "combined"?`},
		"":                         {1, "has no atom"},
		"no atoms":                 {1, "common, json"},
		"%h %":                     {4, "letter of an atom is missing"},
		"%h %{Referer}":            {4, "letter of an atom is missing"},
		"%h %{Referer":             {5, "brace is not closed"},
		"ä %h %y":                  {6, "unknown atom %y"},
		"%h %M":                    {4, "did you mean %{ms}T?"},
		"%k":                       {1, "%{conn_requests}x"},
		"%S":                       {1, "%I and %O"},
		"%(h)s":                    {1, "in place of %(h)s"},
		"%{end}z":                  {1, "did you mean %{end}x?"},
		"%{tls_versoin}x":          {3, `did you mean "tls_version"?`},
		"%{nothing like it}x":      {3, "unknown name"},
		"%i":                       {1, "needs an argument"},
		"%{x}m":                    {1, "takes no argument"},
		"%{a b}i":                  {3, "no name of a field"},
		"%{Ms}T":                   {3, "ms"},
		"%{far}p":                  {3, "canonical"},
		"%20s":                     {2, "three digits"},
		"%200,s":                   {6, "three digits"},
		"%!s":                      {3, "three digits"},
		"%200!304s":                {5, "second list"},
		"%h\n%m":                   {3, "control character"},
		"%{}t":                     {3, "empty"},
		"%{%Y-%Q}t":                {6, "%Q"},
		"%{end:%Q}t":               {7, "%Q"},
		"%{seconds}t":              {3, "sec, msec"},
		"%{%Y%}t":                  {5, "missing"},
		strings.Repeat("%h", 3000): {4097, "4096 bytes"},
	} {
		_, err := Compile(format)
		mistake, ok := errors.AsType[*FormatError](err)
		if !ok || mistake.Column != c.column || !strings.Contains(mistake.Reason, c.says) {
			t.Errorf("%.40q: %v, want column %d, %q", format, err, c.column, c.says)
		}
	}
}

func TestSkips(t *testing.T) {
	s, err := parseSkips([]string{"/healthz", "/static/*", "/a/*/b/*.js", "304", "2xx"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path   string
		status int
		want   bool
	}{
		{"/healthz", 500, true}, {"/healthz/x", 500, false}, {"/static/", 404, true}, {"/static", 404, false},
		{"/a/x/b/y.js", 404, true}, {"/a/b/y.js", 404, false}, {"/", 304, true}, {"/", 301, false}, {"/", 204, true}, {"", 0, false},
	} {
		if got := s.matches(c.path, c.status); got != c.want {
			t.Errorf("%s with %d: %v", c.path, c.status, got)
		}
	}
	for _, wrong := range []string{"", "healthz", "2x", "600", "6xx", "20x", "/a?b"} {
		if _, err := parseSkips([]string{wrong}); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
}
