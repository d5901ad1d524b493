package h1

import (
	"bytes"
	"encoding/binary"
)

// A peer that asks again, for the same thing or in the same words, sends the same head. What those
// said that came last is remembered: to compare one costs a tenth of reading it, and its text need
// not be copied again, since strings are never used for anything else. Memos lie in Shared, so that
// an idle connection pays nothing.
type headMemo struct {
	text string // the whole head, its empty line included
	head Head
}

const (
	// memos is how many a loop keeps. They take 100 KB at most.
	memos = 64
	// maxMemo bounds the bytes of a head that is remembered, and maxMemoFields its lines. Longer
	// ones carry cookies that no two clients share.
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

// recall gives the head at the begin of in, if it is remembered, and its size; else 0.
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

// keep remembers a head that was read, now and then.
func (m *headMemo) keep(sh *Shared, text string, h *Head) {
	if len(text) > maxMemo || len(h.Fields) > maxMemoFields {
		return
	}
	if sh.unknown++; sh.unknown%memoEvery != 0 {
		return
	}
	fields := append(m.head.Fields[:0], h.Fields...)
	clear(fields[len(fields):cap(fields)])
	m.text, m.head = text, *h
	m.head.Fields = fields
}

// answerMemo is the final head that was encoded last, but for what tells its framing: answers that
// differ in their content alone follow each other often. Heads in which the application's
// Content-Length counts are none of it.
type answerMemo struct {
	status int
	fields []Field
	second int64 // of the date
	bytes  []byte
}

// matches compares what the head says, so it is always right.
func (m *answerMemo) matches(sh *Shared, r *Response) bool {
	if m.status != r.Status || m.second != sh.date.second || len(m.fields) != len(r.Fields) {
		return false
	}
	for i := range m.fields {
		if m.fields[i] != r.Fields[i] {
			return false
		}
	}
	return true
}

// keep remembers a head, unless it says something about the connection.
func (m *answerMemo) keep(sh *Shared, r *Response, seen noted, encoded []byte) {
	if seen.upgrade || seen.close || len(encoded) > maxMemo || len(r.Fields) > maxMemoFields {
		return
	}
	clear(m.fields)
	m.fields = append(m.fields[:0], r.Fields...)
	m.status, m.second = r.Status, sh.date.second
	m.bytes = append(m.bytes[:0], encoded...)
}
