//go:build linux

package nethttp_test

import (
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/app/nethttp/nethttptest"
)

// A client whose windows are as large as the content gets the end of the stream, though that comes after the content.
func TestTheEndOfAStreamNeedsNoWindow(t *testing.T) {
	const size = 1 << 20
	s := nethttptest.Start(t, nethttptest.H2C, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(make([]byte, size))
	})})
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	c.Write([]byte(http2.ClientPreface))
	framer := http2.NewFramer(c, c)
	framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: size})
	framer.WriteWindowUpdate(0, size)
	framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true,
		BlockFragment: []byte{0x82, 0x86, 0x84, 0x41, 1, 'x'}})
	got := 0
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("after %d bytes: %v", got, err)
		}
		if data, ok := frame.(*http2.DataFrame); ok {
			if got += len(data.Data()); data.StreamEnded() {
				break
			}
		}
	}
	if got != size {
		t.Errorf("%d bytes", got)
	}
}
