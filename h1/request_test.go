package h1

import (
	"math"
	"strings"
	"testing"
)

const next = "GET /next HTTP/1.1\r\nHost: n\r\n\r\n"

// Requests that are accepted, and the events for them. Each runs whole, byte
// by byte, and with another request after it, which is read if, and only if,
// the connection goes on.
var accepted = []struct {
	name, in string
	want     []string
	closes   bool
}{
	{"origin-form", "GET /a/b?c=d?e HTTP/1.1\r\nHost: example.com:80\r\n\r\n",
		[]string{`1 GET origin=/a/b?c=d?e host=example.com:80 path=/a/b query=c=d?e 1.1 length=0 keeps Host:"example.com:80"`}, false},
	{"absolute-form: its authority replaces Host", "GET http://a.example/x?y HTTP/1.1\r\nHost: b.example\r\n\r\n",
		[]string{`1 GET absolute=http://a.example/x?y scheme=http host=a.example path=/x query=y 1.1 length=0 keeps Host:"b.example"`}, false},
	{"absolute-form without path", "GET https://a.example?q HTTP/1.1\r\nHost: a.example\r\n\r\n",
		[]string{`1 GET absolute=https://a.example?q scheme=https host=a.example path=/ query=q 1.1 length=0 keeps Host:"a.example"`}, false},
	{"absolute-form of a whole server", "OPTIONS http://a.example:8001 HTTP/1.1\r\nHost: a\r\n\r\n",
		[]string{`1 OPTIONS absolute=http://a.example:8001 scheme=http host=a.example:8001 path=* 1.1 length=0 keeps Host:"a"`}, false},
	{"asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
		[]string{`1 OPTIONS asterisk=* host=a path=* 1.1 length=0 keeps Host:"a"`}, false},
	{"IPv6 host", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n",
		[]string{`1 GET origin=/ host=[2001:db8::1]:8080 path=/ 1.1 length=0 keeps Host:"[2001:db8::1]:8080"`}, false},
	{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n",
		[]string{`1 GET origin=/ path=/ 1.1 length=0 keeps Host:""`}, false},
	{"no host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n",
		[]string{`1 GET origin=/ path=/ 1.0 length=0 `}, true},
	{"unknown method, unescaped query", "BREW-2 /{a}|\"b^ HTTP/1.1\r\nHost: a\r\n\r\n",
		[]string{`1 BREW-2 origin=/{a}|"b^ host=a path=/{a}|"b^ 1.1 length=0 keeps Host:"a"`}, false},
	{"higher minor version", "GET / HTTP/1.7\r\nHost: a\r\n\r\n",
		[]string{`1 GET origin=/ host=a path=/ 1.1 length=0 keeps Host:"a"`}, false},
	{"empty lines in front", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		[]string{`1 GET origin=/ host=a path=/ 1.1 length=0 keeps Host:"a"`}, false},
	{"values are trimmed, inner tabs and bytes above ASCII stay", "GET / HTTP/1.1\r\nHOST: \t a\t \r\nX:\r\nY: a\tb  c \xff\r\nZ-z:0123456789\tabcdefghijklmnop\r\n\r\n",
		[]string{`1 GET origin=/ host=a path=/ 1.1 length=0 keeps HOST:"a" X:"" Y:"a\tb  c \xff" Z-z:"0123456789\tabcdefghijklmnop"`}, false},
	{"content of a known length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
		[]string{`1 POST origin=/ host=a path=/ 1.1 length=5 keeps Host:"a" Content-Length:"5"`, "1 data hello", "1 end"}, false},
	{"content of length zero", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 000\r\n\r\n",
		[]string{`1 POST origin=/ host=a path=/ 1.1 length=0 keeps Host:"a" Content-Length:"000"`}, false},
	{"chunks, extensions and trailers", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n" +
		"5\r\nhello\r\n00A;x=\"y;\"\r\n, world...\r\n1; q = \"a b\"\t\r\n!\r\n0;last\r\nA: 1\r\nb:2 \r\n\r\n",
		[]string{`1 POST origin=/ host=a path=/ 1.1 length=-1 keeps Host:"a" Transfer-Encoding:"Chunked"`,
			"1 data hello, world...!", `1 end A:"1" b:"2"`}, false},
	{"chunk extensions with bad whitespace, and quoted ones", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"1 ;a\r\nA\r\n1\t \t;\ta ; b\t=\tc;d= \"\"\r\nB\r\n1;a=\"\\\"\\\\;=\xff\"; b\r\nC\r\n0 ; a=b\r\n\r\n",
		[]string{`1 POST origin=/ host=a path=/ 1.1 length=-1 keeps Host:"a" Transfer-Encoding:"chunked"`, "1 data ABC", "1 end"}, false},
	{"small chunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"1\r\nA\r\n000002\r\nBC\r\n3;a\r\nDEF\r\n1\r\nG\r\n1\r\nH\r\n000\r\n\r\n",
		[]string{`1 POST origin=/ host=a path=/ 1.1 length=-1 keeps Host:"a" Transfer-Encoding:"chunked"`, "1 data ABCDEFGH", "1 end"}, false},
	{"no chunk but the last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		[]string{`1 POST origin=/ host=a path=/ 1.1 length=-1 keeps Host:"a" Transfer-Encoding:"chunked"`, "1 end"}, false},
	{"close", "GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n",
		[]string{`1 GET origin=/ host=a path=/ 1.1 length=0 Host:"a" Connection:"foo, Close"`}, true},
	{"keep-alive in HTTP/1.0", "GET / HTTP/1.0\r\nConnection: ,Keep-Alive\r\n\r\n",
		[]string{`1 GET origin=/ path=/ 1.0 length=0 keeps Connection:",Keep-Alive"`}, false},
	{"close wins over keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
		[]string{`1 GET origin=/ path=/ 1.0 length=0 Connection:"keep-alive" Connection:"close"`}, true},
	{"expectation", "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
		[]string{`1 PUT origin=/ host=a path=/ 1.1 length=1 expects keeps Host:"a" Expect:"100-Continue" Content-Length:"1"`, "1 data x", "1 end"}, false},
	{"expectation without content", "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
		[]string{`1 GET origin=/ host=a path=/ 1.1 length=0 keeps Host:"a" Expect:"100-continue"`}, false},
	{"empty list of expectations", "PUT / HTTP/1.1\r\nHost: a\r\nExpect:\r\nContent-Length: 1\r\n\r\nx",
		[]string{`1 PUT origin=/ host=a path=/ 1.1 length=1 keeps Host:"a" Expect:"" Content-Length:"1"`, "1 data x", "1 end"}, false},
	{"expectation in HTTP/1.0 means nothing", "PUT / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: tea\r\nContent-Length: 1\r\n\r\nx",
		[]string{`1 PUT origin=/ path=/ 1.0 length=1 keeps Connection:"keep-alive" Expect:"tea" Content-Length:"1"`, "1 data x", "1 end"}, false},
	{"upgrade, declined", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: tea/2\r\n\r\n",
		[]string{`1 GET origin=/ host=a path=/ 1.1 length=0 keeps upgrade=h2c, tea/2 Host:"a" Connection:"Upgrade" Upgrade:"h2c" Upgrade:"tea/2"`}, false},
	{"upgrade that Connection does not list", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
		[]string{`1 GET origin=/ host=a path=/ 1.1 length=0 keeps Host:"a" Upgrade:"h2c"`}, false},
	{"upgrade in HTTP/1.0 means nothing", "GET / HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: h2c\r\n\r\n",
		[]string{`1 GET origin=/ path=/ 1.0 length=0 keeps Connection:"upgrade, keep-alive" Upgrade:"h2c"`}, false},
}

func TestAcceptedRequests(t *testing.T) {
	for _, test := range accepted {
		t.Run(test.name, func(t *testing.T) {
			trace, out, d := play(t, Limits{}, nil, test.in)
			d.trace = trace
			d.tells(test.want...)
			if closes, _ := d.c.Done(); closes != test.closes {
				t.Errorf("Done says %v", closes)
			}
			bytewise, bytewiseOut, _ := play(t, Limits{}, nil, bytesOf(test.in)...)
			d.trace = bytewise
			d.tells(test.want...)
			if bytewiseOut != out {
				t.Errorf("byte by byte the machine says\n%q, whole\n%q", bytewiseOut, out)
			}
			more, _, d := play(t, Limits{}, nil, test.in+next)
			d.trace = more
			if !test.closes {
				test.want = append(test.want[:len(test.want):len(test.want)],
					`2 GET origin=/next host=n path=/next 1.1 length=0 keeps Host:"n"`)
			}
			d.tells(test.want...)
		})
	}
}

// The largest accepted requests, and the refusal of one byte or field more.
func TestLimits(t *testing.T) {
	limits := Limits{Target: 20, Fields: 3, FieldSize: 64, Content: 10}
	const host = " HTTP/1.1\r\nHost: a\r\n"
	chunks := "POST /" + host + "Transfer-Encoding: chunked\r\n\r\n"
	for _, test := range []struct {
		name, begin, one, end string
		fits                  int
		status                string
	}{
		{"target", "GET /", "x", host + "\r\n", 19, "414"},
		{"method", "", "M", " /" + host + "\r\n", maxMethod, "501"},
		{"fields", "GET /" + host, "A:b\r\n", "\r\n", 2, "431"},
		{"field size", "GET /" + host + "A:", "x", "\r\n\r\n", 64 - len("Host: a\r\nA:\r\n\r\n"), "431"},
		{"empty lines", "", "\r\n", "GET /" + host + "\r\n", maxBlank, "400"},
		{"chunks", chunks, "1\r\nx\r\n", "0\r\n\r\n", 10, "413"},
		{"extension", chunks + "1;", "x", "\r\nx\r\n0\r\n\r\n", maxExtension - 1, "400"},
		{"size digits", chunks, "0", "1\r\nx\r\n0\r\n\r\n", maxSizeDigits - 1, "400"},
		{"trailers", chunks + "0\r\n", "A:b\r\n", "\r\n", 3, "431"},
		{"trailer size", chunks + "0\r\nA:", "x", "\r\n\r\n", 64 - len("A:\r\n\r\n"), "431"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, pieces := range []func(string) []string{bytesOf, func(s string) []string { return []string{s} }} {
				fits := test.begin + strings.Repeat(test.one, test.fits) + test.end
				if trace, out, _ := play(t, limits, nil, pieces(fits)...); !strings.HasPrefix(out, "HTTP/1.1 200") {
					t.Errorf("%d are refused: %q %q", test.fits, trace, out)
				}
				over := test.begin + strings.Repeat(test.one, test.fits+1) + test.end
				if trace, out, d := play(t, limits, nil, pieces(over)...); d.err == nil || !strings.HasPrefix(out, "HTTP/1.1 "+test.status) {
					t.Errorf("one more gets %q %q", trace, out)
				}
			}
		})
	}
}

func TestContentLimit(t *testing.T) {
	for length, want := range map[string]string{"10": "", "11": "HTTP/1.1 413 ", "99999999999999999999": "HTTP/1.1 413 "} {
		in := postHost + "Content-Length: " + length + "\r\n\r\n"
		trace, out, _ := play(t, Limits{Content: 10}, nil, in)
		if !strings.HasPrefix(out, want) || (want == "") != (out == "") {
			t.Errorf("Content-Length %s: %q %q", length, trace, out)
		}
	}
}

// A head that arrives byte by byte costs as much work as one that arrives whole.
func TestLinearWork(t *testing.T) {
	long := "GET /" + strings.Repeat("x", 8000) + " HTTP/1.1\r\nHost: a\r\n" +
		strings.Repeat("Name: "+strings.Repeat("value ", 80)+"\r\n", 100)
	for _, in := range []string{
		long + "\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nLong: " + strings.Repeat(" \t", 30000) + "\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("n", 60000) + ": v\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("T: v\r\n", 100) + "\r\n",
	} {
		_, out, d := play(t, Limits{}, nil, bytesOf(in)...)
		if !strings.HasPrefix(out, "HTTP/1.1 200") {
			t.Fatalf("%.60q", out)
		}
		if most := uint64(3 * len(in)); d.sh.work > most {
			t.Errorf("%d bytes were examined for a head of %d", d.sh.work, len(in))
		}
	}
}

// All text of a head lies in one block: nothing of it changes when the
// caller's buffers are used again.
func TestHeadKeepsItsText(t *testing.T) {
	d := newDialogue(t, Limits{})
	in := []byte("GET /path?query HTTP/1.1\r\nHost: example.com\r\n\r\n")
	if _, err := d.c.Next(in, &d.ev); err != nil {
		t.Fatal(err)
	}
	kept := d.ev.Head
	kept.Fields = append([]Field(nil), kept.Fields...)
	want := describe(1, &kept)
	for i := range in {
		in[i] = '#'
	}
	d.answers(1, hello).said()
	d.hear(next)
	if got := describe(1, &kept); got != want {
		t.Errorf("the head became %s, was %s", got, want)
	}
}

func TestDecimal(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "007": 7, "9223372036854775807": math.MaxInt64} {
		if got, err := decimal(in); got != want || err != nil {
			t.Errorf("decimal(%q) = %d, %v", in, got, err)
		}
	}
	for in, want := range map[string]*Error{"": errLengthForm, "-1": errLengthForm, "+1": errLengthForm, "1_0": errLengthForm,
		"0x1": errLengthForm, "9223372036854775808": errLengthHuge, "99999999999999999999": errLengthHuge} {
		if _, err := decimal(in); err != want {
			t.Errorf("decimal(%q): %v", in, err)
		}
	}
}

func TestTrailerNames(t *testing.T) {
	for _, name := range []string{"TE", "Host", "Expect", "Trailer", "Upgrade", "Connection", "Keep-Alive", "Content-Length", "Transfer-Encoding"} {
		if inTrailer(name) {
			t.Errorf("%s is accepted", name)
		}
	}
	for _, name := range []string{"ET", "Etag", "Server", "Server2", "Digest-Sha", "Content-Digest", "Transfer-Encodinh"} {
		if !inTrailer(name) {
			t.Errorf("%s is refused", name)
		}
	}
}
