package h1

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatewheel/gatewheel/internal/octets"
)

const (
	getLine    = "GET / HTTP/1.1\r\n"
	getHost    = getLine + "Host: a\r\n"
	postHost   = "POST / HTTP/1.1\r\nHost: a\r\n"
	postChunks = postHost + "Transfer-Encoding: chunked\r\n\r\n"
)

// Requests that are refused, each with its response.
var refused = []struct {
	in   string
	want *Error
}{
	// Lines.
	{"GET / HTTP/1.1\n", errBareLF},
	{getHost + "A: b\n\r\n", errBareLF},
	{getHost + "\n", errBareLF},
	{getHost + "A\n: b\r\n\r\n", errBareLF},
	{"\nGET / HTTP/1.1\r\n", errBareLF},
	{"\rGET / HTTP/1.1\r\n", errBareCR},
	{"GET / HTTP/1.1\rHost: a\r\n", errBareCR},
	{getHost + "A: b\rc\r\n\r\n", errBareCR},
	{getHost + "A: b\r\r\n\r\n", errBareCR},
	{getHost + "\r\r\n", errBareCR},
	{"\r\n\r\n\r\n\r\n\r\n" + getHost + "\r\n", errBlank},

	// The request line.
	{"GET  / HTTP/1.1\r\n", errTarget},
	{" GET / HTTP/1.1\r\n", errMethod},
	{"GET\t/ HTTP/1.1\r\n", errMethod},
	{"GET /\tHTTP/1.1\r\n", errTarget},
	{"GET /  HTTP/1.1\r\n", errVersion},
	{"GET / HTTP/1.1 \r\n", errVersion},
	{"GET /a b HTTP/1.1\r\n", errVersion},
	{"GET / \r\n", errVersion},
	{"GET /\r\n", errTarget},
	{"GET\r\n", errMethod},
	{"GET / http/1.1\r\n", errVersion},
	{"GET / HTTP/1\r\n", errVersion},
	{"GET / HTTP/11\r\n", errVersion},
	{"GET / HTTP/1.10\r\n", errVersion},
	{"GET / HTTP/1.1a\r\n", errVersion},
	{"GET / HTTP/+1.1\r\n", errVersion},
	{"GET / HTTP/2.0\r\n", errMajor},
	{"GET / HTTP/0.9\r\n", errMajor},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errMajor},
	{"G(T / HTTP/1.1\r\n", errMethod},
	{"GE\x00T / HTTP/1.1\r\n", errMethod},
	{"\x16\x03\x01\x02\x00\x01", errMethod}, // a TLS ClientHello
	{"GET /\x00 HTTP/1.1\r\n", errTarget},
	{"GET /\x7f HTTP/1.1\r\n", errTarget},
	{"GET /\xc3\xa9 HTTP/1.1\r\n", errTarget},
	{"GET /a#b HTTP/1.1\r\n", errTarget},
	{strings.Repeat("M", maxMethod+1), errMethodLength},
	{"GET /" + strings.Repeat("x", DefaultTarget), errTargetLength},

	// The target's form.
	{"GET * HTTP/1.1\r\nHost: a\r\n\r\n", errForm},
	{"GET a HTTP/1.1\r\nHost: a\r\n\r\n", errForm},
	{"GET a.example:80 HTTP/1.1\r\nHost: a\r\n\r\n", errForm},
	{"GET 1http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", errForm},
	{"GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n", errForm},
	{"GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", errAuthority},
	{"GET http://:80/ HTTP/1.1\r\nHost: a\r\n\r\n", errAuthority},
	{"GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n", errAuthority},
	{"GET http://a:b/ HTTP/1.1\r\nHost: a\r\n\r\n", errAuthority},
	{"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", errAuthority},
	{"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", errAuthority},
	{"CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n", errAuthority},
	{"CONNECT a:0 HTTP/1.1\r\nHost: a\r\n\r\n", errAuthority},
	{"CONNECT :80 HTTP/1.1\r\nHost: a\r\n\r\n", errAuthority},
	{"CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", errConnect},

	// Field lines.
	{getHost + "A : b\r\n\r\n", errNameSpace},
	{getHost + "A\t: b\r\n\r\n", errNameSpace},
	{getHost + " A: b\r\n\r\n", errFolded},
	{getHost + "A: b\r\n\tc\r\n\r\n", errFolded},
	{getLine + " Host: a\r\n\r\n", errFolded},
	{getHost + ": b\r\n\r\n", errName},
	{getHost + "A\r\n\r\n", errName},
	{getHost + "A(b): c\r\n\r\n", errName},
	{getHost + "A\xff: c\r\n\r\n", errName},
	{getHost + "A\x00: c\r\n\r\n", errName},
	{getHost + "A: b\x00\r\n\r\n", errControl},
	{getHost + "A: 0123456789\x01abcdef\r\n\r\n", errControl},
	{getHost + "A: b\x7f\r\n\r\n", errControl},
	{getHost + "A: b\x0bc\r\n\r\n", errControl},
	{getHost + strings.Repeat("A:\r\n", DefaultFields), errFieldCount},
	{getHost + "A: " + strings.Repeat("x", DefaultFieldSize), errFieldSize},

	// Host.
	{getLine + "\r\n", errHostMissing},
	{getHost + "Host: a\r\n\r\n", errHostTwice},
	{"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", errHostTwice},
	{"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", errHost},
	{getLine + "Host: a/b\r\n\r\n", errHost},
	{getLine + "Host: u@a\r\n\r\n", errHost},
	{getLine + "Host: a:b\r\n\r\n", errHost},
	{getLine + "Host: a:1:2\r\n\r\n", errHost},
	{getLine + "Host: a:65536\r\n\r\n", errHost},
	{getLine + "Host: [::1\r\n\r\n", errHost},
	{getLine + "Host: [::1]x\r\n\r\n", errHost},
	{getLine + "Host: [fe80::1%25eth0]\r\n\r\n", errHost},
	{getLine + "Host: ::1\r\n\r\n", errHost},
	{getLine + "Host: a%2\r\n\r\n", errHost},
	{getLine + "Host: \xc3\xa9\r\n\r\n", errHost},
	{"GET http://a/ HTTP/1.1\r\n\r\n", errHostMissing},
	{"GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n", errHost},

	// Framing.
	{postHost + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", errLengthBoth},
	{postHost + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", errLengthBoth},
	{postHost + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", errLengthTwice},
	{postHost + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", errLengthTwice},
	{postHost + "Content-Length: 5, 5\r\n\r\n", errLengthForm},
	{postHost + "Content-Length: +5\r\n\r\n", errLengthForm},
	{postHost + "Content-Length: -5\r\n\r\n", errLengthForm},
	{postHost + "Content-Length: 5 5\r\n\r\n", errLengthForm},
	{postHost + "Content-Length: 0x5\r\n\r\n", errLengthForm},
	{postHost + "Content-Length: 5_0\r\n\r\n", errLengthForm},
	{postHost + "Content-Length:\r\n\r\n", errLengthForm},
	{postHost + "Content-Length: 9223372036854775808\r\n\r\n", errLengthHuge},
	{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", errCodingOld},
	{postHost + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", errCodingTwice},
	{postHost + "Transfer-Encoding: chunked, chunked\r\n\r\n", errCodingTwice},
	{postHost + "Transfer-Encoding: chunked, gzip\r\n\r\n", errCodingLast},
	{postHost + "Transfer-Encoding: gzip\r\n\r\n", errCodingLast},
	{postHost + "Transfer-Encoding: identity\r\n\r\n", errCodingLast},
	{postHost + "Transfer-Encoding: xchunked\r\n\r\n", errCodingLast},
	{postHost + "Transfer-Encoding: gzip, chunked\r\n\r\n", errCodingOther},
	{postHost + "Transfer-Encoding: gzip;q=1\r\nTransfer-Encoding: chunked\r\n\r\n", errCodingOther},
	{postHost + "Transfer-Encoding:\r\n\r\n", errCoding},
	{postHost + "Transfer-Encoding: chunked,\r\n\r\n", errCoding},
	{postHost + "Transfer-Encoding: ,chunked\r\n\r\n", errCoding},
	{postHost + "Transfer-Encoding: chunked;a=b\r\n\r\n", errCoding},
	{postHost + "Transfer-Encoding: \"chunked\"\r\n\r\n", errCoding},
	{postHost + "Transfer-Encoding: chunked foo\r\n\r\n", errCoding},
	{postHost + "Expect: tea\r\nContent-Length: 1\r\n\r\n", errExpect},
	{postHost + "Expect: 100-continue\r\nExpect: tea\r\n\r\n", errExpect},

	// Chunks.
	{postChunks + "\r\n", errChunkSize},
	{postChunks + "g\r\n", errChunkSize},
	{postChunks + " 5\r\n", errChunkSize},
	{postChunks + "+5\r\n", errChunkSize},
	{postChunks + "-5\r\n", errChunkSize},
	{postChunks + "0x5\r\n", errChunkSize},
	{postChunks + "1_0\r\n", errChunkSize},
	{postChunks + ";a\r\n", errChunkSize},
	{postChunks + "5\n", errBareLF},
	{postChunks + "\n", errBareLF},
	{postChunks + "5;a\n", errBareLF},
	{postChunks + "5\rhello", errBareCR},
	{postChunks + "5;a\rb\n", errBareCR},
	{postChunks + "5 \r\n", errChunkSize},
	{postChunks + "5 5\r\n", errChunkSize},
	{postChunks + "5 a\r\n", errChunkSize},
	{postChunks + "5 ;\r\n", errChunkExtension},
	{postChunks + "5;\r\n", errChunkExtension},
	{postChunks + "5;\n", errBareLF},
	{postChunks + "5;;a\r\n", errChunkExtension},
	{postChunks + "5;a;\r\n", errChunkExtension},
	{postChunks + "5;=a\r\n", errChunkExtension},
	{postChunks + "5;a=\r\n", errChunkExtension},
	{postChunks + "5;a==b\r\n", errChunkExtension},
	{postChunks + "5;a=b=c\r\n", errChunkExtension},
	{postChunks + "5;a b\r\n", errChunkExtension},
	{postChunks + "5;a=b c\r\n", errChunkExtension},
	{postChunks + "5;a=\"b\"c\r\n", errChunkExtension},
	{postChunks + "5;a=\"b\r\n", errChunkExtension},
	{postChunks + "5;a=\"b\\\r\n", errChunkExtension},
	{postChunks + "5;\x00\r\n", errChunkExtension},
	{postChunks + "5;a\x00\r\n", errChunkExtension},
	{postChunks + "5;a=\"\x7f\"\r\n", errChunkExtension},
	{postChunks + "0;\r\n\r\n", errChunkExtension},
	{postChunks + "5\r\nhelloX", errChunkEnd},
	{postChunks + "5\r\nhello\n", errBareLF},
	{postChunks + "5\r\nhello\rX", errBareCR},
	{postChunks + "5\r\nhello5\r\n", errChunkEnd},
	{postChunks + "8000000000000000\r\n", errChunkHuge},
	{postChunks + "ffffffffffffffffff\r\n", errChunkHuge},
	{postChunks + "00000000000000005\r\n", errChunkHuge},
	{postChunks + "1;" + strings.Repeat("x", maxExtension), errChunkLong},
	{postChunks + strings.Repeat("1;"+strings.Repeat("x", 999)+"\r\nx\r\n", 17), errChunkLong},
	{postChunks + "0\r\nA : b\r\n\r\n", errNameSpace},
	{postChunks + "0\r\n A: b\r\n\r\n", errFolded},
	{postChunks + "0\r\nA: b\n\r\n", errBareLF},
	{postChunks + "0\r\n\n", errBareLF},
	{postChunks + "0\r\nA: b\x00\r\n\r\n", errControl},
}

func answerTo(e *Error) string {
	return fmt.Sprintf("%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s\n",
		octets.AppendStatusLine(nil, e.Status), len(e.Reason)+1, e.Reason)
}

// Nothing after a refused request is interpreted, its response says why, and
// the peer gets time to read it, however the bytes arrive.
func TestRefusals(t *testing.T) {
	for _, test := range refused {
		name := fmt.Sprintf("%.80q", test.in)
		answer := answerTo(test.want)
		for _, pieces := range [][]string{{test.in}, bytesOf(test.in), {test.in + next}, {test.in, next}, bytesOf(test.in + next)} {
			trace, out, d := play(t, Limits{}, nil, pieces...)
			if d.err != test.want {
				t.Errorf("%s: %v, want %v", name, d.err, test.want)
			}
			if out != answer {
				t.Errorf("%s: answered\n%q, want\n%q", name, out, answer)
			}
			if last := trace[len(trace)-1]; last != test.want.Error() {
				t.Errorf("%s: told after the error: %s", name, last)
			}
			d.ends(true, true)
			if _, err := d.c.Next([]byte(next), &d.ev); err != nil || d.ev.Kind != Closed {
				t.Errorf("%s: afterwards %v, %v", name, d.ev.Kind, err)
			}
		}
	}
}

// The response to a refused request waits its turn.
func TestRefusalLeavesInOrder(t *testing.T) {
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear(next + next + "GET / HTTP/1.1\nHost: a\n\n" + next)
	if d.err != errBareLF || d.c.Pending() != 3 {
		t.Fatal(d.err, d.c.Pending())
	}
	d.says("").ends(false, false)
	d.answers(2, &Response{Status: 204}).says("")
	d.answers(1, &Response{Status: 204})
	d.says(strings.Repeat("HTTP/1.1 204 No Content\r\n\r\n", 2) + answerTo(errBareLF))
	d.ends(true, true)
}

// A malformed chunk takes the place of a response of which no byte is out, and
// cuts short what has begun.
func TestRefusalInContent(t *testing.T) {
	d := newDialogue(t, Limits{})
	d.app = silent
	d.hear(postChunks + "x")
	if err := d.c.Respond(1, hello); err != ErrGone {
		t.Errorf("Respond after the refusal: %v", err)
	}
	if out := d.said(); !strings.HasPrefix(out, "HTTP/1.1 400 ") {
		t.Errorf("said %q", out)
	}

	for name, answer := range map[string]*Response{
		"whole":    {Status: 202, Bytes: []byte("hello"), Close: true},
		"streamed": {Status: 200, Source: pieces("hello"), Length: -1},
		"empty":    {Status: 204},
	} {
		d = newDialogue(t, Limits{})
		d.app = silent
		d.hear(next + postChunks)
		if err := d.c.Inform(2, 103, nil); err != nil {
			t.Fatal(err)
		}
		d.answers(2, answer)
		if _, refused := d.c.Refused(2); refused {
			t.Errorf("%s: refused already", name)
		}
		d.hear("x").answers(1, okay)
		if withdrawn, refused := d.c.Refused(2); !refused || withdrawn != answer.Status {
			t.Errorf("%s: refused %v, withdrawn %d", name, refused, withdrawn)
		}
		if _, refused := d.c.Refused(1); refused {
			t.Errorf("%s: the wrong request is refused", name)
		}
		d.says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 103 Early Hints\r\n\r\n").resumes(2)
		d.says(answerTo(errChunkSize)).ends(true, true)
		invariants(t, name, d)
	}

	// The response is out already.
	d = newDialogue(t, Limits{})
	d.app = silent
	d.hear(postChunks).answers(1, &Response{Status: 202})
	d.says("HTTP/1.1 202 Accepted\nContent-Length: 0\n\n").ends(false, false)
	d.hear("x").says("").ends(true, true)
}

// HEAD has no content, even if it is refused.
func TestRefusedHead(t *testing.T) {
	for _, pieces := range [][]string{{"HEAD / HTTP/1.1\r\n\r\n"}, bytesOf("HEAD / HTTP/1.1\r\n\r\n")} {
		_, out, _ := play(t, Limits{}, nil, pieces...)
		if !strings.HasPrefix(out, "HTTP/1.1 400 ") || !strings.HasSuffix(out, "\r\n\r\n") {
			t.Errorf("said %q", out)
		}
	}
}

// A peer whose first line is no request at all gets no response, since it would not understand one: RFC 9113
// section 3.4 has an endless variety of wrong prefaces. One that makes a mistake in a request, or names HTTP, gets its
// 400.
func TestForeignProtocol(t *testing.T) {
	for _, in := range []string{"INVALID CONNECTION PREFACE\r\n\r\n", "SSH x y\r\n", "A b \r\n"} {
		for _, pieces := range [][]string{{in}, bytesOf(in), {in, next}} {
			_, out, d := play(t, Limits{}, nil, pieces...)
			if d.err != errForeign || out != "" {
				t.Errorf("%q: %v, answered %q", in, d.err, out)
			}
			d.ends(true, true)
		}
	}
	for _, in := range []string{"INVALID example.org:80 PREFACE\r\n\r\n", "GET index.html HTTP/2\r\n\r\n", "GET x HTTP/1.1 \r\n"} {
		for _, pieces := range [][]string{{in}, bytesOf(in), {in, next}} {
			_, out, d := play(t, Limits{}, nil, pieces...)
			if d.err != errVersion || out != answerTo(errVersion) {
				t.Errorf("%q: %v, answered %q", in, d.err, out)
			}
		}
	}
}
