package h1

import (
	"bytes"
	"encoding/binary"

	"github.com/gatewheel/gatewheel/internal/octets"
)

// headMemo is a parsed head, of a request or of a response. A peer that repeats itself sends the same
// bytes: comparing them costs a tenth of parsing, and the immutable text of the head is shared and not
// copied. Memos are kept in Shared, so that an idle connection needs no memory for them.
type headMemo[H any] struct {
	text string // the whole head, its empty line included
	head H
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
func (sh *Shared) memo(in []byte) *headMemo[Head] {
	const tail = len(" HTTP/1.1")
	end := bytes.IndexByte(in[:min(len(in), maxMemo)], '\r')
	if end < tail+4 {
		return nil
	}
	hash := (binary.LittleEndian.Uint32(in[end-tail-4:]) ^ uint32(end)) * 0x9e3779b1
	return &sh.memos[hash>>26]
}

// responseMemo is where the head of a response to ex would be remembered, by its size and its end; nil
// if nothing of that kind is.
func (sh *Shared) responseMemo(in []byte, ex *exchange) *headMemo[ResponseHead] {
	end := bytes.Index(in[:min(len(in), maxMemo)], []byte("\r\n\r\n"))
	if end < 8 || ex.connect {
		return nil
	}
	if sh.responses == nil {
		sh.responses = new([2][memos]headMemo[ResponseHead])
	}
	hash := (binary.LittleEndian.Uint64(in[end-8:]) ^ uint64(end)) * 0x9e3779b97f4a7c15
	kind := 0
	if ex.head {
		kind = 1
	}
	return &sh.responses[kind][hash>>58]
}

// size returns the size of the head at the start of in, if it is the one remembered; else 0.
func (m *headMemo[H]) size(in []byte) int {
	size := len(m.text)
	if size == 0 || len(in) < size || string(in[:size]) != m.text {
		return 0
	}
	return size
}

// recall fills h with a head that is remembered. The fields are copied: their slice is the caller's.
func (h *Head) recall(known *Head) {
	fields := append(h.Fields[:0], known.Fields...)
	*h = *known
	h.Fields = fields
}

// recall is Head.recall for a response.
func (h *ResponseHead) recall(known *ResponseHead) {
	fields := append(h.Fields[:0], known.Fields...)
	*h = *known
	h.Fields = fields
}

// worthKeeping reports whether a head that was read is to be remembered: it is small, its turn has
// come, and it has no credentials, which must not outlive their message. query is that of a request.
func (sh *Shared) worthKeeping(text string, fields []Field, query string) bool {
	if len(text) > maxMemo || len(fields) > maxMemoFields {
		return false
	}
	sh.unknown++
	return sh.unknown%memoEvery == 0 && !octets.HasSecretField(fields) && !octets.HasSecretParameter(query)
}

// keepFields copies fields into the memory of those remembered before.
func keepFields(before, fields []Field) []Field {
	kept := append(before[:0], fields...)
	clear(kept[len(kept):cap(kept)])
	return kept
}

// keep remembers a request's head now and then.
func (sh *Shared) keep(m *headMemo[Head], text string, h *Head) {
	if !sh.worthKeeping(text, h.Fields, h.Query) {
		return
	}
	fields := keepFields(m.head.Fields, h.Fields)
	m.text, m.head = text, *h
	m.head.Fields = fields
}

// keepResponse remembers a response's head now and then.
func (sh *Shared) keepResponse(m *headMemo[ResponseHead], text string, h *ResponseHead) {
	if !sh.worthKeeping(text, h.Fields, "") {
		return
	}
	fields := keepFields(m.head.Fields, h.Fields)
	m.text, m.head = text, *h
	m.head.Fields = fields
}
