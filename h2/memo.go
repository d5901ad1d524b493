package h2

import "github.com/gatewheel/gatewheel/internal/memo"

// requestMemo is a connection's last request, if its block consisted of table references alone. Such a
// block changes no state, so the same bytes mean the same request until another block of the
// connection is decoded. Repeated requests of a client, a proxy or a load generator have equal blocks.
// Memos are kept in Shared, each for the connection that used it last, so that an idle connection needs
// no memory for them.
type requestMemo struct {
	serial uint64 // of the connection, 0: none
	block  []byte
	head   Head
	signal bool
	end    bool
}

func (c *machine) memo() *requestMemo { return &c.sh.memos[c.serial%memos] }

// memos is how many a loop keeps: for as many busy connections, 20 KB.
const memos = 64

// maxMemo bounds the block that is remembered: one byte a field.
const maxMemo = 32

func (c *Conn) remember(fragments []byte, end bool, s *section) {
	if len(fragments) > maxMemo {
		return
	}
	for _, b := range fragments {
		// RFC 7541 section 6.1: a reference of one byte, which leaves the tables alone.
		if b&0x80 == 0 || b == 0xff {
			return
		}
	}
	m := c.memo()
	m.serial, m.end, m.signal = c.serial, end, s.signal
	m.block = append(m.block[:0], fragments...)
	fields := append(m.head.Fields[:0], s.head.Fields...)
	clear(fields[len(fields):cap(fields)])
	m.head = s.head
	m.head.Fields = fields
}

// forget clears the connection's memo when it closes: the request may have credentials, which must
// not outlive the connection. Its HPACK table holds them for as long.
func (c *machine) forget() {
	m := c.memo()
	if m.serial != c.serial && m.serial != 0 { // 0: out of date, of this connection or another one
		return
	}
	m.serial = 0
	fields := m.head.Fields
	clear(fields[:cap(fields)])
	m.head = Head{Fields: fields[:0]}
}

// headMemo is the response head that was encoded last.
type headMemo struct {
	memo.Answer
	given int64 // its content-length, -1: none
}
