package client

import (
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Hold opens connections, makes one exchange on each and keeps them.
type Hold struct {
	Address     string
	Protocol    string // "h1", "h2", "h1s", "h2s", "ws" or "ws-deflate"
	Path        string
	Content     string
	Connections int
}

// Open returns once each connection has had its answer; nothing is sent after that.
func (h Hold) Open() ([]net.Conn, error) {
	const workers = 16
	conns := make([]net.Conn, h.Connections)
	errs := make(chan error, workers)
	for w := range workers {
		go func() {
			for i := w; i < len(conns); i += workers {
				c, err := h.one()
				if err != nil {
					errs <- fmt.Errorf("connection %d: %w", i, err)
					return
				}
				conns[i] = c
			}
			errs <- nil
		}()
	}
	var first error
	for range workers {
		if err := <-errs; first == nil {
			first = err
		}
	}
	return conns, first
}

func (h Hold) one() (net.Conn, error) {
	secure := h.Protocol == "h1s" || h.Protocol == "h2s"
	alpn := "http/1.1"
	if h.Protocol == "h2s" {
		alpn = "h2"
	}
	c, err := dial(h.Address, secure, alpn)
	if err != nil {
		return nil, err
	}
	switch h.Protocol {
	case "h1", "h1s":
		err = exchangeH1(c, h.Path, h.Content)
	case "h2", "h2s":
		err = exchangeH2(c, secure, h.Path, h.Content)
	case "ws":
		if err = upgrade(c, h.Address, h.Path, ""); err == nil {
			send, want := frames(1)
			err = echoOnce(c, send, want)
		}
	case "ws-deflate":
		if err = upgrade(c, h.Address, h.Path, browsersLines); err == nil {
			_, want := frames(1)
			err = echoOnce(c, packedFrame(want[2:]), want)
		}
	default:
		err = fmt.Errorf("no protocol %q", h.Protocol)
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

func echoOnce(c net.Conn, send, want []byte) error {
	if err := c.SetDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	if _, err := c.Write(send); err != nil {
		return err
	}
	got := make([]byte, len(want))
	_, err := io.ReadFull(c, got)
	if err == nil && string(got) != string(want) {
		err = fmt.Errorf("the echo differs: %q", got)
	}
	if err != nil {
		return err
	}
	return c.SetDeadline(time.Time{})
}

// exchangeH2 makes one request on stream 1 with the least that RFC 9113 asks of a client.
func exchangeH2(c net.Conn, secure bool, path, content string) error {
	if err := c.SetDeadline(time.Now().Add(Patience)); err != nil {
		return err
	}
	scheme := "http"
	if secure {
		scheme = "https"
	}
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		return err
	}
	framer := http2.NewFramer(c, c)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := openWindows(framer, len(content)); err != nil {
		return err
	}
	var block headerBlock
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", scheme}, {":authority", "localhost"}, {":path", path}} {
		if err := encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return err
		}
	}
	err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndHeaders: true, EndStream: true})
	if err != nil {
		return err
	}
	return answerH2(c, framer, content)
}

// openWindows sends SETTINGS, with windows for so much content if the initial ones are too small.
func openWindows(framer *http2.Framer, content int) error {
	const initial = 65_535 // RFC 9113 section 6.9.2
	if content <= initial {
		return framer.WriteSettings()
	}
	if err := framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: uint32(content)}); err != nil {
		return err
	}
	return framer.WriteWindowUpdate(0, uint32(content))
}

// headerBlock collects what an encoder writes.
type headerBlock []byte

func (b *headerBlock) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

func answerH2(c net.Conn, framer *http2.Framer, content string) error {
	var status string
	var got strings.Builder
	for acked, ended := false, false; !acked || !ended; {
		frame, err := framer.ReadFrame()
		if err != nil {
			return err
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if f.IsAck() {
				acked = true
			} else if err := framer.WriteSettingsAck(); err != nil {
				return err
			}
		case *http2.MetaHeadersFrame:
			if !f.StreamEnded() || status == "" { // else they are trailers
				status = f.PseudoValue("status")
			}
			ended = f.StreamEnded()
		case *http2.DataFrame:
			got.Write(f.Data())
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return fmt.Errorf("refused: %v", f)
		}
	}
	if status != "200" || got.String() != content {
		return fmt.Errorf("answered %s, %.100q", status, got.String())
	}
	return c.SetDeadline(time.Time{})
}
