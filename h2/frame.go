package h2

import "encoding/binary"

// frameType is a frame type of RFC 9113 section 6 or of RFC 9218 section 7.1.
type frameType uint8

const (
	frameData           frameType = 0x0
	frameHeaders        frameType = 0x1
	framePriority       frameType = 0x2
	frameReset          frameType = 0x3
	frameSettings       frameType = 0x4
	framePushPromise    frameType = 0x5
	framePing           frameType = 0x6
	frameGoaway         frameType = 0x7
	frameWindowUpdate   frameType = 0x8
	frameContinuation   frameType = 0x9
	framePriorityUpdate frameType = 0x10
)

const (
	flagEndStream  = 0x1  // DATA, HEADERS
	flagAck        = 0x1  // SETTINGS, PING
	flagEndHeaders = 0x4  // HEADERS, CONTINUATION
	flagPadded     = 0x8  // DATA, HEADERS
	flagPriority   = 0x20 // HEADERS
)

// Lengths of frames and of their parts, in bytes.
const (
	frameHeaderLen   = 9
	priorityLen      = 5
	resetLen         = 4
	pingLen          = 8
	goawayLen        = 8 // without debug data
	windowUpdateLen  = 4
	settingLen       = 6
	priorityFieldMin = 4 // PRIORITY_UPDATE before its value
)

// frameHeader is a frame header (RFC 9113 section 4.1) without its reserved bit.
type frameHeader struct {
	length uint32
	typ    frameType
	flags  uint8
	stream StreamID
}

func (h frameHeader) has(flag uint8) bool { return h.flags&flag != 0 }

// parseFrameHeader reads the first frameHeaderLen bytes of b.
func parseFrameHeader(b []byte) frameHeader {
	_ = b[frameHeaderLen-1]
	word := binary.BigEndian.Uint64(b)
	return frameHeader{
		length: uint32(word >> 40),
		typ:    frameType(word >> 32),
		flags:  uint8(word >> 24),
		stream: StreamID((uint32(word)<<8 | uint32(b[8])) & maxStreamID),
	}
}

// putFrameHeader writes h over the first frameHeaderLen bytes of b.
func putFrameHeader(b []byte, h frameHeader) {
	_ = b[frameHeaderLen-1]
	binary.BigEndian.PutUint64(b, uint64(h.length)<<40|uint64(h.typ)<<32|uint64(h.flags)<<24|uint64(h.stream)>>8)
	b[8] = byte(h.stream)
}

func appendFrameHeader(dst []byte, h frameHeader) []byte {
	return append(dst, byte(h.length>>16), byte(h.length>>8), byte(h.length), byte(h.typ), h.flags,
		byte(h.stream>>24), byte(h.stream>>16), byte(h.stream>>8), byte(h.stream))
}

func appendReset(dst []byte, id StreamID, code ErrCode) []byte {
	dst = appendFrameHeader(dst, frameHeader{length: resetLen, typ: frameReset, stream: id})
	return binary.BigEndian.AppendUint32(dst, uint32(code))
}

func appendWindowUpdate(dst []byte, id StreamID, increment uint32) []byte {
	dst = appendFrameHeader(dst, frameHeader{length: windowUpdateLen, typ: frameWindowUpdate, stream: id})
	return binary.BigEndian.AppendUint32(dst, increment)
}

func appendPing(dst []byte, flags uint8, opaque uint64) []byte {
	dst = appendFrameHeader(dst, frameHeader{length: pingLen, typ: framePing, flags: flags})
	return binary.BigEndian.AppendUint64(dst, opaque)
}

func appendGoaway(dst []byte, last StreamID, code ErrCode, debug string) []byte {
	dst = appendFrameHeader(dst, frameHeader{length: uint32(goawayLen + len(debug)), typ: frameGoaway})
	dst = binary.BigEndian.AppendUint32(dst, uint32(last))
	dst = binary.BigEndian.AppendUint32(dst, uint32(code))
	return append(dst, debug...)
}

func appendSettingsAck(dst []byte) []byte {
	return appendFrameHeader(dst, frameHeader{typ: frameSettings, flags: flagAck})
}

// parsePadding returns the payload of a PADDED frame without its padding. ok is false if the padding is
// as long as the payload or longer.
func parsePadding(payload []byte) (rest []byte, ok bool) {
	if len(payload) == 0 || int(payload[0]) >= len(payload) {
		return nil, false
	}
	return payload[1 : len(payload)-int(payload[0])], true
}

// parseDependency returns the stream dependency of PRIORITY, or of HEADERS with PRIORITY. The rest of
// RFC 7540's priorities is obsolete (RFC 9113 section 5.3.2).
func parseDependency(payload []byte) StreamID {
	return StreamID(binary.BigEndian.Uint32(payload) & maxStreamID)
}

// parseCode returns the error code at the start of b.
func parseCode(b []byte) ErrCode { return ErrCode(binary.BigEndian.Uint32(b)) }

// checkSize reports whether a frame has a length that its type allows.
func checkSize(h frameHeader, limit uint32) bool {
	switch h.typ {
	case framePriority:
		return h.length == priorityLen
	case frameReset:
		return h.length == resetLen
	case frameSettings:
		// RFC 9113 section 6.5: a whole number of settings; an acknowledgement has none.
		return h.length <= limit && h.length%settingLen == 0 && (!h.has(flagAck) || h.length == 0)
	case framePing:
		return h.length == pingLen
	case frameGoaway:
		return h.length >= goawayLen && h.length <= limit
	case frameWindowUpdate:
		return h.length == windowUpdateLen
	case framePriorityUpdate:
		return h.length >= priorityFieldMin && h.length <= limit
	case frameHeaders:
		least := uint32(0)
		if h.has(flagPadded) {
			least++
		}
		if h.has(flagPriority) {
			least += priorityLen
		}
		return h.length >= least && h.length <= limit
	case frameData:
		return h.length <= limit && (h.length > 0 || !h.has(flagPadded))
	default:
		return h.length <= limit
	}
}
