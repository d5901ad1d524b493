package h1

import (
	"testing"
)

var (
	getA  = &ClientRequest{Method: "GET", Target: "/", Authority: "a"}
	headA = &ClientRequest{Method: "HEAD", Target: "/", Authority: "a"}
)

// responses are those that are accepted, and what is told of them. Each runs whole, byte by
// byte, and with trailing bytes.
var responses = []struct {
	name    string
	request *ClientRequest
	in      string
	want    []string
	keeps   bool
	eof     bool // the connection ends after in
}{
	{"content of a known length", getA, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello",
		[]string{`final 200 "OK" 1.1 length=5 keeps Content-Length:"5" A:"b"`, "data hello", "end"}, true, false},
	{"no content", getA, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		[]string{`final 200 "OK" 1.1 length=0 keeps Content-Length:"0"`}, true, false},
	{"chunks and trailers", getA, "HTTP/1.1 200 Fine by me\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\nT: 1\r\n\r\n",
		[]string{`final 200 "Fine by me" 1.1 length=-1 keeps Transfer-Encoding:"chunked"`, "data hello!", `end T:"1"`}, true, false},
	{"until the connection ends", getA, "HTTP/1.1 200 OK\r\n\r\nhello",
		[]string{`final 200 "OK" 1.1 length=-1`, "data hello", "end"}, false, true},
	{"until the connection ends, nothing", getA, "HTTP/1.0 200 OK\r\n\r\n",
		[]string{`final 200 "OK" 1.0 length=-1`, "end"}, false, true},
	{"both: the length goes, and the connection", getA, "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
		[]string{`final 200 "OK" 1.1 length=-1 A:"b" Transfer-Encoding:"chunked"`, "data x", "end"}, false, false},
	{"no reason", getA, "HTTP/1.1 204\r\n\r\n", []string{`final 204 "" 1.1 length=0 keeps`}, true, false},
	{"empty reason", getA, "HTTP/1.1 204 \r\n\r\n", []string{`final 204 "" 1.1 length=0 keeps`}, true, false},
	{"reason of bytes above ASCII", getA, "HTTP/1.1 204 \xe4\t b\r\n\r\n", []string{`final 204 "\xe4\t b" 1.1 length=0 keeps`}, true, false},
	{"a status that nobody has registered", getA, "HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
		[]string{`final 999 "No" 1.1 length=0 keeps Content-Length:"0"`}, true, false},
	{"higher minor version", getA, "HTTP/1.7 204 x\r\n\r\n", []string{`final 204 "x" 1.1 length=0 keeps`}, true, false},
	{"HTTP/1.0 closes", getA, "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
		[]string{`final 200 "OK" 1.0 length=1 Content-Length:"1"`, "data x", "end"}, false, false},
	{"HTTP/1.0 keeps", getA, "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
		[]string{`final 200 "OK" 1.0 length=1 keeps Connection:"Keep-Alive" Content-Length:"1"`, "data x", "end"}, true, false},
	{"close", getA, "HTTP/1.1 204 x\r\nConnection: a, close\r\n\r\n", []string{`final 204 "x" 1.1 length=0 Connection:"a, close"`}, false, false},
	{"HEAD", headA, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", []string{`final 200 "OK" 1.1 length=0 stated=5 keeps Content-Length:"5"`}, true, false},
	{"HEAD, chunked", headA, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", []string{`final 200 "OK" 1.1 length=0 keeps Transfer-Encoding:"chunked"`}, true, false},
	{"HEAD, unknown", headA, "HTTP/1.1 200 OK\r\n\r\n", []string{`final 200 "OK" 1.1 length=0 keeps`}, true, false},
	{"304", getA, "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", []string{`final 304 "x" 1.1 length=0 stated=5 keeps Content-Length:"5"`}, true, false},
	{"204 that claims content", getA, "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n", []string{`final 204 "x" 1.1 length=0 Content-Length:"5"`}, false, false},
	{"204 of length 0", getA, "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", []string{`final 204 "x" 1.1 length=0 keeps Content-Length:"0"`}, true, false},
	{"interim responses", getA, "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
		[]string{`interim 103 "Hints" 1.1 length=0 keeps Link:"x"`, `interim 100 "Continue" 1.1 length=0 keeps`, `final 204 "x" 1.1 length=0 keeps`}, true, false},
}

func TestResponses(t *testing.T) {
	for _, test := range responses {
		t.Run(test.name, func(t *testing.T) {
			for _, pieces := range [][]string{{test.in}, bytesOf(test.in)} {
				d := newClientDialogue(t, Limits{}).asks(test.request)
				for _, piece := range pieces {
					d.hear(piece)
				}
				if test.eof {
					d.eof()
				}
				d.tells(test.want...).stands(test.keeps, !test.keeps)
			}
			if test.eof {
				return
			}
			for _, pieces := range [][]string{{test.in + "H"}, bytesOf(test.in + "H")} {
				d := newClientDialogue(t, Limits{}).asks(test.request)
				for _, piece := range pieces {
					d.hear(piece)
				}
				d.tells(append(test.want[:len(test.want):len(test.want)], "h1: "+errUnsolicited.Reason)...).stands(false, true)
				if kind, ok := fault(d.err); !ok || kind != Unsolicited {
					t.Error(d.err)
				}
			}
		})
	}
}

// clientInvariants checks what holds in every state.
func clientInvariants(t *testing.T, name string, d *clientDialogue) {
	t.Helper()
	c := &d.c
	if c.Idle() && (c.Done() || c.ex != nil || c.asking != unasked || c.Wanting()) {
		t.Errorf("%s: idle, but done %v, exchange %v, request %d", name, c.Done(), c.ex != nil, c.asking)
	}
	if c.Done() && (c.ex != nil || c.Wanting()) {
		t.Errorf("%s: done, but an exchange is left", name)
	}
	if c.ex == nil && c.reading != quiet && c.reading != shut && c.reading != switched {
		t.Errorf("%s: reading %d without a request", name, c.reading)
	}
	if (c.asking == unasked || c.asking == asked && c.reading == quiet) && c.ex != nil {
		t.Errorf("%s: an exchange without a request", name)
	}
	if c.Err() == errIllegal {
		t.Errorf("%s: an illegal step", name)
	}
	if len(d.said()) == 0 && c.Wanting() {
		t.Errorf("%s: wanting, but nothing comes", name)
	}
}
