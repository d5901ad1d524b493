package ws

import (
	"encoding/binary"
	"testing"
)

// The reference coding of frames: written for reading, shares nothing with the
// machine.

// frameOf is a frame as a test writes it.
type frameOf struct {
	fin, rsv1, rsv2, rsv3 bool
	op                    Opcode
	masked                bool
	key                   [4]byte // of a masked frame that was parsed
	payload               []byte
}

var testKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

func (f frameOf) bytes() []byte {
	var first byte
	for i, bit := range []bool{f.fin, f.rsv1, f.rsv2, f.rsv3} {
		if bit {
			first |= 0x80 >> i
		}
	}
	b := []byte{first | byte(f.op)}
	var flag byte
	if f.masked {
		flag = 0x80
	}
	switch n := len(f.payload); {
	case n <= 125:
		b = append(b, flag|byte(n))
	case n <= 0xFFFF:
		b = append(b, flag|126)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b = append(b, flag|127)
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	if !f.masked {
		return append(b, f.payload...)
	}
	b = append(b, testKey[:]...)
	for i, x := range f.payload {
		b = append(b, x^testKey[i%4])
	}
	return b
}

// parseFrames is the reference decoder: it takes bytes apart that must be whole
// frames in their shortest form.
func parseFrames(t testing.TB, b []byte) []frameOf {
	t.Helper()
	var frames []frameOf
	for len(b) > 0 {
		if len(b) < 2 {
			t.Fatalf("half a header: %x", b)
		}
		f := frameOf{
			fin: b[0]&0x80 != 0, rsv1: b[0]&0x40 != 0, rsv2: b[0]&0x20 != 0, rsv3: b[0]&0x10 != 0,
			op: Opcode(b[0] & 15), masked: b[1]&0x80 != 0,
		}
		n, short := uint64(b[1]&0x7F), uint64(125)
		b = b[2:]
		switch n {
		case 126:
			n, b = uint64(binary.BigEndian.Uint16(b)), b[2:]
		case 127:
			n, short, b = binary.BigEndian.Uint64(b), 0xFFFF, b[8:]
		default:
			short = 0
		}
		if short > 0 && n <= short {
			t.Fatalf("length %d not in its shortest form", n)
		}
		var key []byte
		if f.masked {
			key, b = b[:4], b[4:]
		}
		if uint64(len(b)) < n {
			t.Fatalf("payload of %d bytes has %d", n, len(b))
		}
		f.payload = append([]byte{}, b[:n]...)
		if f.masked {
			f.key = [4]byte(key)
			for i := range f.payload {
				f.payload[i] ^= key[i%4]
			}
		}
		frames = append(frames, f)
		b = b[n:]
	}
	return frames
}

// reverseMasking returns frames as the other role sends them: those that were masked
// without masking, and the others with it. The last frame may be incomplete, and a frame
// may break any rule.
func reverseMasking(in []byte) (out []byte) {
	for len(in) >= 2 {
		size, length := 2, uint64(in[1]&0x7F)
		switch length {
		case 126:
			size = 4
		case 127:
			size = 10
		}
		masked := in[1]&0x80 != 0
		out = append(out, in[0], in[1]^0x80)
		if len(in) < size {
			return append(out, in[2:]...)
		}
		out = append(out, in[2:size]...)
		switch size {
		case 4:
			length = uint64(binary.BigEndian.Uint16(in[2:]))
		case 10:
			length = binary.BigEndian.Uint64(in[2:])
		}
		in = in[size:]
		key := testKey[:]
		if masked {
			key, in = in[:min(4, len(in))], in[min(4, len(in)):]
		} else {
			out = append(out, key...)
		}
		n := int(min(length, uint64(len(in))))
		for i, x := range in[:n] {
			out = append(out, x^key[i%4])
		}
		in = in[n:]
	}
	return append(out, in...)
}
