package h1

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// What is written of a request. Each is understood by the server role.
func TestRequests(t *testing.T) {
	fields := []Field{{"A", "b"}, {"cookie", "c=d; e=f"}, {"Empty", ""}}
	for _, test := range []struct {
		name    string
		request ClientRequest
		want    string
	}{
		{"GET", ClientRequest{Method: "GET", Target: "/a?b", Authority: "example.org:80", Fields: fields},
			"GET /a?b HTTP/1.1\nHost: example.org:80\nA: b\ncookie: c=d; e=f\nEmpty: \n\n"},
		{"no authority", ClientRequest{Method: "GET", Target: "/"}, "GET / HTTP/1.1\nHost: \n\n"},
		{"a whole server", ClientRequest{Method: "OPTIONS", Target: "*", Authority: "a"}, "OPTIONS * HTTP/1.1\nHost: a\n\n"},
		{"absolute-form", ClientRequest{Method: "GET", Target: "http://a:1/b", Authority: "a:1"}, "GET http://a:1/b HTTP/1.1\nHost: a:1\n\n"},
		{"CONNECT", *connectA, "CONNECT a:1 HTTP/1.1\nHost: a:1\n\n"},
		{"POST without content", ClientRequest{Method: "POST", Target: "/", Authority: "a"}, "POST / HTTP/1.1\nHost: a\nContent-Length: 0\n\n"},
		{"PUT without content", ClientRequest{Method: "PUT", Target: "/", Authority: "a", Expect: true}, "PUT / HTTP/1.1\nHost: a\nContent-Length: 0\n\n"},
		{"PATCH without content", ClientRequest{Method: "PATCH", Target: "/", Authority: "a", Source: pieces(), Length: 0},
			"PATCH / HTTP/1.1\nHost: a\nContent-Length: 0\n\n"},
		{"DELETE without content", ClientRequest{Method: "DELETE", Target: "/", Authority: "a", Bytes: []byte{}}, "DELETE / HTTP/1.1\nHost: a\n\n"},
		{"bytes", *postA, "POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhello"},
		{"GET with content", ClientRequest{Method: "GET", Target: "/", Authority: "a", Bytes: []byte("x")}, "GET / HTTP/1.1\nHost: a\nContent-Length: 1\n\nx"},
		{"a source of known length", ClientRequest{Method: "PUT", Target: "/", Authority: "a", Source: pieces("ab", "c"), Length: 3},
			"PUT / HTTP/1.1\nHost: a\nContent-Length: 3\n\nabc"},
		{"a source, in chunks", ClientRequest{Method: "PUT", Target: "/", Authority: "a", Source: pieces("ab", "c"), Length: -1},
			"PUT / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n"},
		{"trailers", ClientRequest{Method: "PUT", Target: "/", Authority: "a", Fields: []Field{{"Trailer", "T"}}, Length: -1,
			Source: &feed{pieces: []string{"a"}, trailers: []Field{{"T", "1"}, {"Content-Length", "7"}, {"Host", "b"}}}},
			"PUT / HTTP/1.1\nHost: a\nTrailer: T\nTransfer-Encoding: chunked\n\n1\na\n0\nT: 1\n\n"},
		{"framing and the connection are the machine's", ClientRequest{Method: "POST", Target: "/", Authority: "a", Bytes: []byte("hi"), Fields: []Field{
			{"Host", "b"}, {"Content-Length", "7"}, {"TRANSFER-ENCODING", "chunked"}, {"Connection", "x"}, {"Keep-Alive", "5"},
			{"Proxy-Connection", "close"}, {"TE", "gzip"}, {"upgrade", "h2c"}, {"Expect", "tea"}, {"X", "y"}}},
			"POST / HTTP/1.1\nHost: a\nX: y\nContent-Length: 2\n\nhi"},
		{"options", ClientRequest{Method: "GET", Target: "/", Authority: "a", Close: true, Trailers: true, Upgrade: "websocket"},
			"GET / HTTP/1.1\nHost: a\nTE: trailers\nUpgrade: websocket\nConnection: close, TE, upgrade\n\n"},
		{"trailers are welcome", ClientRequest{Method: "GET", Target: "/", Authority: "a", Trailers: true},
			"GET / HTTP/1.1\nHost: a\nTE: trailers\nConnection: TE\n\n"},
		{"a protocol with a version", ClientRequest{Method: "GET", Target: "/", Authority: "a", Upgrade: "tea/2"},
			"GET / HTTP/1.1\nHost: a\nUpgrade: tea/2\nConnection: upgrade\n\n"},
		{"expectation", ClientRequest{Method: "POST", Target: "/", Authority: "a", Expect: true, Bytes: []byte("x")},
			"POST / HTTP/1.1\nHost: a\nContent-Length: 1\nExpect: 100-continue\n\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newClientDialogue(t, Limits{})
			if err := d.c.Request(&test.request); err != nil {
				t.Fatal(err)
			}
			d.checks(false, false)
			if !d.c.Wanting() || d.c.Sent() {
				t.Errorf("wanting %v, sent %v", d.c.Wanting(), d.c.Sent())
			}
			if err := d.c.Request(getA); err != ErrBusy && !(err == ErrClosed && test.request.Close) {
				t.Errorf("a second request: %v", err)
			}
			out := d.said()
			if want := strings.ReplaceAll(test.want, "\n", "\r\n"); out != want {
				t.Errorf("the machine says\n%q, want\n%q", out, want)
			}
			if !d.c.Sent() || d.c.Received() {
				t.Errorf("sent %v, received %v", d.c.Sent(), d.c.Received())
			}
			server := newDialogue(t, Limits{})
			server.app = silent
			if server.hear(out); server.err != nil || server.c.Pending() != 1 {
				t.Errorf("the server role: %v, %d requests", server.err, server.c.Pending())
			}
		})
	}
}

// Text that could end a line, a token or a target early is refused where it is written, and
// nothing is queued.
func TestInvalidRequests(t *testing.T) {
	request := func(change func(r *ClientRequest)) *ClientRequest {
		r := &ClientRequest{Method: "GET", Target: "/", Authority: "a"}
		change(r)
		return r
	}
	type cases = map[string]func(*ClientRequest)
	list := map[error]cases{ErrMethod: {}, ErrTarget: {}, ErrAuthority: {}, ErrField: {}, ErrContent: {}}
	for _, text := range []string{"", "GET ", " GET", "G T", "GET\r\n", "GET\x00", "G\nT", "G(T", "G\xff", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET", strings.Repeat("M", 65)} {
		list[ErrMethod][text] = func(r *ClientRequest) { r.Method = text }
	}
	for _, text := range []string{"", " ", "/ ", "/a b", "/\r", "/\n", "/\r\nX: y", "/\x00", "/\x7f", "/#a", "/\xc3\xa9", "/\t", "a", "*", "a:1",
		"/ HTTP/1.1\r\nHost: b\r\n\r\nGET /", "http:/a", "//\x0b"} {
		list[ErrTarget][text] = func(r *ClientRequest) { r.Target = text }
	}
	for _, text := range []string{"a b", "a\r\n", "a\r\nX: y", "a\x00", "u@a", "a/b", "a:b", "a:65536", ":80", "[::1", "a\n", "a#", "\xc3\xa9", " a"} {
		list[ErrAuthority][text] = func(r *ClientRequest) { r.Authority = text }
	}
	list[ErrAuthority]["another than the target's"] = func(r *ClientRequest) { r.Target = "http://b/" }
	list[ErrAuthority]["another than CONNECT's"] = func(r *ClientRequest) { r.Method, r.Target = "CONNECT", "b:1" }
	list[ErrTarget]["CONNECT in origin-form"] = func(r *ClientRequest) { r.Method = "CONNECT" }
	for _, text := range []string{"a\r\nX: y", "a\n", "a\r", "a\x00", "a\x0b", "a\x7f", "0123456789abcdef\n"} {
		list[ErrField]["value "+text] = func(r *ClientRequest) { r.Fields = []Field{{"A", "b"}, {"X", text}} }
		list[ErrField]["own value "+text] = func(r *ClientRequest) { r.Fields = []Field{{"Connection", text}} }
		list[ErrField]["protocol "+text] = func(r *ClientRequest) { r.Upgrade = text }
	}
	for _, text := range []string{"", "X ", "X:", " X", "X\n", "X\r\nY", "X\x00", "X(", "\xff"} {
		list[ErrField]["name "+text] = func(r *ClientRequest) { r.Fields = []Field{{text, "a"}} }
	}
	for _, text := range []string{"a b", "a,b", "a/b/c", "/a", "a;b"} {
		list[ErrField]["protocol "+text] = func(r *ClientRequest) { r.Upgrade = text }
	}
	list[ErrContent]["CONNECT"] = func(r *ClientRequest) { *r = *connectA; r.Bytes = []byte("x") }
	list[ErrContent]["TRACE"] = func(r *ClientRequest) { r.Method, r.Source, r.Length = "TRACE", pieces("x"), -1 }
	for want, cases := range list {
		for name, change := range cases {
			d := newClientDialogue(t, Limits{})
			if err := d.c.Request(request(change)); !errors.Is(err, want) {
				t.Errorf("%q: %v, want %v", name, err, want)
			}
			d.says("").checks(true, false).asks(getA).hear(okEmpty).checks(true, false)
		}
	}
}

// A source that does not keep its word breaks the request off: the server sees that it is
// incomplete, and the connection is to be closed.
func TestBrokenRequestSources(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		name   string
		source Source
		length int64
		want   string
		err    error
	}{
		{"too short", pieces("ab"), 3, "Content-Length: 3\n\nab", ErrLength},
		{"too long at once", pieces("abcd"), 3, "Content-Length: 3\n\n", ErrLength},
		{"too long later", pieces("abc", "d"), 3, "Content-Length: 3\n\nab", ErrLength},
		{"too long much later", pieces("abc", "", "d"), 3, "Content-Length: 3\n\nab", ErrLength},
		{"an error in place of the end", &feed{pieces: []string{"abc", ""}, err: broken}, 3, "Content-Length: 3\n\nab", broken},
		{"an error", &feed{pieces: []string{"ab"}, err: broken}, 3, "Content-Length: 3\n\nab", broken},
		{"an error in chunks", &feed{pieces: []string{"ab", "", "cd"}, err: broken}, -1, "Transfer-Encoding: chunked\n\n2\nab\n", broken},
		{"an invalid trailer", &feed{pieces: []string{"ab", ""}, trailers: []Field{{"A", "\n"}}}, -1, "Transfer-Encoding: chunked\n\n2\nab\n", ErrField},
		{"an impossible count", sourceFunc(func(p []byte) (int, error) { return len(p) + 1, nil }), 3, "Content-Length: 3\n\n", errRead},
	} {
		d := newClientDialogue(t, Limits{})
		if err := d.c.Request(&ClientRequest{Method: "PUT", Target: "/", Authority: "a", Source: test.source, Length: test.length}); err != nil {
			t.Fatal(err)
		}
		out := d.said()
		d.c.Resume()
		out += d.said()
		want := strings.ReplaceAll("PUT / HTTP/1.1\nHost: a\n"+test.want, "\n", "\r\n")
		if out != want || !errors.Is(d.c.Err(), test.err) {
			t.Errorf("%s: %q, %v", test.name, out, d.c.Err())
		}
		d.checks(false, true).hear(okEmpty).tells()
		server := newDialogue(t, Limits{})
		server.app = silent
		server.hear(out)
		if err := server.c.EOF(); err == nil {
			t.Errorf("%s: the server takes the request for complete", test.name)
		}
	}
}

// The last byte waits for the end of the source.
func TestLastByteWaits(t *testing.T) {
	for _, source := range []*feed{pieces("ab", "c", ""), pieces("a", "", "bc", ""), pieces("abc", "", "")} {
		d := newClientDialogue(t, Limits{})
		if err := d.c.Request(&ClientRequest{Method: "PUT", Target: "/", Authority: "a", Source: source, Length: 3}); err != nil {
			t.Fatal(err)
		}
		out := d.said()
		for i := 0; i < 3 && !strings.HasSuffix(out, "c"); i++ {
			if d.c.Wanting() {
				t.Errorf("wanting at %q", out)
			}
			d.c.Resume()
			out += d.said()
		}
		if want := "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"; out != want {
			t.Errorf("%q", out)
		}
		d.hear(okEmpty).checks(true, false)
	}
}

// A source may do with its connection what it likes from inside Read.
func TestRequestSourceActsFromInside(t *testing.T) {
	for name, act := range map[string]func(c *Client){
		"abort":   (*Client).Abort,
		"stop":    (*Client).StopSending,
		"drain":   (*Client).Drain,
		"release": (*Client).Release,
		"resume":  (*Client).Resume,
		"ask":     func(c *Client) { _ = c.Request(getA) },
		"eof":     func(c *Client) { _ = c.EOF() },
		"hear": func(c *Client) {
			var ev ClientEvent
			_, _ = c.Next([]byte(okEmpty), &ev)
		},
		"stop and ask another": func(c *Client) {
			sh := c.sh
			c.Release()
			var other Client
			other.Init(sh)
			_ = other.Request(postA)
		},
	} {
		for _, length := range []int64{-1, 2} {
			d := newClientDialogue(t, Limits{})
			given := 0
			source := sourceFunc(func(p []byte) (int, error) {
				act(&d.c)
				if given++; given > 2 {
					return 0, io.EOF
				}
				return copy(p, "x"), nil
			})
			d.asks(&ClientRequest{Method: "PUT", Target: "/", Authority: "a", Source: source, Length: length})
			clientInvariants(t, name, d)
		}
	}
}

// Whatever the room, the same bytes leave, and not much more than the room at a time.
func TestRoomOfAClient(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 20000)
	for _, request := range []func() *ClientRequest{
		func() *ClientRequest { return &ClientRequest{Bytes: []byte(long)} },
		func() *ClientRequest { return &ClientRequest{Source: pieces(long), Length: int64(len(long))} },
		func() *ClientRequest { return &ClientRequest{Source: pieces(long), Length: -1} },
		func() *ClientRequest {
			return &ClientRequest{Source: &fileSource{content: long}, Length: int64(len(long))}
		},
	} {
		for _, room := range []int{1, 100, 4096, 65536, 1 << 20} {
			d := newClientDialogue(t, Limits{})
			r := request()
			r.Method, r.Target, r.Authority = "PUT", "/", "a"
			if err := d.c.Request(r); err != nil {
				t.Fatal(err)
			}
			var out, turn []byte
			for {
				turn = d.c.Transmit(turn[:0], room)
				if len(turn) == 0 {
					break
				}
				if len(turn) > room+leastRead+100 {
					t.Fatalf("%d bytes for a room of %d", len(turn), room)
				}
				out = append(out, turn...)
			}
			got := ""
			server := newDialogue(t, Limits{})
			server.app = func(s *dialogue) {
				if s.ev.Kind == Data {
					got += string(s.ev.Data)
				}
			}
			if server.hear(string(out)); got != long {
				t.Errorf("room %d: content of %d bytes", room, len(got))
			}
			d.hear(okEmpty).checks(true, false)
		}
	}
}
