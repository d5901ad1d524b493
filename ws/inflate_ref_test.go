package ws

import "testing"

// A reference inflater, bit by bit and as plain as possible. It tells how far
// back the references of a deflate stream reach, which the standard library does
// not.

type refInflater struct {
	t        testing.TB
	in       []byte
	bit      int
	out      []byte // behind the history
	distance int    // the farthest reference
}

// refInflate inflates a message, tail included, behind history.
func refInflate(t testing.TB, message, history []byte) (plain []byte, distance int) {
	t.Helper()
	r := &refInflater{t: t, in: message, out: append([]byte{}, history...)}
	for r.bit+3 <= len(r.in)*8 {
		final := r.bits(1)
		switch r.bits(2) {
		case 0:
			r.stored()
		case 1:
			lengths := make([]int, 288)
			for i := range lengths {
				switch {
				case i < 144:
					lengths[i] = 8
				case i < 256:
					lengths[i] = 9
				case i < 280:
					lengths[i] = 7
				default:
					lengths[i] = 8
				}
			}
			distances := make([]int, 30)
			for i := range distances {
				distances[i] = 5
			}
			r.block(lengths, distances)
		case 2:
			r.block(r.tables())
		default:
			t.Fatal("reserved block type")
		}
		if final == 1 || r.bit == len(r.in)*8 {
			break
		}
	}
	return r.out[len(history):], r.distance
}

func (r *refInflater) bits(n int) (v int) {
	for i := range n {
		if r.bit >= len(r.in)*8 {
			r.t.Fatal("deflate data ends early")
		}
		v |= int(r.in[r.bit/8]>>(r.bit%8)&1) << i
		r.bit++
	}
	return v
}

func (r *refInflater) stored() {
	r.bit = (r.bit + 7) / 8 * 8
	n := r.bits(16)
	if r.bits(16) != n^0xFFFF {
		r.t.Fatal("stored block with a wrong length")
	}
	for range n {
		r.out = append(r.out, byte(r.bits(8)))
	}
}

// symbol decodes by the canonical code of the lengths.
func (r *refInflater) symbol(lengths []int) int {
	code, first := 0, 0
	for n := 1; n <= 15; n++ {
		code = code<<1 | r.bits(1)
		first <<= 1
		for symbol, length := range lengths {
			if length == n {
				if code == first {
					return symbol
				}
				first++
			}
		}
	}
	r.t.Fatal("no such code")
	return 0
}

func (r *refInflater) tables() (lengths, distances []int) {
	literals, dists, codes := r.bits(5)+257, r.bits(5)+1, r.bits(4)+4
	order := []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	meta := make([]int, 19)
	for i := range codes {
		meta[order[i]] = r.bits(3)
	}
	var all []int
	for len(all) < literals+dists {
		repeat, value := 1, 0
		switch s := r.symbol(meta); s {
		case 16:
			repeat, value = 3+r.bits(2), all[len(all)-1]
		case 17:
			repeat = 3 + r.bits(3)
		case 18:
			repeat = 11 + r.bits(7)
		default:
			value = s
		}
		for range repeat {
			all = append(all, value)
		}
	}
	return all[:literals], all[literals:]
}

func (r *refInflater) block(lengths, distances []int) {
	for {
		s := r.symbol(lengths)
		switch {
		case s < 256:
			r.out = append(r.out, byte(s))
			continue
		case s == 256:
			return
		}
		n := r.length(s - 257)
		d := r.symbol(distances)
		extra := max(0, d/2-1)
		distance := d + 1
		if d >= 4 {
			distance = (2+d%2)<<extra + 1
		}
		distance += r.bits(extra)
		if distance > len(r.out) {
			r.t.Fatalf("reference %d back, where there are %d bytes", distance, len(r.out))
		}
		r.distance = max(r.distance, distance)
		for range n {
			r.out = append(r.out, r.out[len(r.out)-distance])
		}
	}
}

func (r *refInflater) length(l int) int {
	switch {
	case l < 8:
		return l + 3
	case l == 28:
		return 258
	}
	extra := l/4 - 1
	return (4+l%4)<<extra + 3 + r.bits(extra)
}
