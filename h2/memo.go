package h2

import "github.com/gatewheel/gatewheel/internal/memo"

// headBlock is the last request that a server has received, or the last final response that a client has, if
// its block has left the table of the decoder as it was. Then the same bytes mean the same head until
// another block changes the table. Repeated requests of a client, a proxy or a load generator have equal
// blocks, and so have short responses within a second.
// They are kept in Shared, each for the connection that used it last, so that an idle connection needs no
// memory for them.
type headBlock struct {
	serial uint64 // of the connection, 0: none
	block  []byte
	head   Head
	status int // of a response
	signal bool
	end    bool
}

func (c *machine) memo() *headBlock { return &c.sh.memos[c.serial%memos] }

// memos is how many a loop keeps, for as many busy connections. Each has 168 bytes, up to 1.1 KiB of fields without their
// text, and its block: 64 memos of requests take up to 85 KiB, of responses up to 100 KiB. A memo of a block with few
// fields takes a third of that.
const memos = 64

const (
	// maxMemo bounds the fields of a head that is remembered, and the block of a request: one byte a field.
	maxMemo = 32
	// maxResponseMemo bounds the block of a response, whose fields may be literals.
	maxResponseMemo = 256
)

// remember keeps a request that is valid, if its block has references of one byte only.
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
	m.keep(c.serial, fragments, s)
	m.end, m.signal = end, s.signal
}

func (m *headBlock) keep(serial uint64, fragments []byte, s *section) {
	m.serial = serial
	m.block = append(m.block[:0], fragments...)
	clear(m.block[len(m.block):cap(m.block)]) // literals of the last one, perhaps of another connection
	fields := append(m.head.Fields[:0], s.head.Fields...)
	clear(fields[len(fields):cap(fields)])
	m.head = s.head
	m.head.Fields = fields
}

// remember keeps a response that is valid so far. Secrets are not kept: fields that are never to be indexed
// (RFC 7541 section 7.1.3).
func (c *Client) remember(fragments []byte, s *section) {
	if len(fragments) > maxResponseMemo || len(s.head.Fields) > maxMemo || c.decoder.changed || s.bad != "" || s.tooLarge || s.never != 0 || s.status < 200 {
		return
	}
	m := c.memo()
	m.keep(c.serial, fragments, s)
	m.status = s.status
}

// recall fills s with the last response if its block was the same, and reports whether it was.
func (c *Client) recall(fragments []byte, s *section) bool {
	m := c.memo()
	if m.serial != c.serial || string(m.block) != string(fragments) {
		return false
	}
	fields := append(s.head.Fields, m.head.Fields...) // the caller of Next may change those
	s.head = m.head
	s.head.Fields = fields
	s.status, s.pseudo = m.status, pseudoStatus
	return true
}

// forget clears the connection's memo when it closes: the request may have credentials, which must
// not outlive the connection. Its HPACK table holds them for as long.
func (c *machine) forget() {
	m := c.memo()
	if m.serial != c.serial && m.serial != 0 { // 0: out of date, of this connection or another one
		return
	}
	m.serial = 0
	clear(m.block[:cap(m.block)])
	m.block = m.block[:0]
	fields := m.head.Fields
	clear(fields[:cap(fields)])
	m.head = Head{Fields: fields[:0]}
}

// headMemo is the response head that was encoded last.
type headMemo struct {
	memo.Answer
	given int64 // its content-length, -1: none
}
