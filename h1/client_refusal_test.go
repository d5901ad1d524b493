package h1

import (
	"fmt"
	"strings"
	"testing"
)

const (
	okLine     = "HTTP/1.1 200 OK\r\n"
	okChunks   = okLine + "Transfer-Encoding: chunked\r\n\r\n"
	okEmpty    = okLine + "Content-Length: 0\r\n\r\n"
	hints      = "HTTP/1.1 103 Early Hints\r\n\r\n"
	upgradeTea = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: tea\r\n"
)

var (
	postA    = &ClientRequest{Method: "POST", Target: "/", Authority: "a", Bytes: []byte("hello")}
	upgradeA = &ClientRequest{Method: "GET", Target: "/", Authority: "a", Upgrade: "tea"}
	connectA = &ClientRequest{Method: "CONNECT", Target: "a:1", Authority: "a:1"}
)

// malformed are responses that are refused.
var malformed = []struct {
	request *ClientRequest
	in      string
	want    *Error
	kind    Fault
}{
	// The status line. Many of these are cases of llhttp's and of h11's tests.
	{getA, "hello", errStatusLine, Malformed}, // HTTP/0.9
	{getA, "\x16\x03\x01", errStatusLine, Malformed},
	{getA, "SSH-2.0-OpenSSH\r\n", errStatusLine, Malformed},
	{getA, "\r\n" + okEmpty, errStatusLine, Malformed},
	{getA, "\n", errBareLF, Malformed},
	{getA, " " + okEmpty, errStatusLine, Malformed},
	{getA, "HTP/1.1 200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTPER/1.1 200 OK\r\n", errStatusLine, Malformed},
	{getA, "http/1.1 200 OK\r\n", errStatusLine, Malformed},
	{getA, "ICY 200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/01.1 200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/11.1 200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.01 200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.10 200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1 200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1. 200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.x 200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/0.9 200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/2.0 200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/5.6 200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1\t200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1  200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1200 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 2 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 20 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 2000 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 +20 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 -20 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 0x1 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 \r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 200OK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 200\tOK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 200 O\x00K\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 200 O\x7fK\r\n", errStatusLine, Malformed},
	{getA, "HTTP/1.1 200 OK\n", errBareLF, Malformed},
	{getA, "HTTP/1.1 200\n", errBareLF, Malformed},
	{getA, "HTTP/1.1 200 OK\rX", errBareCR, Malformed},
	{getA, "HTTP/1.1 200\rX", errBareCR, Malformed},
	{getA, "HTTP/1.1 200 OK\r\r\n", errBareCR, Malformed},
	{getA, "HTTP/1.1 000 OK\r\n\r\n", errStatus, Malformed},
	{getA, "HTTP/1.1 099 OK\r\n\r\n", errStatus, Malformed},

	// Fields: whitespace where a field could hide, lines that end in two ways.
	{getA, okLine + " Host: foo\r\n", errFolded, Malformed},
	{getA, okLine + "A: 1\rB: 2\r\n\r\n", errBareCR, Malformed},
	{getA, okLine + "Content-Security-Policy: a;\n b\r\n\r\n", errBareLF, Malformed},
	{getA, okLine + "Content-Length: 5\n\r\n", errBareLF, Malformed},
	{getA, okLine + "Content-Length : 5\r\n\r\n", errNameSpace, Malformed},
	{getA, okLine + "Transfer-Encoding: chunked\x0b\r\n\r\n", errControl, Malformed},
	{getA, okLine + "Transfer-Encoding\x00: chunked\r\n\r\n", errName, Malformed},

	// Framing.
	{getA, okLine + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", errLengthTwice, Malformed},
	{getA, okLine + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", errLengthTwice, Malformed},
	{getA, okLine + "Content-Length: 5,5\r\n\r\n", errLengthForm, Malformed},
	{getA, okLine + "Content-Length: 9223372036854775808\r\n\r\n", errLengthHuge, Malformed},
	{getA, okLine + "Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n", errLengthForm, Malformed},
	{getA, okLine + "Content-Length: 1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", errLengthTwice, Malformed},
	{getA, okLine + "Content-Length: 1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", errCodingOther, Malformed},
	{getA, "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", errCodingOld, Malformed},
	{getA, okLine + "Transfer-Encoding: identity\r\n\r\n", errCodingLast, Malformed},
	{getA, okLine + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", errCodingLast, Malformed},
	{getA, okLine + "Transfer-Encoding: chunked, deflate\r\n\r\n", errCodingLast, Malformed},
	{getA, okLine + "Transfer-Encoding: gzip\r\n\r\n", errCodingLast, Malformed},
	{getA, okLine + "Transfer-Encoding: xchunked\r\n\r\n", errCodingLast, Malformed},
	{headA, okLine + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", errLengthTwice, Malformed},
	{headA, okLine + "Transfer-Encoding: gzip\r\n\r\n", errCodingLast, Malformed},
	{getA, "HTTP/1.1 304 x\r\nContent-Length: x\r\n\r\n", errLengthForm, Malformed},
	{getA, "HTTP/1.1 204 x\r\nContent-Length: 0, 0\r\n\r\n", errLengthForm, Malformed},
	{getA, "HTTP/1.1 103 x\r\nContent-Length: -1\r\n\r\n", errLengthForm, Malformed},
	{getA, okChunks + "25  \r\n", errChunkSize, Malformed},

	// Interim responses.
	{getA, strings.Repeat(hints, maxInterims+1), errInterims, Malformed},
	{postA, strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", maxInterims+1), errInterims, Malformed},
	{getA, upgradeTea + "\r\n", errSwitch, Malformed},
	{upgradeA, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: coffee\r\n\r\n", errSwitch, Malformed},
	{upgradeA, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: tea, coffee\r\n\r\n", errSwitch, Malformed},
	{upgradeA, "HTTP/1.1 101 x\r\nUpgrade: tea\r\n\r\n", errSwitch, Malformed},
	{upgradeA, "HTTP/1.1 101 x\r\n\r\n", errSwitch, Malformed},
	{upgradeA, "HTTP/1.0 101 x\r\nConnection: upgrade\r\nUpgrade: tea\r\n\r\n", errSwitch, Malformed},
	{upgradeA, upgradeTea + "Content-Length: 5\r\n\r\n", errSwitch, Malformed},
	{upgradeA, upgradeTea + "Transfer-Encoding: chunked\r\n\r\n", errSwitch, Malformed},
	{connectA, upgradeTea + "\r\n", errSwitch, Malformed},

	// Too large.
	{getA, "HTTP/1.1 200 " + strings.Repeat("x", DefaultFieldSize), errFieldSize, HeadTooLarge},
	{getA, okLine + "A: " + strings.Repeat("x", DefaultFieldSize), errFieldSize, HeadTooLarge},
	{getA, okLine + strings.Repeat("A:\r\n", DefaultFields+1), errFieldCount, HeadTooLarge},
	{getA, hints + "HTTP/1.1 103 x\r\nA: " + strings.Repeat("x", DefaultFieldSize), errFieldSize, HeadTooLarge},
	{getA, okChunks + "0\r\nA: " + strings.Repeat("x", DefaultFieldSize), errFieldSize, TrailersTooLarge},
	{getA, okChunks + "0\r\n" + strings.Repeat("A:\r\n", DefaultFields+1), errFieldCount, TrailersTooLarge},

	// Bytes that nobody asked for.
	{getA, okEmpty + okEmpty, errUnsolicited, Unsolicited},
	{getA, okEmpty + "\r\n", errUnsolicited, Unsolicited},
	{getA, okEmpty + "HTTP/1.1 100 Continue\r\n\r\n", errUnsolicited, Unsolicited},
	{getA, okLine + "Content-Length: 1\r\n\r\nxy", errUnsolicited, Unsolicited},
	{getA, okChunks + "0\r\n\r\n0\r\n\r\n", errUnsolicited, Unsolicited},
	{getA, "HTTP/1.1 204 x\r\n\r\n0\r\n\r\n", errUnsolicited, Unsolicited},
	{getA, "HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\nhello", errUnsolicited, Unsolicited},
	{getA, "HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", errUnsolicited, Unsolicited},
	{getA, "HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\nhello", errUnsolicited, Unsolicited},
	{headA, okLine + "Content-Length: 5\r\n\r\nhello", errUnsolicited, Unsolicited},
	{headA, okChunks + "0\r\n\r\n", errUnsolicited, Unsolicited},
	{headA, "HTTP/1.1 200 OK\r\n\r\nhello", errUnsolicited, Unsolicited},
}

// A response that is refused ends the connection, however its bytes arrive; what follows is
// not interpreted.
func TestMalformedResponses(t *testing.T) {
	for _, test := range malformed {
		refusesResponse(t, test.request, test.in, test.want, test.kind)
	}
}

func refusesResponse(t *testing.T, request *ClientRequest, in string, want *Error, kind Fault) {
	t.Helper()
	name := fmt.Sprintf("%s %.90q", request.Method, in)
	for i, pieces := range [][]string{{in}, bytesOf(in), {in + okEmpty}, {in, okEmpty}, bytesOf(in + okEmpty)} {
		d := newClientDialogue(t, Limits{}).asks(request)
		for _, piece := range pieces {
			d.hear(piece)
		}
		e, ok := d.err.(*ResponseError)
		if !ok || e.Reason != want.Reason || e.Fault != kind {
			t.Errorf("%s (%d): %v, want %v", name, i, d.err, want)
			continue
		}
		if last := d.trace[len(d.trace)-1]; last != e.Error() {
			t.Errorf("%s (%d): told after the error: %s", name, i, last)
		}
		d.checks(false, true)
		if d.hear(okEmpty); d.ev.Kind != Closed {
			t.Errorf("%s (%d): afterwards %v", name, i, d.ev.Kind)
		}
		if err := d.c.Request(getA); err != ErrClosed {
			t.Errorf("%s (%d): another request: %v", name, i, err)
		}
		clientInvariants(t, name, d)
	}
}

// What is refused in the fields and the content of a request is refused in a response.
func TestResponsesAreReadAsRequests(t *testing.T) {
	other := map[*Error]bool{errHostMissing: true, errHostTwice: true, errHost: true, errExpect: true, errLengthBoth: true,
		errFieldCount: true, errFieldSize: true}
	tried := 0
	for _, test := range refused {
		in, ok := strings.CutPrefix(test.in, postHost)
		if !ok {
			in, ok = strings.CutPrefix(test.in, getHost)
		}
		if !ok || other[test.want] {
			continue
		}
		tried++
		refusesResponse(t, getA, okLine+in, test.want, Malformed)
	}
	if tried < 80 {
		t.Errorf("only %d were tried", tried)
	}
}

// Bytes before a request, and after one of which nothing is out, answer something else.
func TestBytesBeforeTheRequest(t *testing.T) {
	for _, in := range []string{"\r\n", okEmpty, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", "x"} {
		d := newClientDialogue(t, Limits{}).hear(in).tells("h1: "+errUnsolicited.Reason).checks(false, true)
		if kind, ok := fault(d.err); !ok || kind != Unsolicited || d.c.Received() {
			t.Errorf("%q: %v", in, d.err)
		}
		// On a connection in use.
		d = newClientDialogue(t, Limits{}).asks(getA).hear(okEmpty).checks(true, false)
		d.trace = nil
		if err := d.c.Request(postA); err != nil {
			t.Fatal(err)
		}
		d.hear(in).tells("h1: "+errUnsolicited.Reason).checks(false, true).says("")
		if d.c.Sent() || d.c.Received() {
			t.Errorf("%q: sent %v, received %v", in, d.c.Sent(), d.c.Received())
		}
	}
}

// The bound of a head includes its status line.
func TestHeadLimitOfAClient(t *testing.T) {
	for _, test := range []struct{ begin, end string }{
		{"HTTP/1.1 200 ", "\r\n\r\n"},
		{"HTTP/1.1 200 OK\r\nA: ", "\r\nContent-Length: 0\r\n\r\n"},
		{okChunks + "0\r\nA: ", "\r\n\r\n"},
	} {
		room := 100 - len(test.begin) - len(test.end)
		if strings.HasPrefix(test.begin, okChunks) {
			room += len(okChunks + "0\r\n")
		}
		for _, pieces := range []func(string) []string{bytesOf, func(s string) []string { return []string{s} }} {
			for extra, wantError := range []bool{false, true} {
				d := newClientDialogue(t, Limits{})
				d.c.LimitHead(100)
				d.asks(getA)
				for _, piece := range pieces(test.begin + strings.Repeat("x", room+extra) + test.end) {
					d.hear(piece)
				}
				if (d.err != nil) != wantError {
					t.Errorf("%q, %d bytes: %v", test.begin, 100+extra, d.err)
				}
				if kind, _ := fault(d.err); wantError && kind != HeadTooLarge && kind != TrailersTooLarge {
					t.Errorf("%q: %v", test.begin, d.err)
				}
			}
		}
	}
}

// A head that arrives byte by byte costs as much work as one that arrives whole.
func TestLinearWorkOfAClient(t *testing.T) {
	for _, in := range []string{
		"HTTP/1.1 200 " + strings.Repeat("x", 60000) + "\r\nContent-Length: 0\r\n\r\n",
		okLine + strings.Repeat("Name: "+strings.Repeat("value ", 80)+"\r\n", 100) + "Content-Length: 0\r\n\r\n",
		okLine + "Long: " + strings.Repeat(" \t", 30000) + "\r\nContent-Length: 0\r\n\r\n",
		okChunks + "0\r\n" + strings.Repeat("T: v\r\n", 100) + "\r\n",
	} {
		d := newClientDialogue(t, Limits{}).asks(getA)
		for _, piece := range bytesOf(in) {
			d.hear(piece)
		}
		d.checks(true, false)
		if most := uint64(3 * len(in)); d.sh.work > most {
			t.Errorf("%d bytes were examined for a head of %d", d.sh.work, len(in))
		}
	}
}
