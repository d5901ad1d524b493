package h1

import (
	"testing"
)

var (
	getA  = &ClientRequest{Method: "GET", Target: "/", Authority: "a"}
	headA = &ClientRequest{Method: "HEAD", Target: "/", Authority: "a"}
)

// responses are those that are accepted, and the events for them. Each runs whole, byte by
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
				d.tells(test.want...).checks(test.keeps, !test.keeps)
			}
			if test.eof {
				return
			}
			for _, pieces := range [][]string{{test.in + "H"}, bytesOf(test.in + "H")} {
				d := newClientDialogue(t, Limits{}).asks(test.request)
				for _, piece := range pieces {
					d.hear(piece)
				}
				d.tells(append(test.want[:len(test.want):len(test.want)], "h1: "+errUnsolicited.Reason)...).checks(false, true)
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
	if c.Idle() && (c.Done() || c.ex != nil || c.requesting != noRequest || c.Wanting()) {
		t.Errorf("%s: idle, but done %v, exchange %v, request %d", name, c.Done(), c.ex != nil, c.requesting)
	}
	if c.Done() && (c.ex != nil || c.Wanting()) {
		t.Errorf("%s: done, but an exchange is left", name)
	}
	if c.ex == nil && c.reading != noResponse && c.reading != shut && c.reading != switched {
		t.Errorf("%s: reading %d without a request", name, c.reading)
	}
	if (c.requesting == noRequest || c.requesting == requestSent && c.reading == noResponse) && c.ex != nil {
		t.Errorf("%s: an exchange without a request", name)
	}
	if c.Err() == errIllegal {
		t.Errorf("%s: an illegal step", name)
	}
	if len(d.said()) == 0 && c.Wanting() {
		t.Errorf("%s: wanting, but nothing comes", name)
	}
}

func TestReuse(t *testing.T) {
	d := newClientDialogue(t, Limits{}).checks(true, false)
	for range 3 {
		d.asks(getA).checks(false, false).hear(okLine+"Content-Length: 2\r\n\r\nok").checks(true, false)
		d.tells(`final 200 "OK" 1.1 length=2 keeps Content-Length:"2"`, "data ok", "end")
	}
	// The server's FIN on an idle connection.
	d.eof().tells().checks(false, true)
	if err := d.c.Request(getA); err != ErrClosed {
		t.Errorf("a request after FIN: %v", err)
	}
}

func TestClosing(t *testing.T) {
	last := *getA
	last.Close = true
	newClientDialogue(t, Limits{}).asks(&last).hear(okEmpty).checks(false, true)

	d := newClientDialogue(t, Limits{}).asks(getA)
	d.c.Drain()
	d.checks(false, false).hear(okEmpty).checks(false, true)
	d = newClientDialogue(t, Limits{})
	d.c.Drain()
	d.checks(false, true)

	d = newClientDialogue(t, Limits{}).asks(getA)
	d.c.Abort()
	if d.c.Err() != ErrAborted {
		t.Error(d.c.Err())
	}
	d.checks(false, true).hear(okEmpty).tells()

	// Between two requests there is nothing to break off.
	d = newClientDialogue(t, Limits{}).asks(getA).hear(okEmpty)
	d.c.Abort()
	d.checks(true, false)
}

func TestEOFOfAClient(t *testing.T) {
	cutOff := "h1: " + errCutOff.Reason
	for _, test := range []struct {
		name, in string
		want     []string // nil: the response is complete
		received bool
	}{
		{"before any byte", "", []string{cutOff}, false},
		{"in the status line", "HTTP/1.1 20", []string{cutOff}, true},
		{"in the head", okLine + "A: b\r\n", []string{cutOff}, true},
		{"after an interim response", "HTTP/1.1 103 x\r\n\r\n", []string{`interim 103 "x" 1.1 length=0 keeps`, cutOff}, true},
		{"before content", okLine + "Content-Length: 5\r\n\r\n", []string{`final 200 "OK" 1.1 length=5 keeps Content-Length:"5"`, cutOff}, true},
		{"in content", okLine + "Content-Length: 5\r\n\r\nhell", []string{`final 200 "OK" 1.1 length=5 keeps Content-Length:"5"`, "data hell", cutOff}, true},
		{"before chunks", okChunks, []string{`final 200 "OK" 1.1 length=-1 keeps Transfer-Encoding:"chunked"`, cutOff}, true},
		{"in a chunk", okChunks + "5\r\nhell", []string{`final 200 "OK" 1.1 length=-1 keeps Transfer-Encoding:"chunked"`, "data hell", cutOff}, true},
		{"before the last chunk", okChunks + "1\r\nx\r\n", []string{`final 200 "OK" 1.1 length=-1 keeps Transfer-Encoding:"chunked"`, "data x", cutOff}, true},
		{"before trailers", okChunks + "0\r\n", []string{`final 200 "OK" 1.1 length=-1 keeps Transfer-Encoding:"chunked"`, cutOff}, true},
		{"in trailers", okChunks + "0\r\nA: b\r\n", []string{`final 200 "OK" 1.1 length=-1 keeps Transfer-Encoding:"chunked"`, cutOff}, true},
	} {
		for _, pieces := range [][]string{{test.in}, bytesOf(test.in)} {
			d := newClientDialogue(t, Limits{}).asks(getA)
			for _, piece := range pieces {
				d.hear(piece)
			}
			d.eof().tells(test.want...).checks(false, true)
			if kind, ok := fault(d.err); !ok || kind != CutOff {
				t.Errorf("%s: %v", test.name, d.err)
			}
			if d.c.Received() != test.received || !d.c.Sent() {
				t.Errorf("%s: received %v, sent %v", test.name, d.c.Received(), d.c.Sent())
			}
		}
	}
	// A connection in use: what came before does not count.
	d := newClientDialogue(t, Limits{}).asks(getA).hear(okEmpty).asks(getA).eof()
	if d.c.Received() || d.err == nil {
		t.Error("a byte of the response before counts")
	}
	// Nothing was sent.
	d = newClientDialogue(t, Limits{})
	if err := d.c.Request(getA); err != nil {
		t.Fatal(err)
	}
	if d.eof(); d.c.Sent() || d.err == nil {
		t.Error(d.c.Sent(), d.err)
	}
}

func upload(pieces ...string) *ClientRequest {
	return &ClientRequest{Method: "PUT", Target: "/", Authority: "a", Source: &feed{pieces: pieces}, Length: -1}
}

func TestExpectationOfAClient(t *testing.T) {
	const hundred = "HTTP/1.1 100 Continue\r\n\r\n"
	ask := func(t *testing.T) *clientDialogue {
		d := newClientDialogue(t, Limits{})
		r := upload("hello")
		r.Expect = true
		if err := d.c.Request(r); err != nil {
			t.Fatal(err)
		}
		d.says("PUT / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nExpect: 100-continue\n\n")
		if d.c.Wanting() {
			t.Error("content does not wait")
		}
		return d
	}
	const content = "5\nhello\n0\n\n"
	t.Run("continue", func(t *testing.T) {
		ask(t).hear(hundred).tells(`interim 100 "Continue" 1.1 length=0 keeps`).says(content).hear(hundred+okEmpty).checks(true, false)
	})
	t.Run("another interim response is no leave", func(t *testing.T) {
		ask(t).hear(hints).says("").hear(hundred).says(content)
	})
	t.Run("proceed", func(t *testing.T) {
		d := ask(t)
		d.c.Proceed()
		d.says(content)
		d.c.Proceed()
		d.says("").hear(hundred+okEmpty).checks(true, false)
	})
	t.Run("proceed before the head is out", func(t *testing.T) {
		d := newClientDialogue(t, Limits{})
		r := upload("hello")
		r.Expect = true
		if err := d.c.Request(r); err != nil {
			t.Fatal(err)
		}
		d.c.Proceed()
		d.says("PUT / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nExpect: 100-continue\n\n" + content)
	})
	// A server may or may not wait for the content: the next request on such a connection
	// would be taken for it (CVE-2024-24791).
	for _, status := range []string{"417 x", "200 OK", "403 x"} {
		t.Run("a final response in its place: "+status, func(t *testing.T) {
			d := ask(t).hear("HTTP/1.1 "+status+"\r\nContent-Length: 2\r\n\r\no").says("").checks(false, false)
			d.c.Proceed()
			d.says("").hear("k").checks(false, true)
			if d.c.Err() != nil {
				t.Error(d.c.Err())
			}
		})
	}
	t.Run("a final response after the leave", func(t *testing.T) {
		ask(t).hear(hundred+okEmpty).checks(false, false).says(content).checks(false, true)
	})
}

// A response that is complete before the request: it is delivered whole, and the connection
// is not used again.
func TestEarlyResponse(t *testing.T) {
	const early = "HTTP/1.1 413 x\r\nContent-Length: 2\r\n\r\nno"
	told := []string{`final 413 "x" 1.1 length=2 keeps Content-Length:"2"`, "data no", "end"}
	t.Run("sending goes on", func(t *testing.T) {
		d := newClientDialogue(t, Limits{}).asks(upload("a", "", "b")).hear(early).tells(told...).checks(false, false)
		d.c.Resume()
		d.says("1\nb\n0\n\n").checks(false, true)
	})
	t.Run("sending stops", func(t *testing.T) {
		d := newClientDialogue(t, Limits{}).asks(upload("a", "", "b")).hear(early)
		d.c.StopSending()
		d.checks(false, true).says("")
	})
	t.Run("sending stops before the response's end", func(t *testing.T) {
		d := newClientDialogue(t, Limits{}).asks(upload("a", "", "b")).hear(early[:len(early)-1])
		d.c.StopSending()
		d.checks(false, false).says("").hear("o").tells(told...).checks(false, true)
	})
	t.Run("the connection ends", func(t *testing.T) {
		newClientDialogue(t, Limits{}).asks(upload("a", "", "b")).hear(early).eof().tells(told...).checks(false, true)
	})
	t.Run("bytes behind it", func(t *testing.T) {
		newClientDialogue(t, Limits{}).asks(upload("a", "", "b")).hear(early+"x").checks(false, true)
	})
	t.Run("both ways at once is ordinary", func(t *testing.T) {
		d := newClientDialogue(t, Limits{}).asks(upload("a", "", "b")).hear(okChunks + "1\r\na\r\n")
		d.c.Resume()
		d.says("1\nb\n0\n\n").checks(false, false).hear("1\r\nb\r\n0\r\n\r\n").checks(true, false)
	})
	t.Run("a complete request cannot be stopped", func(t *testing.T) {
		d := newClientDialogue(t, Limits{}).asks(postA)
		d.c.StopSending()
		d.hear(okEmpty).checks(true, false)
	})
}

func TestSwitchOfAClient(t *testing.T) {
	const frames = "\x00\x01not HTTP"
	for _, test := range []struct {
		name    string
		request *ClientRequest
		in      string
		want    []string
	}{
		{"upgrade", upgradeA, "HTTP/1.1 101 x\r\nUpgrade: TEA\r\nConnection: Upgrade\r\n\r\n",
			[]string{`final 101 "x" 1.1 length=0 keeps upgrade=TEA Upgrade:"TEA" Connection:"Upgrade"`, "switched"}},
		{"upgrade after interim responses", upgradeA, hints + "HTTP/1.1 101\r\nUpgrade: tea\r\nConnection: upgrade\r\n\r\n",
			[]string{`interim 103 "Early Hints" 1.1 length=0 keeps`, `final 101 "" 1.1 length=0 keeps upgrade=tea Upgrade:"tea" Connection:"upgrade"`, "switched"}},
		{"CONNECT", connectA, "HTTP/1.1 200 x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
			[]string{`final 200 "x" 1.1 length=0 Transfer-Encoding:"chunked"`, "switched"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, pieces := range [][]string{{test.in + frames}, append(bytesOf(test.in), frames), bytesOf(test.in + frames)} {
				d := newClientDialogue(t, Limits{}).asks(test.request)
				for _, piece := range pieces {
					d.hear(piece)
				}
				d.tells(test.want...).checks(false, false)
				if string(d.kept) != frames || d.c.Wanting() || d.c.ex != nil {
					t.Errorf("kept %q, wanting %v", d.kept, d.c.Wanting())
				}
				if err := d.c.EOF(); err != nil {
					t.Error(err)
				}
				clientInvariants(t, test.name, d)
			}
		})
	}
	// Declined: HTTP goes on.
	newClientDialogue(t, Limits{}).asks(upgradeA).hear(okEmpty).checks(true, false)
	newClientDialogue(t, Limits{}).asks(connectA).hear("HTTP/1.1 403 x\r\nContent-Length: 1\r\n\r\nx").checks(true, false)
	// A 101 before the end of the request.
	r := upload("a", "", "b")
	r.Upgrade = "tea"
	d := newClientDialogue(t, Limits{}).asks(r).hear("HTTP/1.1 101 x\r\nUpgrade: tea\r\nConnection: upgrade\r\n\r\n")
	if kind, ok := fault(d.err); !ok || kind != Malformed {
		t.Error(d.err)
	}
}

// All text of a head lies in one block: nothing of it changes when the caller's buffers are
// used again.
func TestResponseKeepsItsText(t *testing.T) {
	d := newClientDialogue(t, Limits{}).asks(getA)
	in := []byte("HTTP/1.1 200 Fine\r\nA: b\r\nContent-Length: 0\r\n\r\n")
	if _, err := d.c.Next(in, &d.ev); err != nil {
		t.Fatal(err)
	}
	kept := d.ev.Head
	kept.Fields = append([]Field(nil), kept.Fields...)
	want := describeResponse(&kept)
	for i := range in {
		in[i] = '#'
	}
	d.asks(getA).hear("HTTP/1.1 200 Good\r\nC: d\r\nContent-Length: 0\r\n\r\n")
	if got := describeResponse(&kept); got != want {
		t.Errorf("the head became %s, was %s", got, want)
	}
}
