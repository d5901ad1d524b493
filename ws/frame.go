package ws

import "encoding/binary"

// Opcode is the type of a frame or a message. RFC 6455 section 5.2.
type Opcode uint8

const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	opClose      Opcode = 0x8
	opPing       Opcode = 0x9
	opPong       Opcode = 0xA
)

func (op Opcode) control() bool { return op&0x8 != 0 }

// Role is the side of the connection: a client masks its frames.
type Role uint8

const (
	Server Role = iota
	Client
)

const (
	bitFin  = 0x80
	bitRSV1 = 0x40
	bitRSV2 = 0x20
	bitRSV3 = 0x10
	bitMask = 0x80

	length16 = 126 // a 16-bit length follows
	length64 = 127 // a 64-bit length follows
)

// header is a received frame header.
type header struct {
	length int64
	size   int // of the header itself, in bytes
	key    uint32
	op     Opcode
	fin    bool
	rsv1   bool
	masked bool
	short  byte // the length, or length16 or length64
}

// input returns the header's column of the state table.
func (h *header) input() input {
	switch {
	case h.op == opPing:
		return gotPing
	case h.op == opPong:
		return gotPong
	case h.op == opClose:
		return gotClose
	case h.op == Continuation && h.fin:
		return gotLast
	case h.op == Continuation:
		return gotMore
	case h.fin:
		return gotWhole
	}
	return gotFirst
}

// begin reads a header's first two bytes, sent by the peer of role. deflate reports
// whether permessage-deflate was negotiated, which gives RSV1 a meaning. fault is the
// rule that the bytes break, empty if none.
func (h *header) begin(first, second byte, role Role, deflate bool) (fault string) {
	h.op = Opcode(first & 0x0F)
	h.fin = first&bitFin != 0
	h.rsv1 = first&bitRSV1 != 0
	h.masked = second&bitMask != 0
	h.short = second &^ bitMask
	if fault = h.check(first, deflate); fault != "" {
		return fault
	}
	if h.masked != (role == Server) {
		// RFC 6455 section 5.1: a client masks every frame, a server masks none.
		if h.masked {
			return "masked frame from a server"
		}
		return "unmasked frame from a client"
	}
	return ""
}

// complete reads the rest of the header with which in begins. ok is false while bytes
// are missing.
func (h *header) complete(in []byte) (ok bool, fault string) {
	h.size = 2
	h.length = int64(h.short)
	if h.short >= length16 {
		if ok, fault = h.readLength(in); !ok {
			return false, fault
		}
	}
	if h.masked {
		if len(in) < h.size+4 {
			return false, ""
		}
		h.key = binary.LittleEndian.Uint32(in[h.size:])
		h.size += 4
	}
	return true, ""
}

// check applies the rules on a header's first two bytes.
func (h *header) check(first byte, deflate bool) (fault string) {
	switch h.op {
	case Text, Binary:
		if h.rsv1 && !deflate {
			// RFC 6455 section 5.2: no extension gave the bit a meaning.
			return "RSV1 without an extension"
		}
	case Continuation:
		if h.rsv1 {
			// RFC 7692 section 6.1: the bit belongs to a message's first frame.
			return "RSV1 on a continuation"
		}
	case opClose, opPing, opPong:
		switch {
		case h.rsv1:
			// RFC 7692 section 6.1: control frames are not compressed.
			return "RSV1 on a control frame"
		case !h.fin:
			// RFC 6455 section 5.5.
			return "fragmented control frame"
		case h.short > maxControl:
			return "control frame over 125 bytes"
		}
	default:
		// RFC 6455 section 5.2: an unknown opcode fails the connection.
		return "reserved opcode"
	}
	if first&(bitRSV2|bitRSV3) != 0 {
		return "reserved bit set"
	}
	return ""
}

// readLength reads an extended length. RFC 6455 section 5.2: it has its shortest form,
// and the highest bit of the longest form is zero.
func (h *header) readLength(in []byte) (ok bool, fault string) {
	if h.short == length16 {
		if len(in) < 4 {
			return false, ""
		}
		h.size = 4
		h.length = int64(binary.BigEndian.Uint16(in[2:]))
		if h.length < length16 {
			return false, "length not in its shortest form"
		}
		return true, ""
	}
	if len(in) < 10 {
		return false, ""
	}
	h.size = 10
	h.length = int64(binary.BigEndian.Uint64(in[2:]))
	switch {
	case h.length < 0:
		return false, "length with its highest bit set"
	case h.length <= 0xFFFF:
		return false, "length not in its shortest form"
	}
	return true, ""
}

// appendHeader appends a frame header with that first byte, for a payload of n bytes.
// maskBit is bitMask if a masking key follows, otherwise 0.
func appendHeader(b []byte, first byte, n int, maskBit byte) []byte {
	switch {
	case n < length16:
		return append(b, first, maskBit|byte(n))
	case n <= 0xFFFF:
		return append(b, first, maskBit|length16, byte(n>>8), byte(n))
	}
	b = append(b, first, maskBit|length64)
	return binary.BigEndian.AppendUint64(b, uint64(n))
}
