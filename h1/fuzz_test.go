package h1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// content reads a response as net/http does and returns its content.
func content(t testing.TB, out []byte) string {
	t.Helper()
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), nil)
	if err != nil {
		t.Fatalf("%v in %.200q", err, out)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// FuzzSplit: where the input is split changes nothing: not the events, not the
// output, not the end.
func FuzzSplit(f *testing.F) {
	for _, test := range accepted {
		f.Add([]byte(test.in+next), uint64(0x9e3779b97f4a7c15))
	}
	for _, test := range refused {
		if len(test.in) < 4096 {
			f.Add([]byte(test.in+next), uint64(0x5555))
		}
	}
	f.Add([]byte(expects+"hello"+up+conn+get), uint64(1))
	limits := Limits{Target: 100, Fields: 6, FieldSize: 200, Pipelined: 3, Content: 50, Discard: 20}
	f.Fuzz(func(t *testing.T, in []byte, cuts uint64) {
		whole, split := []string{string(in)}, splitAt(string(in), cuts)
		for _, app := range []func(*dialogue){nil, silent} {
			var traces [4][]string
			var outs [4]string
			for i, pieces := range [][]string{whole, split, bytesOf(string(in)), whole} {
				sh := NewShared(limits)
				if i == 3 {
					acquaint(t, sh, string(in))
				}
				trace, out, d := playOn(t, sh, app, pieces...)
				err := d.c.EOF()
				if err != nil {
					trace = append(trace, err.Error())
				}
				traces[i], outs[i] = trace, out+d.said()
				invariants(t, "", d)
			}
			for i := 1; i < len(traces); i++ {
				if !slices.Equal(traces[0], traces[i]) {
					t.Fatalf("whole\n%s\nsplit, or remembered (%d)\n%s", strings.Join(traces[0], "\n"), i, strings.Join(traces[i], "\n"))
				}
				if outs[0] != outs[i] {
					t.Fatalf("whole\n%q\nsplit\n%q", outs[0], outs[i])
				}
			}
		}
	})
}

// FuzzResponse: what the machine writes is read by net/http as it was meant.
func FuzzResponse(f *testing.F) {
	f.Add(200, "Content-Type", "text/plain", "Hello", uint8(0), uint8(3))
	f.Add(404, "X", "\ty z ", strings.Repeat("x", 5000), uint8(1), uint8(1))
	f.Add(304, "Transfer-Encoding", "chunked", "", uint8(2), uint8(0))
	f.Add(204, "Content-Length", "7", "abc", uint8(4), uint8(0))
	f.Add(500, "Bad\nName", "x\r\ny: z", "abc", uint8(5), uint8(9))
	f.Fuzz(func(t *testing.T, status int, name, value, text string, kind, piece uint8) {
		request := []string{get, head, kept}[kind%3]
		method := []string{"GET", "HEAD", "GET"}[kind%3]
		response := &Response{Status: status, Fields: []Field{{name, value}}}
		var cut []string
		for rest := text; rest != ""; {
			n := min(int(piece)+1, len(rest))
			cut = append(cut, rest[:n])
			rest = rest[n:]
		}
		switch kind / 3 % 3 {
		case 0:
			response.Bytes = []byte(text)
		case 1:
			response.Source, response.Length = &feed{pieces: cut}, int64(len(text))
		case 2:
			response.Source, response.Length = &feed{pieces: cut}, -1
		}
		d := newDialogue(t, Limits{})
		d.app = silent
		d.hear(request)
		if err := d.c.Respond(1, response); err != nil {
			d.says("")
			return
		}
		out := d.said()
		reader := bufio.NewReader(strings.NewReader(out))
		r, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("%v in %q", err, out)
		}
		if r.StatusCode != status {
			t.Errorf("status %d became %d", status, r.StatusCode)
		}
		canonical := http.CanonicalHeaderKey(name)
		owned := []string{"Connection", "Content-Length", "Transfer-Encoding", "Trailer"}
		if !slices.Contains(owned, canonical) && r.Header.Get(name) != strings.Trim(value, " \t") {
			t.Errorf("field %q: %q became %q", name, value, r.Header.Get(name))
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatalf("%v in %q", err, out)
		}
		if method == "HEAD" || status == 204 || status == 205 || status == 304 {
			text = ""
		}
		if string(body) != text {
			t.Errorf("content %q became %q", text, body)
		}
		if reader.Buffered() > 0 {
			t.Errorf("bytes after the response: %q", out)
		}
		if done, _ := d.c.Done(); done != r.Close {
			t.Errorf("closes: %v, but net/http reads %v", done, r.Close)
		}
	})
}

// FuzzAgainstNetHTTP: of a request that is accepted, net/http reads the same.
func FuzzAgainstNetHTTP(f *testing.F) {
	for _, test := range accepted {
		f.Add([]byte(test.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) { compareWithNetHTTP(t, string(in)) })
}

func TestAgainstNetHTTP(t *testing.T) {
	for _, test := range accepted {
		if !compareWithNetHTTP(t, test.in) && !strings.Contains(test.name, "bad whitespace") {
			t.Errorf("%s: not compared", test.name)
		}
	}
}

// compareWithNetHTTP reports whether both read the request.
func compareWithNetHTTP(t *testing.T, in string) bool {
	var h Head
	var body []byte
	var trailers []Field
	whole := false
	d := newDialogue(t, Limits{})
	d.app = func(d *dialogue) {
		if d.ev.ID > 1 {
			return
		}
		switch d.ev.Kind {
		case Request:
			h = d.ev.Head
			h.Fields = slices.Clone(h.Fields)
			whole = h.ContentLength == 0
		case Data:
			body = append(body, d.ev.Data...)
		case End:
			whole, trailers = true, slices.Clone(d.ev.Trailers)
		}
	}
	d.hear(in)
	if !whole {
		return false
	}
	for strings.HasPrefix(in, "\r\n") {
		in = in[2:]
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(in)))
	if err != nil {
		// net/http parses the target as a URL and minds what is in it.
		if strings.Contains(err.Error(), "parse ") || strings.Contains(err.Error(), "malformed HTTP version") {
			return false
		}
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
	if r.Method != h.Method || r.RequestURI != h.Target || string(got) != string(body) {
		t.Errorf("%s %s %q, net/http: %s %s %q", h.Method, h.Target, body, r.Method, r.RequestURI, got)
	}
	if r.ContentLength != h.ContentLength {
		t.Errorf("length %d, net/http: %d", h.ContentLength, r.ContentLength)
	}
	// net/http undoes percent-encoding in the host of an absolute target, h1 leaves it to the user of the name.
	if r.Host != h.Authority && !strings.Contains(h.Authority, "%") {
		t.Errorf("authority %q, net/http: %q", h.Authority, r.Host)
	}
	if r.ProtoMinor == int(h.Minor) && r.Close == h.KeepAlive {
		t.Errorf("keeps %v, net/http closes %v", h.KeepAlive, r.Close)
	}
	for _, f := range trailers {
		if !slices.Contains(r.Trailer.Values(f.Name), f.Value) {
			t.Errorf("trailer %v, net/http: %v", f, r.Trailer)
		}
	}
	for _, f := range h.Fields {
		key := http.CanonicalHeaderKey(f.Name)
		if key != "Host" && key != "Transfer-Encoding" && key != "Trailer" && !slices.Contains(r.Header.Values(key), f.Value) {
			t.Errorf("field %v, net/http: %q", f, r.Header)
		}
	}
	return true
}
