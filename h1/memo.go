package h1

import (
	"bytes"
	"encoding/binary"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// headMemo is a parsed request head. A peer that repeats a request sends the same bytes: comparing
// them costs a tenth of parsing, and the immutable text of the head is shared and not copied. Memos
// are kept in Shared, so that an idle connection needs no memory for them.
type headMemo struct {
	text string // the whole head, its empty line included
	head Head
}

const (
	// memos is how many a loop keeps. They take 100 KB at most.
	memos = 64
	// maxMemo bounds the bytes of a head that is remembered, and maxMemoFields its lines. No two
	// clients send the same longer one.
	maxMemo       = 1 << 10
	maxMemoFields = 16
	// memoEvery is how many unknown heads pass for each that is remembered: where all differ, that
	// hardly costs.
	memoEvery = 8
)

// memo is where a head that begins like in would be remembered, by the end of its request line; nil
// if nothing of that kind is.
func (sh *Shared) memo(in []byte) *headMemo {
	const tail = len(" HTTP/1.1")
	end := bytes.IndexByte(in[:min(len(in), maxMemo)], '\r')
	if end < tail+4 {
		return nil
	}
	hash := (binary.LittleEndian.Uint32(in[end-tail-4:]) ^ uint32(end)) * 0x9e3779b1
	return &sh.memos[hash>>26]
}

// recall fills h with the head at the start of in, if it is remembered, and returns its size; else 0.
func (m *headMemo) recall(in []byte, h *Head) int {
	size := len(m.text)
	if size == 0 || len(in) < size || string(in[:size]) != m.text {
		return 0
	}
	fields := append(h.Fields[:0], m.head.Fields...)
	*h = m.head
	h.Fields = fields
	return size
}

// keep remembers a head that was read, now and then, unless it has credentials: these must not
// outlive their request.
func (m *headMemo) keep(sh *Shared, text string, h *Head) {
	if len(text) > maxMemo || len(h.Fields) > maxMemoFields {
		return
	}
	if sh.unknown++; sh.unknown%memoEvery != 0 || octets.HasSecretField(h.Fields) || octets.HasSecretParameter(h.Query) {
		return
	}
	fields := append(m.head.Fields[:0], h.Fields...)
	clear(fields[len(fields):cap(fields)])
	m.text, m.head = text, *h
	m.head.Fields = fields
}
