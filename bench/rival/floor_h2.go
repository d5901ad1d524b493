package rival

import (
	"encoding/binary"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const frameHeader = 9

// floorH2 reads frames, decodes each header block, as HPACK's state demands of any server, and
// answers it with a canned HEADERS and DATA. It keeps no streams and minds no window: the load
// opens its windows wider than an answer ever fills.
type floorH2 struct {
	gnet.BuiltinEventEngine
	answer []byte // both frames; the stream identifiers are filled in behind
	out    []byte
}

type floorH2Conn struct {
	decoder *hpack.Decoder
	begun   bool
}

func newFloorH2() *floorH2 {
	block := []byte{0x88} // :status 200
	literal := func(index byte, value string) {
		block = append(block, 0x0f, index-15, byte(len(value)))
		block = append(block, value...)
	}
	literal(28, "13")         // content-length
	literal(31, "text/plain") // content-type
	literal(33, date())       // date
	f := &floorH2{}
	f.answer = appendFrame(f.answer, http2.FrameHeaders, http2.FlagHeadersEndHeaders, block)
	f.answer = appendFrame(f.answer, http2.FrameData, http2.FlagDataEndStream, []byte(Content))
	return f
}

func appendFrame(dst []byte, kind http2.FrameType, flags http2.Flags, payload []byte) []byte {
	n := len(payload)
	dst = append(dst, byte(n>>16), byte(n>>8), byte(n), byte(kind), byte(flags), 0, 0, 0, 0)
	return append(dst, payload...)
}

// OnOpen gives each connection the decoder that its header blocks share.
func (f *floorH2) OnOpen(c gnet.Conn) ([]byte, gnet.Action) {
	c.SetContext(&floorH2Conn{decoder: hpack.NewDecoder(4096, func(hpack.HeaderField) {})})
	return nil, gnet.None
}

// OnTraffic takes all whole frames of one read and answers them by one write.
func (f *floorH2) OnTraffic(c gnet.Conn) gnet.Action {
	conn := c.Context().(*floorH2Conn)
	in, err := c.Peek(-1)
	if err != nil {
		return gnet.Close
	}
	f.out = f.out[:0]
	used := 0
	if !conn.begun {
		if len(in) < len(http2.ClientPreface) {
			return gnet.None
		}
		used = len(http2.ClientPreface)
		conn.begun = true
		f.out = appendFrame(f.out, http2.FrameSettings, 0, []byte{0, byte(http2.SettingMaxConcurrentStreams), 0, 0, 0, 250})
	}
	for len(in)-used >= frameHeader {
		head := in[used:]
		end := frameHeader + int(head[0])<<16 + int(head[1])<<8 + int(head[2])
		if len(head) < end {
			break
		}
		if !f.frame(conn, head[:end]) {
			return gnet.Close
		}
		used += end
	}
	if used > 0 {
		if _, err := c.Discard(used); err != nil {
			return gnet.Close
		}
	}
	if len(f.out) > 0 {
		if _, err := c.Write(f.out); err != nil {
			return gnet.Close
		}
	}
	return gnet.None
}

func (f *floorH2) frame(conn *floorH2Conn, frame []byte) bool {
	flags, payload := http2.Flags(frame[4]), frame[frameHeader:]
	switch http2.FrameType(frame[3]) {
	case http2.FrameSettings:
		if !flags.Has(http2.FlagSettingsAck) {
			f.out = appendFrame(f.out, http2.FrameSettings, http2.FlagSettingsAck, nil)
		}
	case http2.FramePing:
		if !flags.Has(http2.FlagPingAck) {
			f.out = appendFrame(f.out, http2.FramePing, http2.FlagPingAck, payload)
		}
	case http2.FrameHeaders:
		if flags.Has(http2.FlagHeadersPadded) {
			return false
		}
		if flags.Has(http2.FlagHeadersPriority) {
			payload = payload[5:]
		}
		if _, err := conn.decoder.Write(payload); err != nil {
			return false
		}
		if err := conn.decoder.Close(); err != nil {
			return false
		}
		stream := binary.BigEndian.Uint32(frame[5:])
		at := len(f.out)
		f.out = append(f.out, f.answer...)
		binary.BigEndian.PutUint32(f.out[at+5:], stream)
		binary.BigEndian.PutUint32(f.out[len(f.out)-len(Content)-4:], stream)
	}
	return true
}
