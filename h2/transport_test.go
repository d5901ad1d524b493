package h2

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
)

// client returns the standard library's client for cleartext HTTP/2.
func (s *testServer) client(t *testing.T) *http.Client {
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func (s *testServer) url(path string) string { return "http://" + s.listener.Addr().String() + path }

func TestForeignClient(t *testing.T) {
	s := startServer(t, Config{})
	client := s.client(t)
	get := func(path string) (*http.Response, string) {
		t.Helper()
		res, err := client.Get(s.url(path))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(b)
	}
	if res, b := get("/"); b != "Hello, world!" || res.ProtoMajor != 2 || res.ContentLength != 13 || res.Header.Get("Date") == "" {
		t.Errorf("%v %q", res, b)
	}
	if res, b := get("/trailers"); b != "content" || res.Trailer.Get("Checksum") != "42" {
		t.Errorf("%v %q", res.Trailer, b)
	}
	if _, b := get("/big"); len(b) != bigSize {
		t.Errorf("%d bytes", len(b))
	}
	if res, err := client.Head(s.url("/")); err != nil || res.ContentLength != 13 {
		t.Errorf("%v %v", res, err)
	}
}

// Content of many sizes flows both ways at the same time.
func TestForeignClientEchoes(t *testing.T) {
	s := startServer(t, Config{})
	client := s.client(t)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			content := bytes.Repeat([]byte(fmt.Sprint(i)), i*i*100)
			req, _ := http.NewRequest("POST", s.url("/echo"), bytes.NewReader(content))
			if i%2 == 0 {
				req.Body = io.NopCloser(bytes.NewReader(content))
				req.ContentLength = -1
			}
			req.Trailer = http.Header{"Number": {fmt.Sprint(i)}}
			res, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || !bytes.Equal(got, content) || res.Trailer.Get("Number") != fmt.Sprint(i) {
				t.Errorf("%d bytes of %d came back, trailers %v, %v", len(got), len(content), res.Trailer, err)
			}
		})
	}
	wg.Wait()
}

// Cancellations in the middle of responses leave the connection usable.
func TestForeignClientCancels(t *testing.T) {
	s := startServer(t, Config{})
	client := s.client(t)
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, "GET", s.url("/big"), nil)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.CopyN(io.Discard, res.Body, 1000)
		cancel()
		res.Body.Close()
	}
	res, err := client.Get(s.url("/"))
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	res.Body.Close()
}

// x/net's framer and ours encode equal frames.
func TestFrames(t *testing.T) {
	var theirs bytes.Buffer
	fr := http2.NewFramer(&theirs, nil)
	fr.WriteRSTStream(5, http2.ErrCodeCancel)
	fr.WriteWindowUpdate(7, 99)
	fr.WritePing(true, [8]byte{0, 1, 2, 3, 4, 5, 6, 7})
	fr.WriteGoAway(maxStreamID, http2.ErrCodeEnhanceYourCalm, []byte("calm"))
	fr.WriteSettingsAck()
	fr.WriteSettings(http2.Setting{ID: 4, Val: 1}, http2.Setting{ID: 9, Val: 1 << 31})
	fr.WriteData(3, true, []byte("data"))

	ours := appendReset(nil, 5, CodeCancel)
	ours = appendWindowUpdate(ours, 7, 99)
	ours = appendPing(ours, flagAck, 0x0001020304050607)
	ours = appendGoaway(ours, maxStreamID, CodeEnhanceYourCalm, "calm")
	ours = appendSettingsAck(ours)
	ours = appendSettings(ours, setting{4, 1}, setting{9, 1 << 31})
	ours = append(ours, dataFrame(3, flagEndStream, "data")...)
	if !bytes.Equal(ours, theirs.Bytes()) {
		t.Errorf("ours   %x\ntheirs %x", ours, theirs.Bytes())
	}

	for range 1000 {
		var b [frameHeaderLen]byte
		for i := range b {
			b[i] = byte(rand.Uint32())
		}
		want, err := http2.ReadFrameHeader(bytes.NewReader(b[:]))
		if err != nil {
			t.Fatal(err)
		}
		h := parseFrameHeader(b[:])
		if h.length != want.Length || uint8(h.typ) != uint8(want.Type) || h.flags != uint8(want.Flags) || uint32(h.stream) != want.StreamID {
			t.Fatalf("%x: %+v, want %v", b, h, want)
		}
		var put [frameHeaderLen]byte
		if putFrameHeader(put[:], h); !bytes.Equal(put[:], appendFrameHeader(nil, h)) || parseFrameHeader(put[:]) != h {
			t.Fatalf("%x becomes %x", b, put)
		}
	}
}

// x/net's decoder reads our header blocks.
func TestEncoding(t *testing.T) {
	names := []string{"content-type", "Content-Type", "server", "etag", "set-cookie", "x-anything", "X-Mixed-Case", "link", "vary", "www-authenticate",
		"access-control-allow-origin", "accept-ranges", "age", "allow", "content-disposition", "content-language", "content-location",
		"content-range", "expires", "last-modified", "location", "proxy-authenticate", "refresh", "retry-after", "strict-transport-security",
		"via", "cache-control", "content-encoding", "date"}
	p := connect(t, Config{})
	for i, name := range names {
		for _, n := range []int{0, 1, 126, 127, 128, 255, 300} {
			p.writes(p.get(p.c.history.last + 2 | 1))
			value := strings.Repeat("v", n)
			status := 200 + (i*7+n)%400
			p.answers(p.c.history.last, &Response{Status: status, Fields: []Field{{name, value}}, Source: &feed{}, Length: int64(n)*12345 + 1})
			want := fmt.Sprintf("HEADERS %d :status=%d %s=%s content-length=%d", p.c.history.last, status, strings.ToLower(name), value, int64(n)*12345+1)
			if name == "date" {
				want = fmt.Sprintf("HEADERS %d :status=%d content-length=%d", p.c.history.last, status, int64(n)*12345+1)
			}
			if status == 204 || status == 304 {
				continue
			}
			p.wants(want)
			p.c.Reset(p.c.history.last, CodeCancel)
			p.frames()
		}
	}
}
