package h2_test

import (
	"fmt"
	"time"

	"golang.org/x/net/http2"

	"github.com/gatewheel/gatewheel/h2"
)

// A turn sets the time, feeds input, answers requests and pulls output.
func Example() {
	loop, err := h2.NewShared(h2.Config{})
	if err != nil {
		panic(err)
	}
	loop.Tick(time.Now())
	var c h2.Conn
	c.Init(loop, 0)

	input := []byte(h2.Preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00" + // SETTINGS
		"\x00\x00\x06\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x01a") // HEADERS
	var ev h2.Event
	for {
		n, err := c.Next(input, &ev)
		if input = input[n:]; err != nil || ev.Kind == h2.NeedMore {
			break
		}
		if ev.Kind == h2.Request {
			fmt.Println(ev.Stream, ev.Head.Method, ev.Head.Path)
			c.Respond(ev.Stream, &h2.Response{Status: 200, Bytes: []byte("hello")})
		}
	}
	output := c.Transmit(nil, 64<<10)
	for len(output) > 0 {
		length := int(output[0])<<16 | int(output[1])<<8 | int(output[2])
		fmt.Println(http2.FrameType(output[3]), length > 0)
		output = output[9+length:]
	}
	// Output:
	// 1 GET /
	// SETTINGS true
	// WINDOW_UPDATE true
	// SETTINGS false
	// HEADERS true
	// DATA true
}
