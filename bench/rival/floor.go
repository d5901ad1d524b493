package rival

import (
	"bytes"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// date is what a canned answer carries: answers should be as long as a real server's.
func date() string { return time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") }

// floor answers on gnet without understanding: one loop, one write a turn.
func floor(o Options) error {
	var handler gnet.EventHandler
	switch o.Protocol {
	case "h1":
		handler = &floorH1{answer: []byte("HTTP/1.1 200 OK\r\nDate: " + date() +
			"\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n" + Content)}
	case "h2":
		handler = newFloorH2()
	default:
		return unspoken("the floor", o.Protocol)
	}
	return gnet.Run(handler, "tcp://"+o.Address, gnet.WithNumEventLoop(1), gnet.WithReuseAddr(true),
		gnet.WithTCPNoDelay(gnet.TCPNoDelay))
}

type floorH1 struct {
	gnet.BuiltinEventEngine
	answer []byte
	out    []byte
}

// OnTraffic answers each blank line. A request split by the network is left for the next turn.
func (f *floorH1) OnTraffic(c gnet.Conn) gnet.Action {
	in, err := c.Peek(-1)
	if err != nil {
		return gnet.Close
	}
	f.out = f.out[:0]
	used := 0
	for {
		n := bytes.Index(in[used:], []byte("\r\n\r\n"))
		if n < 0 {
			break
		}
		used += n + 4
		f.out = append(f.out, f.answer...)
	}
	if used == 0 {
		return gnet.None
	}
	if _, err := c.Discard(used); err != nil {
		return gnet.Close
	}
	if _, err := c.Write(f.out); err != nil {
		return gnet.Close
	}
	return gnet.None
}
