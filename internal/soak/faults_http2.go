//go:build linux

package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

var http2Faults = []element{
	{"HTTP/2 streams reset by their client", 4, (*operation).resetStreams, false},
	{"HTTP/2 uploads abandoned", 3, (*operation).abandonStream, false},
	{"HTTP/2 connection errors", 4, (*operation).connectionError, false},
	{"HTTP/2 malformed requests", 3, (*operation).malformedStream, false},
}

// resetStreams cancels some of the requests on one connection; the others must be answered.
func (op *operation) resetStreams() error {
	p := http2Plain + protocol(op.rand.IntN(2))
	client := op.newClient(p)
	defer client.CloseIdleConnections()
	// The first request opens the connection that the others share.
	if err := op.request(client, p, http.MethodGet, "/bytes/1", nil, nil, ofPattern(1)); err != nil {
		return err
	}
	const streams = 8
	results := make(chan error, streams)
	for i := range streams {
		part := op.rand.IntN(100_000)
		go func() {
			if i%2 == 0 {
				results <- op.request(client, p, http.MethodGet, "/stream/300000", nil, nil, ofPattern(300_000))
				return
			}
			results <- op.cancel(client, p, part)
		}()
	}
	var errs []error
	for range streams {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

// cancel resets a stream after a part of its response.
func (op *operation) cancel(client *http.Client, p protocol, part int) error {
	ctx, cancel := context.WithCancel(op.ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, op.to.url(p, "/bytes/1048576"), nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return in("a request that is to be cancelled", err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.CopyN(io.Discard, response.Body, int64(part)); err != nil {
		return in("the part of a response before it is cancelled", err)
	}
	op.explain(OwnFault)
	return nil
}

// abandonStream cancels an upload in its middle; another request on the connection must be answered.
func (op *operation) abandonStream() error {
	p := http2Plain + protocol(op.rand.IntN(2))
	client := op.newClient(p)
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(op.ctx)
	content, body := io.Pipe()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, op.to.url(p, "/upload"), content)
	if err != nil {
		cancel()
		return err
	}
	done := make(chan error, 1)
	go func() {
		response, err := client.Do(request)
		if err == nil {
			_ = response.Body.Close()
			err = wrong("an upload without an end was answered with %s", response.Status)
		} else if ctx.Err() != nil {
			err = nil
		}
		_ = content.Close()
		done <- err
	}()
	_, _ = body.Write(op.bytes(1000 + op.rand.IntN(100_000)))
	cancel()
	if err := <-done; err != nil {
		return in("an upload that is to be abandoned", err)
	}
	op.explain(OwnFault)
	return op.request(client, p, http.MethodGet, "/bytes/1000", nil, nil, ofPattern(1000))
}

// A framed is an HTTP/2 connection without TLS that writes what it is told to.
type framed struct {
	*http2.Framer
	close func() error
	block func(fields ...string) []byte
}

// frames opens an HTTP/2 connection.
func (op *operation) frames() (*framed, error) {
	c, err := op.dial()
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		_ = c.Close()
		return nil, err
	}
	f := &framed{Framer: http2.NewFramer(c, c), close: c.Close}
	f.AllowIllegalWrites = true
	f.block = func(fields ...string) []byte {
		var b sliceWriter
		encoder := hpack.NewEncoder(&b)
		for i := 0; i+1 < len(fields); i += 2 {
			_ = encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
		}
		return b
	}
	return f, f.WriteSettings()
}

type sliceWriter []byte

func (w *sliceWriter) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

// get opens a stream for a request without content.
func (f *framed) get(stream uint32, path string) error {
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, EndStream: true, EndHeaders: true,
		BlockFragment: f.block(":method", "GET", ":scheme", "http", ":path", path, ":authority", serverName)})
}

// connectionErrors are frames that must end a connection (RFC 9113).
var connectionErrors = []struct {
	name  string
	code  http2.ErrCode
	write func(*framed) error
}{
	{"DATA on stream 0", http2.ErrCodeProtocol, func(f *framed) error { return f.WriteRawFrame(http2.FrameData, 0, 0, []byte("x")) }},
	{"HEADERS on an even stream", http2.ErrCodeProtocol, func(f *framed) error { return f.get(2, "/") }},
	{"DATA on an idle stream", http2.ErrCodeProtocol, func(f *framed) error { return f.WriteRawFrame(http2.FrameData, 0, 9, []byte("x")) }},
	{"WINDOW_UPDATE of 0", http2.ErrCodeProtocol, func(f *framed) error { return f.WriteRawFrame(http2.FrameWindowUpdate, 0, 0, make([]byte, 4)) }},
	{"a window beyond 2^31-1", http2.ErrCodeFlowControl, func(f *framed) error { return f.WriteWindowUpdate(0, 1<<31-1) }},
	{"a frame that is too large", http2.ErrCodeFrameSize, func(f *framed) error {
		if err := f.get(1, "/bytes/1"); err != nil {
			return err
		}
		return f.WriteRawFrame(http2.FrameHeaders, 0, 3, make([]byte, 20_000))
	}},
	{"a header block that cannot be decoded", http2.ErrCodeCompression, func(f *framed) error {
		return f.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	}},
	{"PUSH_PROMISE", http2.ErrCodeProtocol, func(f *framed) error { return f.WriteRawFrame(http2.FramePushPromise, 0x4, 1, make([]byte, 8)) }},
}

// connectionError sends a frame that must be answered with GOAWAY and the end of the connection.
func (op *operation) connectionError() error {
	f, err := op.frames()
	if err != nil {
		return err
	}
	defer func() { _ = f.close() }()
	bad := connectionErrors[op.rand.IntN(len(connectionErrors))]
	if err := bad.write(f); err != nil {
		return in(bad.name, err)
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return in("GOAWAY after "+bad.name, err)
		}
		away, ok := frame.(*http2.GoAwayFrame)
		switch {
		case !ok || away.ErrCode == http2.ErrCodeNo && op.restarting():
		case away.ErrCode != bad.code:
			return wrong("GOAWAY with %v after %s, want %v", away.ErrCode, bad.name, bad.code)
		default:
			op.explain(OwnFault)
			return nil
		}
	}
}

// malformedStream sends a request that is malformed (RFC 9113 section 8.1.1) between two others, which must be answered.
func (op *operation) malformedStream() error {
	f, err := op.frames()
	if err != nil {
		return err
	}
	defer func() { _ = f.close() }()
	bad := [][]string{
		{":method", "GET", ":scheme", "http", ":authority", serverName},
		{":method", "GET", ":scheme", "http", ":path", "/", ":authority", serverName, "Upper", "case"},
		{":method", "GET", ":scheme", "http", ":path", "/", ":authority", serverName, "connection", "close"},
		{":method", "GET", ":scheme", "http", ":path", "/", "x", "y", ":authority", serverName},
	}[op.rand.IntN(4)]
	if err := f.get(1, "/bytes/100"); err != nil {
		return err
	}
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, EndStream: true, EndHeaders: true, BlockFragment: f.block(bad...)}); err != nil {
		return err
	}
	if err := f.get(5, "/bytes/100"); err != nil {
		return err
	}
	answered, reset := map[uint32]bool{}, false
	for !answered[1] || !answered[5] || !reset {
		frame, err := f.ReadFrame()
		if err != nil {
			return in(fmt.Sprintf("beside a malformed request: streams answered %v, malformed one reset %v", answered, reset), err)
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			answered[frame.StreamID] = answered[frame.StreamID] || frame.StreamEnded() && frame.StreamID != 3
		case *http2.RSTStreamFrame:
			if frame.StreamID != 3 || frame.ErrCode != http2.ErrCodeProtocol {
				return wrong("stream %d was reset with %v beside a malformed one", frame.StreamID, frame.ErrCode)
			}
			reset = true
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo || !op.restarting() {
				return wrong("GOAWAY with %v beside a malformed request", frame.ErrCode)
			}
		}
	}
	op.answered(2)
	op.explain(OwnFault)
	return nil
}
