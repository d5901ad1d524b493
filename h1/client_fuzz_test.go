package h1

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// clientRequests are those that FuzzClient has answered.
func clientRequests() []*ClientRequest {
	expects := upload("a", "", "b")
	expects.Expect = true
	return []*ClientRequest{getA, headA, postA, upgradeA, connectA, upload("a", "", "b"), expects}
}

// hearAll presents pieces as responses to request, pulls all output after each, and returns
// what was told and written, up to the end of the connection.
func hearAll(t testing.TB, sh *Shared, request *ClientRequest, pieces []string) (trace []string, out string, d *clientDialogue) {
	d = newClientDialogueOn(t, sh)
	if err := d.c.Request(request); err != nil {
		t.Fatal(err)
	}
	out = d.said()
	for _, piece := range pieces {
		d.hear(piece)
	}
	out += d.said()
	d.c.Resume()
	out += d.said()
	return d.trace, out, d
}

// FuzzClient: where the input is split changes nothing: not the events, not the output, not
// the end. Memory is bounded, and no response passes that another reader refuses.
func FuzzClient(f *testing.F) {
	for _, test := range responses {
		f.Add([]byte(test.in), uint64(0x9e3779b97f4a7c15), uint8(0))
		f.Add([]byte(test.in+okEmpty), uint64(0x9e3779b97f4a7c15), uint8(1))
	}
	for i, test := range malformed {
		if len(test.in) < 4096 {
			f.Add([]byte(test.in), uint64(0x5555), uint8(i))
		}
	}
	f.Add([]byte(hints+"HTTP/1.1 100 x\r\n\r\n"+okChunks+"1\r\na\r\n2;x=y\r\nbc\r\n0\r\nT: u\r\n\r\n"), uint64(1), uint8(6))
	limits := Limits{Fields: 6, FieldSize: 200}
	f.Fuzz(func(t *testing.T, in []byte, cuts uint64, kind uint8) {
		whole, split := []string{string(in)}, splitAt(string(in), cuts)
		request := func() *ClientRequest { return clientRequests()[int(kind)%len(clientRequests())] }
		var traces [4][]string
		var outs [4]string
		for i, pieces := range [][]string{whole, split, bytesOf(string(in)), whole} {
			sh := NewShared(limits)
			if i == 3 {
				for range memoEvery {
					hearAll(t, sh, request(), whole)
				}
			}
			trace, out, d := hearAll(t, sh, request(), pieces)
			if len(d.kept) > limits.FieldSize && d.c.reading != switched {
				t.Fatalf("%d bytes wait", len(d.kept))
			}
			d.eof()
			clientInvariants(t, "", d)
			if !d.c.Done() && d.c.reading != switched {
				t.Fatal("not done after FIN")
			}
			traces[i], outs[i] = append(trace, d.trace[len(trace):]...), out+d.said()
		}
		for i := 1; i < len(traces); i++ {
			if !slices.Equal(traces[0], traces[i]) {
				t.Fatalf("whole\n%s\nsplit (%d)\n%s", strings.Join(traces[0], "\n"), i, strings.Join(traces[i], "\n"))
			}
			if outs[0] != outs[i] {
				t.Fatalf("whole\n%q\nsplit\n%q", outs[0], outs[i])
			}
		}
	})
}

// FuzzClientAgainstNetHTTP: of a response that is accepted, net/http reads the same.
func FuzzClientAgainstNetHTTP(f *testing.F) {
	for _, test := range responses {
		f.Add([]byte(test.in), false)
		f.Add([]byte(test.in), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, head bool) { compareResponseWithNetHTTP(t, string(in), head) })
}

func TestClientAgainstNetHTTP(t *testing.T) {
	for _, test := range responses {
		if !compareResponseWithNetHTTP(t, test.in, test.request == headA) {
			t.Errorf("%s: not compared", test.name)
		}
	}
}

// compareResponseWithNetHTTP reports whether both read the response.
func compareResponseWithNetHTTP(t *testing.T, in string, head bool) bool {
	request, method := getA, "GET"
	if head {
		request, method = headA, "HEAD"
	}
	var h ResponseHead
	var body []byte
	var trailers []Field
	whole := false
	d := newClientDialogue(t, Limits{}).asks(request)
	rest := []byte(in)
	for eof := false; !whole; {
		n, err := d.c.Next(rest, &d.ev)
		if err != nil {
			return false
		}
		if d.ev.Kind == Interim {
			in = in[len(in)-len(rest)+n:]
		}
		rest = rest[n:]
		switch d.ev.Kind {
		case Final:
			h = d.ev.Head
			h.Fields = slices.Clone(h.Fields)
			whole = h.ContentLength == 0
		case Data:
			body = append(body, d.ev.Data...)
		case End:
			whole, trailers = true, slices.Clone(d.ev.Trailers)
		case NeedMore:
			if eof || d.c.EOF() != nil {
				return false
			}
			eof = true
		case Closed:
			return false
		}
	}
	r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(in)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("net/http refuses what is accepted: %v", err)
	}
	got, err := io.ReadAll(r.Body)
	if err != nil && err.Error() == "invalid byte in chunk length" && strings.ContainsAny(in, " \t") {
		// net/http has no bad whitespace before a chunk extension.
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != h.Status || string(got) != string(body) {
		t.Errorf("%d %q, net/http: %d %q", h.Status, body, r.StatusCode, got)
	}
	if h.ContentLength != 0 && h.ContentLength != r.ContentLength {
		t.Errorf("length %d, stated %d, net/http: %d", h.ContentLength, h.Stated, r.ContentLength)
	}
	if h.KeepAlive && r.Close {
		t.Error("net/http does not use the connection again")
	}
	for _, f := range trailers {
		if !slices.Contains(r.Trailer.Values(f.Name), f.Value) {
			t.Errorf("trailer %v, net/http: %v", f, r.Trailer)
		}
	}
	for _, f := range h.Fields {
		key := http.CanonicalHeaderKey(f.Name)
		if key != "Connection" && key != "Transfer-Encoding" && key != "Trailer" && !slices.Contains(r.Header.Values(key), f.Value) {
			t.Errorf("field %v, net/http: %q", f, r.Header)
		}
	}
	return true
}

// FuzzRequest: what the client writes is read by net/http as it was meant.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/", "a", "A", "b", "", uint8(0))
	f.Add("POST", "/a?b", "a:80", "X", "\ty z ", strings.Repeat("x", 5000), uint8(1))
	f.Add("PUT", "http://a/", "a", "Transfer-Encoding", "chunked", "abc", uint8(2))
	f.Add("GE T", "/ HTTP/1.1\r\n\r\n", "a\r\n", "Bad\nName", "x\r\ny: z", "abc", uint8(5))
	f.Fuzz(func(t *testing.T, method, target, authority, name, value, text string, kind uint8) {
		r := &ClientRequest{Method: method, Target: target, Authority: authority, Fields: []Field{{name, value}}, Close: kind&4 != 0}
		switch kind % 3 {
		case 0:
			r.Bytes = []byte(text)
		case 1:
			r.Source, r.Length = pieces(text), int64(len(text))
			if text == "" {
				r.Source = pieces()
			}
		case 2:
			r.Source, r.Length = pieces(text, ""), -1
		}
		d := newClientDialogue(t, Limits{})
		if err := d.c.Request(r); err != nil {
			d.says("").checks(true, false)
			return
		}
		out := d.said()
		for range 2 {
			d.c.Resume()
			out += d.said()
		}
		server := newDialogue(t, Limits{FieldSize: 1 << 20, Target: 1 << 20})
		server.app = silent
		if server.hear(out); server.err != nil || server.c.requests != 1 || len(server.kept) > 0 && !server.c.last.turn {
			t.Fatalf("the server role: %v, %d requests, %q is left of %q", server.err, server.c.requests, server.kept, out)
		}
		reader := bufio.NewReader(strings.NewReader(out))
		got, err := http.ReadRequest(reader)
		if err != nil {
			// net/http parses the target as a URL and minds what is in it.
			if strings.Contains(err.Error(), "parse ") || method == "PRI" {
				return
			}
			t.Fatalf("%v in %q", err, out)
		}
		body, err := io.ReadAll(got.Body)
		if err != nil || string(body) != text || got.Method != method || got.RequestURI != target || got.Close != r.Close {
			t.Errorf("net/http reads %s %s %q, closes %v, %v, of %q", got.Method, got.RequestURI, body, got.Close, err, out)
		}
		if reader.Buffered() > 0 {
			t.Errorf("bytes after the request: %q", out)
		}
	})
}
