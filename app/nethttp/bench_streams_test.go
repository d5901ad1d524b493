//go:build linux

package nethttp_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/gatewheel/gatewheel/app/nethttp"
	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// streamsAtOnce is the number of streams that are open at once in BenchmarkStreams.
const streamsAtOnce = 100

// BenchmarkStreams has the cost of a request over HTTP/2 on one loop, with that of a client which counts ends of streams
// and nothing else.
func BenchmarkStreams(b *testing.B) {
	for name, handler := range map[string]http.HandlerFunc{
		"hello": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Content-Length", "13")
			io.WriteString(w, "Hello, World!")
		},
		"call": answerCall,
	} {
		content := ""
		if name == "call" {
			content = "\x00\x00\x00\x00\x100123456789abcdef"
		}
		b.Run("ours/"+name, func(b *testing.B) {
			site := nethttptest.Start(b, nethttptest.H2C, &http.Server{Handler: handler}, func(s *nethttp.Server) { s.Config.Loops = 1 })
			askStreams(b, site.Addr, content)
		})
		b.Run("net-http/"+name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			s := &http.Server{Handler: handler, Protocols: new(http.Protocols)}
			s.Protocols.SetUnencryptedHTTP2(true)
			go s.Serve(l)
			defer s.Close()
			askStreams(b, l.Addr().String(), content)
		})
	}
}

// answerCall answers as the handler of grpc-go does: the content is read and the response is made in goroutines of their
// own, and the message and the trailer fields are passed on separately.
func answerCall(w http.ResponseWriter, r *http.Request) {
	message, closed, writes := make(chan []byte, 1), make(chan bool), make(chan func())
	go func() {
		select {
		case <-closed:
		case <-r.Context().Done():
		}
	}()
	go func() {
		var all []byte
		p := callBuffers.Get().(*[16 << 10]byte)
		defer callBuffers.Put(p)
		for {
			n, err := r.Body.Read(p[:])
			if all = append(all, p[:n]...); err != nil {
				break
			}
		}
		message <- all
	}()
	go func() {
		all := <-message
		writes <- func() {
			h := w.Header()
			h["Date"] = nil
			h.Set("Content-Type", "application/grpc")
			h.Add("Trailer", "Grpc-Status")
			h.Add("Trailer", "Grpc-Message")
			w.Write(all[:5])
			w.Write(all[5:])
			w.(http.Flusher).Flush()
		}
		writes <- func() {
			w.(http.Flusher).Flush()
			w.Header().Set("Grpc-Status", "0")
		}
		close(writes)
	}()
	for write := range writes {
		write()
	}
	close(closed)
	r.Body.Close()
}

var callBuffers = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// askStreams makes b.N requests over one connection, streamsAtOnce at once.
func askStreams(b *testing.B, addr, content string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, http2.ClientPreface)
	out := &batch{}
	framer := http2.NewFramer(out, nil)
	framer.WriteSettings()
	framer.WriteSettingsAck()
	framer.WriteWindowUpdate(0, 1<<30)
	head := requestHead(content)
	next := uint32(1)
	ask := func(n int) {
		for range n {
			framer.WriteHeaders(http2.HeadersFrameParam{StreamID: next, BlockFragment: head, EndHeaders: true, EndStream: content == ""})
			if content != "" {
				framer.WriteData(next, true, []byte(content))
			}
			next += 2
		}
		if _, err := c.Write(out.p); err != nil {
			b.Fatal(err)
		}
		out.p = out.p[:0]
	}
	b.ReportAllocs()
	b.ResetTimer()
	left, open := b.N, min(b.N, streamsAtOnce)
	ask(open)
	left -= open
	counter := &endCounter{r: c, p: make([]byte, 64<<10)}
	for open > 0 {
		ended := counter.read(b)
		again := min(ended, left)
		open += again - ended
		if left -= again; again > 0 {
			ask(again)
		}
	}
}

// requestHead returns the field block of a request.
func requestHead(content string) []byte {
	var block batch
	e := hpack.NewEncoder(&block)
	e.SetMaxDynamicTableSize(0)
	fields := []string{":method", "GET", ":scheme", "http", ":path", "/", ":authority", "localhost", "user-agent", "bench"}
	if content != "" {
		fields[1] = "POST"
		fields = append(fields, "content-type", "application/grpc", "te", "trailers")
	}
	for ; len(fields) > 0; fields = fields[2:] {
		e.WriteField(hpack.HeaderField{Name: fields[0], Value: fields[1]})
	}
	return block.p
}

// batch is memory that is written to.
type batch struct{ p []byte }

func (w *batch) Write(p []byte) (int, error) {
	w.p = append(w.p, p...)
	return len(p), nil
}

// endCounter counts the frames of a connection that end a stream.
type endCounter struct {
	r    io.Reader
	p    []byte
	have int
}

// read reads once and returns the number of streams that have ended.
func (e *endCounter) read(b *testing.B) (ended int) {
	n, err := e.r.Read(e.p[e.have:])
	if err != nil {
		b.Fatal(err)
	}
	e.have += n
	p := e.p[:e.have]
	for len(p) >= 9 {
		length := 9 + int(binary.BigEndian.Uint32(p)>>8)
		if len(p) < length {
			break
		}
		switch kind, flags := http2.FrameType(p[3]), http2.Flags(p[4]); kind {
		case http2.FrameData, http2.FrameHeaders:
			if flags.Has(http2.FlagDataEndStream) {
				ended++
			}
		case http2.FrameRSTStream, http2.FrameGoAway:
			b.Fatalf("a frame %v: %q", kind, p[:length])
		}
		p = p[length:]
	}
	e.have = copy(e.p, p)
	return ended
}
