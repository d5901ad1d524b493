package h2

import (
	"fmt"
	"strings"
	"testing"
)

// Malformed requests are stream errors. The connection and its decoder stay usable.
func TestMalformedRequests(t *testing.T) {
	without := func(name string) (list []string) {
		for all := get(); len(all) > 0; all = all[2:] {
			if all[0] != name {
				list = append(list, all[:2]...)
			}
		}
		return list
	}
	with := func(name, value string) (list []string) { return append(without(name), name, value) }
	for _, tt := range []struct {
		name   string
		fields []string
		reason string
	}{
		{"no :method", without(":method"), "a request needs :method, :scheme and :path"},
		{"no :scheme", without(":scheme"), "a request needs :method, :scheme and :path"},
		{"no :path", without(":path"), "a request needs :method, :scheme and :path"},
		{"no authority", without(":authority"), "no authority"},
		{"empty :path", with(":path", ""), "invalid :path"},
		{"relative :path", with(":path", "a"), "invalid :path"},
		{"asterisk for GET", with(":path", "*"), "invalid :path"},
		{"space in :path", with(":path", "/a b"), "invalid :path"},
		{"fragment in :path", with(":path", "/a#b"), "invalid :path"},
		{"invalid :method", with(":method", "G T"), "invalid :method"},
		{"invalid :scheme", with(":scheme", "1"), "invalid :scheme"},
		{"userinfo in :authority", with(":authority", "u@a.example"), "invalid :authority"},
		{":method twice", get(":method", "GET"), "repeated pseudo-field"},
		{":path twice", get(":path", "/"), "repeated pseudo-field"},
		{":status", get(":status", "200"), "unknown pseudo-field"},
		{":unknown", get(":unknown", "x"), "unknown pseudo-field"},
		{":protocol not announced", append([]string{":method", "CONNECT", ":protocol", "websocket"}, get()[2:]...), ":protocol is not allowed here"},
		{"pseudo-field behind a field", append([]string{"x", "y"}, get()...), "pseudo-field behind a regular field"},
		{"CONNECT with :path", []string{":method", "CONNECT", ":authority", "a:1", ":path", "/"}, "CONNECT takes :authority alone"},
		{"CONNECT without :authority", []string{":method", "CONNECT"}, "CONNECT takes :authority alone"},
		{"uppercase name", get("X-A", "y"), "invalid field name"},
		{"space in a name", get("x a", "y"), "invalid field name"},
		{"empty name", get("", "y"), "invalid field name"},
		{"colon in a name", get("x:a", "y"), "invalid field name"},
		{"newline in a value", get("x", "a\nb"), "invalid field value"},
		{"NUL in a value", get("x", "a\x00b"), "invalid field value"},
		{"space before a value", get("x", " a"), "invalid field value"},
		{"tab behind a value", get("x", "a\t"), "invalid field value"},
		{"connection", get("connection", "close"), "connection-specific field"},
		{"keep-alive", get("keep-alive", "1"), "connection-specific field"},
		{"proxy-connection", get("proxy-connection", "close"), "connection-specific field"},
		{"transfer-encoding", get("transfer-encoding", "chunked"), "connection-specific field"},
		{"upgrade", get("upgrade", "h2c"), "connection-specific field"},
		{"te", get("te", "trailers, gzip"), "te has another value than trailers"},
		{"other host", get("host", "b.example"), "host differs from :authority"},
		{"two hosts", get("host", "a.example", "host", "a.example"), "repeated host"},
		{"two hosts, one empty", append(without(":authority"), "host", "", "host", "a.example"), "repeated host"},
		{"empty host with :authority", get("host", ""), "host differs from :authority"},
		{"port that is no number", with(":authority", "a.example:b"), "invalid :authority"},
		{"invalid host", append(without(":authority"), "host", "[::1"), "invalid host"},
		{"content-length not a number", get("content-length", "1x"), "invalid content-length"},
		{"content-length signed", get("content-length", "+1"), "invalid content-length"},
		{"content-lengths differ", get("content-length", "0", "content-length", "1"), "different content-lengths"},
		{"content-length without content", get("content-length", "1"), "content-length without content"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dialogue(t, Config{}, func(p *peer) {
				p.writes(p.headers(1, flagEndStream, tt.fields...), p.get(3))
				p.wantsEvents("Refused 1 PROTOCOL_ERROR: "+tt.reason, "Request 3 GET a.example/ end")
				p.wantsRefusal(1, 400, tt.reason, CodeProtocolError)
			})
		})
	}
}

func TestMalformedTrailers(t *testing.T) {
	for reason, f := range map[string][]string{
		"pseudo-field in trailers":  {":path", "/"},
		"invalid field name":        {"X", "y"},
		"connection-specific field": {"connection", "close"},
		"invalid field value":       {"x", "a\r"},
	} {
		dialogue(t, Config{}, func(p *peer) {
			p.writes(p.post(1), p.headers(1, flagEndStream, f...))
			p.wantsRefusal(1, 400, reason, CodeProtocolError)
			p.wantsEvents("Request 1 POST a.example/", "Reset 1 PROTOCOL_ERROR")
		})
	}
}

func TestContentLength(t *testing.T) {
	for content, fits := range map[string]bool{"": false, "ab": false, "abc": true, "abcd": false} {
		dialogue(t, Config{}, func(p *peer) {
			p.writes(p.headers(1, 0, post("content-length", "3", "content-length", "3")...), dataFrame(1, flagEndStream, content),
				p.headers(3, 0, post("content-length", "3")...), dataFrame(3, 0, content), p.headers(3, flagEndStream, "x", "y"))
			if fits {
				p.wants()
				return
			}
			const reason = "content differs from its content-length"
			p.wants(append(append(append(refusal(1, 400, reason), "RST_STREAM 1 PROTOCOL_ERROR"), refusal(3, 400, reason)...), "RST_STREAM 3 PROTOCOL_ERROR")...)
		})
	}
}

// request feeds one request and returns its head.
func (p *peer) request(fields ...string) Head {
	p.t.Helper()
	var ev Event
	id := p.c.history.last + 2 | 1
	if _, err := p.c.Next([]byte(p.headers(id, flagEndStream, fields...)), &ev); err != nil || ev.Kind != Request {
		p.t.Fatal(err, ev.Kind)
	}
	return ev.Head
}

func TestHead(t *testing.T) {
	p := connect(t, Config{EnableConnectProtocol: true})
	h := p.request(get("cookie", "a=1", "te", "trailers", "cookie", "b=2", "cookie", "c=3", "x", "")...)
	if got := fmt.Sprint(h.Fields); got != "[{cookie a=1; b=2; c=3} {te trailers} {x }]" {
		t.Errorf("fields %s", got)
	}
	if h.Scheme != "http" || h.ContentLength != 0 || h.Urgency != 3 || h.Incremental {
		t.Errorf("%+v", h)
	}
	if h := p.request(":method", "GET", ":scheme", "http", ":path", "/", "host", "h.example"); h.Authority != "h.example" {
		t.Errorf("authority %q", h.Authority)
	}
	if h := p.request(get("host", "A.example:80")...); h.Authority != "a.example" {
		t.Errorf("authority %q", h.Authority)
	}
	if h := p.request(":method", "OPTIONS", ":scheme", "http", ":authority", "a.example", ":path", "*"); h.Path != "*" {
		t.Errorf("path %q", h.Path)
	}
	if h := p.request(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "a", ":path", "/"); h.Protocol != "websocket" {
		t.Errorf("protocol %q", h.Protocol)
	}
}

// Strings of requests stay valid.
func TestTextIsNeverReused(t *testing.T) {
	p := connect(t, Config{})
	var kept []string
	for i := range 300 {
		h := p.request(get("x-request", fmt.Sprintf("%d-%s", i, strings.Repeat("x", i)))...)
		kept = append(kept, h.Fields[0].Value)
		p.answers(p.c.history.last, &hello)
	}
	for i, s := range kept {
		if s != fmt.Sprintf("%d-%s", i, strings.Repeat("x", i)) {
			t.Fatalf("text %d has become %q", i, s)
		}
	}
}

func TestMemoFollowsTheTable(t *testing.T) {
	// Equal blocks are different requests once the table has changed.
	p := connect(t, Config{})
	first := p.headers(1, flagEndStream, get("x", "one")...) // fills the table
	p.writes(first)
	same := p.encode(get("x", "one")...)
	p.writes(frame(frameHeaders, flagEndHeaders|flagEndStream, 3, same), frame(frameHeaders, flagEndHeaders|flagEndStream, 5, same))
	p.wantsEvents("Request 1 GET a.example/ end", "Request 3 GET a.example/ end", "Request 5 GET a.example/ end")
	block := p.encode(":method", "GET", ":scheme", "http", ":authority", "b.example", ":path", "/", "y", "two")
	p.writes(frame(frameHeaders, flagEndHeaders|flagEndStream, 7, block), frame(frameHeaders, flagEndHeaders|flagEndStream, 9, same))
	if got := p.events[1]; got == "Request 9 GET a.example/ end" {
		t.Error("a stale request was repeated")
	}
}

func TestPriorityField(t *testing.T) {
	for value, want := range map[string]priority{
		"":                  {3, false},
		"u=0":               {0, false},
		"u=7, i":            {7, true},
		"i=?1,u=5":          {5, true},
		"i=?0":              {3, false},
		"u=8":               {3, false},
		"u=-1":              {3, false},
		"u=1.0":             {3, false},
		"u=1;p=2, i;q":      {1, true},
		"x=\"a,u=1\", u=2":  {2, false},
		"u=1, u=4":          {4, false},
		"i=1":               {3, false},
		"u":                 {3, false},
		"foo, bar=(1 2), i": {3, true},
	} {
		if p, ok := parsePriority(value); !ok || p != want {
			t.Errorf("%q: %v %v, want %v", value, p, ok, want)
		}
	}
	if _, ok := parsePriority("u=1,,i"); ok {
		t.Error("an empty member is accepted")
	}
}

// On a unix socket an authority that is a path, empty or missing is no host.
func TestRequestsWithoutHost(t *testing.T) {
	for _, tt := range []struct{ authority, host, want string }{
		{"a.example", "", "a.example"},
		{"-", "", ""},
		{"", "", ""},
		{"/run/app.sock", "", ""},
		{"%2Frun%2Fapp.sock", "", ""},
		{"-", "b.example", "b.example"},
		{"-", "/run/app.sock", ""},
		{"/run/app.sock", "b.example", "b.example"},
	} {
		fields := []string{":method", "GET", ":scheme", "http", ":path", "/"}
		if tt.authority != "-" {
			fields = append(fields, ":authority", tt.authority)
		}
		if tt.host != "" {
			fields = append(fields, "host", tt.host)
		}
		p := connect(t, Config{})
		p.c.AllowNoHost()
		if h := p.request(fields...); h.Authority != tt.want {
			t.Errorf("%q and %q give %q", tt.authority, tt.host, h.Authority)
		}
		if tt.want == "" && tt.authority != "%2Frun%2Fapp.sock" { // which is a valid name
			p = connect(t, Config{})
			p.writes(p.headers(1, flagEndStream, fields...))
			if f := p.frames(); len(f) != 3 || !strings.HasPrefix(f[0], "HEADERS 1 :status=400") {
				t.Errorf("%q and %q give %q where hosts are due", tt.authority, tt.host, f)
			}
		}
	}
	p := connect(t, Config{})
	p.c.AllowNoHost()
	p.writes(p.headers(1, flagEndStream, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "u@a"))
	p.wantsRefusal(1, 400, "invalid :authority", CodeProtocolError)
}
