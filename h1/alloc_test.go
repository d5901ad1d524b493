package h1

import (
	"io"
	"strings"
	"testing"
	"unsafe"
)

// An idle connection is this and no buffer.
func TestConnIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); size > 128 {
		t.Errorf("a Conn has %d bytes", size)
	}
}

// A request costs one allocation, which holds the text of its head, and none if
// that is remembered. Its answer, its content, its trailers' slice, its events
// cost none.
func TestAllocations(t *testing.T) {
	large := []byte(strings.Repeat("x", 10000))
	source := &repeated{}
	for _, test := range []struct {
		name     string
		request  string
		response *Response
		want     float64
	}{
		{"bytes", get, hello, 1},
		{"many fields", browserRequest, hello, 1},
		{"large bytes", get, &Response{Status: 200, Bytes: large}, 1},
		{"a sized source", get, &Response{Status: 200, Source: source, Length: 1000}, 1},
		{"a chunked source", get, &Response{Status: 200, Source: source, Length: -1}, 1},
		{"content", postHost + "Content-Length: 5\r\n\r\nhello", hello, 1},
		{"chunks", postChunks + "5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", hello, 1},
		{"eight at once", strings.Repeat(get, 8), hello, 8},
	} {
		var c Conn
		var ev Event
		c.Init(benchShared())
		in, out := []byte(test.request), make([]byte, 0, 1<<17)
		ask := func(remembered bool) {
			source.left = 1000
			for rest := in; ; {
				if !remembered {
					c.sh.unknown = 0
				}
				n, err := c.Next(rest, &ev)
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
				if ev.Kind == NeedMore {
					break
				}
				if ev.Kind == Request {
					if err := c.Respond(ev.ID, test.response); err != nil {
						t.Fatal(err)
					}
				}
			}
			out = c.Transmit(out[:0], 1<<16)
			if c.Pending() != 0 {
				t.Fatal("not answered")
			}
		}
		if got := testing.AllocsPerRun(100, func() { ask(false) }); got != test.want {
			t.Errorf("%s: %v allocations, want %v", test.name, got, test.want)
		}
		if got := testing.AllocsPerRun(100, func() { ask(true) }); got != 0 {
			t.Errorf("%s, remembered: %v allocations", test.name, got)
		}
	}
}

// repeated is a Source of so many bytes.
type repeated struct{ left int }

func (r *repeated) Read(p []byte) (int, error) {
	n := min(len(p), r.left)
	r.left -= n
	if r.left == 0 {
		return n, io.EOF
	}
	return n, nil
}
